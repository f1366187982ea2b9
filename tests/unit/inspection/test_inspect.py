"""What is said of a dataset before anything runs is true, and its commands work as they are."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy.sparse import csr_matrix

import multiverse
from multiverse.api.plan import HISTORY
from multiverse.cli.main import main
from multiverse.errors import DatasetError, UsageError
from multiverse.events import Event
from multiverse.forecast.history import History, PastRun, settings_hash
from multiverse.inspection import Inspection, counts
from multiverse.registry.models import find_models
from multiverse.specs.dataset import DatasetRecord
from tests.unit.registry.registry_sources import make_mudata, write

CELLS = 60


def cells(n: int = CELLS) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "batch": [f"b{number % 2}" for number in range(n)],
            "cell_type": [("B", "T", "Unknown")[number % 3] for number in range(n)],
            "depth": np.linspace(0.5, 9.5, n),
        },
        index=[f"cell{number}" for number in range(n)],
    )


def rna(n: int = CELLS, n_vars: int = 9, seed: int = 0, **obs: Any) -> AnnData:
    values = np.random.default_rng(seed).poisson(1.0, (n, n_vars)).astype(np.float32)
    var = pd.DataFrame(index=[f"g{number}" for number in range(n_vars)])
    return AnnData(csr_matrix(values), obs=cells(n).assign(**obs), var=var)


def tell_dry(command: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Follow a command to the letter, but for starting its jobs."""
    words = shlex.split(command)
    assert words[0] == "multiverse"
    capsys.readouterr()
    assert main([*words[1:], "--dry-run", "--json", "--engine", "local"]) == 0
    jobs: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return jobs


def registered_by(command: str, path: Path) -> DatasetRecord:
    """Register what a command to run would."""
    words = shlex.split(command)
    options = words[words.index(str(path)) + 1 :]
    assert main(["register", str(path), *options, "--replace"]) == 0
    (dataset,) = multiverse.api.list_datasets()
    return dataset.record


def test_numbers_are_those_of_the_matrix(tmp_path: Path) -> None:
    data = rna()
    found = multiverse.inspect(write(data, tmp_path / "data.h5ad"))
    (facts,) = found.modalities
    dense = data.X.toarray()
    sums = dense.sum(axis=1)
    assert (facts.n_cells, facts.n_features, facts.n_values) == (60, 9, int((dense > 0).sum()))
    assert facts.zeros == pytest.approx((dense == 0).mean())
    assert facts.empty_cells == (sums == 0).sum()
    assert facts.empty_features == (dense.sum(axis=0) == 0).sum()
    assert facts.depth is not None
    assert facts.depth.median == np.median(sums)
    assert (facts.depth.lower, facts.depth.upper) == tuple(np.quantile(sums, (0.25, 0.75)))
    assert facts.counts_in == "X"
    assert facts.example_features == ("g0", "g1", "g2")


def test_columns_are_suggested_and_the_command_uses_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(rna(), tmp_path / "it's; echo x.h5ad")
    found = multiverse.inspect(path)
    assert (found.labels, found.batches) == (("cell_type",), ("batch",))
    assert found.batch_key is None, "a suggestion is not applied"
    assert found.command is not None
    assert "--batch-key batch --label-key cell_type --unlabelled Unknown" in found.command
    jobs = tell_dry(found.command, capsys)
    assert {job["model"] for job in jobs} == {
        item.model for item in found.models if item.reason is None
    }
    record = registered_by(found.command, path)
    assert (record.batch_key, record.label_key, record.n_labels) == ("batch", "cell_type", 2)


def test_the_command_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    data = rna()
    data.obs["cell type"] = [("a b", "c'd", "$(id)")[number % 3] for number in range(CELLS)]
    del data.obs["cell_type"]
    found = multiverse.inspect(write(data, tmp_path / "-dash $HOME `x`.h5ad"))
    script = f'multiverse() {{ "{sys.executable}" -m multiverse "$@" --dry-run; }}\n{found.command}'
    done = subprocess.run(
        ["/bin/bash", "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "MULTIVERSE_ENGINE": "local"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nothing was started" in done.stdout
    assert "cell type" in str(found.command)


def test_a_relative_name_that_begins_with_a_dash_stays_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(rna(), tmp_path / "-x.h5ad")
    monkeypatch.chdir(tmp_path)
    found = multiverse.inspect("-x.h5ad")
    assert len(tell_dry(str(found.command), capsys)) > 1


def test_counts_are_found_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = rna()
    data.layers["umis"] = data.X.copy()
    data.layers["scaled"] = data.X.toarray() - 0.5
    data.X = np.log1p(data.X.toarray())
    found = multiverse.inspect(write(data, tmp_path / "data.h5ad"))
    (facts,) = found.modalities
    assert facts.counts_in == "layers['umis']"
    assert "X holds no counts" in facts.why
    assert "--layer umis" in str(found.command)
    assert tell_dry(str(found.command), capsys)


def test_the_usual_layer_has_to_be_named_by_nobody(tmp_path: Path) -> None:
    data = rna()
    data.layers["counts"] = data.X.copy()
    data.X = np.log1p(data.X.toarray())
    found = multiverse.inspect(write(data, tmp_path / "data.h5ad"))
    assert found.modalities[0].counts_in == "layers['counts']"
    assert "--layer" not in str(found.command)


def test_normalised_values_are_said_to_be_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = rna()
    data.X = np.log1p(data.X.toarray())
    path = write(data, tmp_path / "data.h5ad")
    found = multiverse.inspect(path)
    assert (found.command, found.models) == (None, ())
    assert "no raw counts" in found.obstacles[0].message
    assert found.labels == ("cell_type",), "what can be read is shown all the same"
    assert main(["inspect", str(path)]) == 0
    assert "can't be run as it is: rna holds no raw counts" in capsys.readouterr().out


def test_cells_without_a_modality_leave_two_ways(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = pd.DataFrame(index=cells(CELLS).index)
    first, second = rna(), rna(40, 4, 1)
    first.obs = bare
    second.obs = bare.iloc[:40].copy()
    second.var_names = [f"p{number}" for number in range(4)]
    data = make_mudata(rna=first, adt=second)
    data.obs = cells().loc[data.obs_names]
    path = write(data, tmp_path / "data.h5mu")
    found = multiverse.inspect(path)
    assert found.lacking == {"adt": 20}
    assert "--intersect" in str(found.command)
    (other,) = found.other_commands
    assert "--mosaic" in other.command
    n_obs = []
    for command in (str(found.command), other.command):
        assert tell_dry(command, capsys)
        n_obs.append(registered_by(command, path).n_obs)
    assert n_obs == [40, CELLS]
    chosen = multiverse.inspect(path, mosaic=True)
    assert chosen.other_commands == ()
    assert chosen.command == other.command


def test_repeated_cells_are_an_obstacle_with_a_next_step(tmp_path: Path) -> None:
    data = rna()
    data.obs_names = ["same"] * CELLS
    found = multiverse.inspect(write(data, tmp_path / "data.h5ad"))
    assert found.command is None
    assert "same" in found.obstacles[0].message
    assert found.obstacles[0].remedy
    assert found.modalities[0].n_cells == CELLS


@pytest.mark.parametrize("keys", [{"label_key": "nope"}, {"layer": "nope"}, {"batch_key": "nope"}])
def test_what_is_asked_for_and_is_not_there_is_refused(
    tmp_path: Path, keys: dict[str, Any]
) -> None:
    path = write(rna(), tmp_path / "data.h5ad")
    with pytest.raises(DatasetError, match="nope"):
        multiverse.inspect(path, **keys)


def test_keys_that_are_named_stand(tmp_path: Path) -> None:
    data = rna(patient=[f"p{number % 4}" for number in range(CELLS)])
    found = multiverse.inspect(write(data, tmp_path / "data.h5ad"), batch_key="patient")
    assert found.batch_key == "patient"
    assert "--batch-key patient --label-key cell_type" in str(found.command)


def test_models_that_cannot_run_say_why(tmp_path: Path) -> None:
    found = multiverse.inspect(write(rna(), tmp_path / "data.h5ad"))
    reasons = {item.model: item.reason for item in found.models}
    assert reasons["pca"] is None
    assert "needs adt" in str(reasons["totalvi"])
    assert "totalvi" not in str(found.command)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MULTIVERSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def past(model: str, seconds: float, memory: int, n_obs: int = CELLS) -> PastRun:
    spec = find_models([model])[model]
    return PastRun(
        model=model, model_version=spec.version, device="cpu", engine="docker", n_obs=n_obs,
        n_values=n_obs * 6, cpus=min(spec.yaml.resources.cpus, os.cpu_count() or 1),
        wall_seconds=seconds, peak_memory_bytes=memory, out_of_memory=False,
        memory_limit=2**40, finished_at="2026-01-01T00:00:00+00:00",
        parameters=settings_hash({}, spec.defaults("preprocessing")),
    )  # fmt: skip


def test_costs_come_from_past_runs_and_are_not_made_up(tmp_path: Path, cache: Path) -> None:
    History(cache / HISTORY).append(past("pca", 12.0, 300 * 2**20))
    found = multiverse.inspect(write(rna(), tmp_path / "data.h5ad"))
    costs = {item.model: item for item in found.models}
    pca, mofa = costs["pca"], costs["mofa"]
    assert pca.time is not None
    assert pca.memory is not None
    assert pca.time.expected == pytest.approx(12.0)
    assert pca.memory.expected == pytest.approx(300 * 2**20, rel=0.1)
    assert pca.basis == "1 run on 60 cells"
    assert (mofa.time, mofa.memory) == (None, None)
    assert mofa.basis == "no run of mofa yet"


def test_what_will_run_out_of_memory_is_left_out(tmp_path: Path, cache: Path) -> None:
    History(cache / HISTORY).append(past("mofa", 12.0, 2**40))
    found = multiverse.inspect(write(rna(), tmp_path / "data.h5ad"))
    (mofa,) = [item for item in found.models if item.model == "mofa"]
    assert "run out of memory" in str(mofa.warning)
    assert "mofa" not in shlex.split(str(found.command))


def files_below(*folders: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns
        for folder in folders if folder.exists()
        for path in [folder, *folder.rglob("*")]
    }  # fmt: skip


@pytest.mark.parametrize("in_memory", [False, True])
def test_nothing_is_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (tmp_path / "data").mkdir()
    path = write(rna(), tmp_path / "data" / "data.h5ad")
    monkeypatch.chdir(tmp_path / "data")
    before = files_below(tmp_path / "data")
    multiverse.inspect(rna() if in_memory else path)
    assert files_below(tmp_path / "data") == before
    assert not cache.exists()
    assert not (tmp_path / "home").exists()
    assert list(scratch.iterdir()) == []


def test_an_object_is_what_the_same_file_is(tmp_path: Path) -> None:
    data = rna()
    data.layers["other"] = data.X.copy()
    of_file = multiverse.inspect(write(data, tmp_path / "adata.h5ad"))
    before = data.copy()
    of_object = multiverse.inspect(data)
    same = ("n_cells", "modalities", "columns", "lacking", "notes", "models")
    assert [getattr(of_object, name) for name in same] == [getattr(of_file, name) for name in same]
    assert of_object.source == "the AnnData in memory"
    pd.testing.assert_frame_equal(data.obs, before.obs)
    several = MuData({"rna": rna()})
    assert "mdata" in str(multiverse.inspect(several).command)


def test_the_command_of_an_object_is_python(monkeypatch: pytest.MonkeyPatch) -> None:
    adata = rna()
    found = multiverse.inspect(adata)
    called: list[Any] = []
    monkeypatch.setattr(multiverse.api, "run", lambda *given, **more: called.append((given, more)))
    exec(str(found.command), {"multiverse": multiverse, "adata": adata})  # noqa: S102
    ((models, data), settings) = called[0]
    assert "pca" in models
    assert data is adata
    assert settings == {
        "slug": "adata", "batch_key": "batch", "label_key": "cell_type", "unlabelled": ["Unknown"],
    }  # fmt: skip
    assert multiverse.api.preview(["pca"], adata, engine="local", **settings)[0].model == "pca"


def test_a_registered_dataset_is_inspected_by_its_slug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(rna(), tmp_path / "data.h5ad")
    multiverse.register(path, slug="mine", batch_key="batch", label_key="cell_type")
    found = multiverse.inspect("mine")
    assert (found.source, found.batch_key, found.label_key) == ("mine", "batch", "cell_type")
    assert {item.column.name for item in found.columns} == {"batch", "cell_type", "depth"}
    assert found.modalities[0].depth == multiverse.inspect(path).modalities[0].depth
    assert {job["dataset"] for job in tell_dry(str(found.command), capsys)} == {"mine"}
    with pytest.raises(UsageError):
        multiverse.inspect("mine", batch_key="batch")
    with pytest.raises(DatasetError, match="did you mean 'mine'"):
        multiverse.inspect("mime")


HOSTILE = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.add(tag)


def test_no_text_of_a_dataset_becomes_html_or_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = rna()
    data.obs[HOSTILE] = data.obs["cell_type"]
    data.obs["cell_type\n; rm -rf ~"] = data.obs["cell_type"].to_numpy()
    data.obs["batch"] = [f"\x1b[31m{HOSTILE}{number % 2}" for number in range(CELLS)]
    data.var_names = [f"<b>{name}" for name in data.var_names]
    del data.obs["cell_type"]
    path = write(data, tmp_path / "data.h5ad")
    found = multiverse.inspect(path)
    tags = Tags()
    tags.feed(found._repr_html_())
    assert tags.found <= {
        "div", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "pre", "br",
    }  # fmt: skip
    assert HOSTILE in {item.column.name for item in found.columns}
    assert found.labels == ("cell_type\n; rm -rf ~",)
    assert "--label-key" not in str(found.command), "it can't be printed, so not be pasted either"
    assert "--batch-key batch" in str(found.command)
    assert main(["inspect", str(path)]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_several_files_are_looked_at_in_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write(rna(), tmp_path / "good.h5ad"), tmp_path / "bad.h5ad"
    bad.write_text("nothing")
    assert main(["inspect", str(bad), str(good)]) == DatasetError.exit_code
    said = capsys.readouterr()
    assert "bad.h5ad is not an HDF5 file" in said.err
    assert "good.h5ad: 60 cells, rna" in said.out
    assert main(["inspect", "--json", str(bad), str(good)]) == DatasetError.exit_code
    broken, whole = json.loads(capsys.readouterr().out)
    assert "not an HDF5 file" in broken["error"]
    assert whole["modalities"][0]["depth"]["median"] > 0
    assert whole["command"].startswith("multiverse run")


def test_a_large_file_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "PROGRESS_SECONDS", -1.0)
    told: list[Event] = []
    multiverse.inspect(write(rna(), tmp_path / "data.h5ad"), tell=told.append)
    words = [str(event) for event in told]
    assert words[0].startswith("reading ")
    assert words[1:] == ["rna: 60 of 60 cells read"]


def test_register_without_keys_says_what_scores_need(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(rna(), tmp_path / "data.h5ad")
    assert main(["register", str(path)]) == 0
    said = capsys.readouterr().out
    assert (
        "  No labels were given, so biology can't be scored. Columns that could be labels: "
        "cell_type (3 groups). Use one: --label-key cell_type\n" in said
    )
    (command,) = [line for line in said.splitlines() if line.startswith("  multiverse register")]
    assert main(shlex.split(command)[1:]) == 0
    assert "No labels were given" not in capsys.readouterr().out
    record = multiverse.api.list_datasets()[0].record
    assert (record.slug, record.batch_key, record.label_key) == ("data", "batch", "cell_type")
    assert record.unlabelled == ("Unknown",)


@pytest.mark.parametrize("machine", [False, True])
def test_run_without_keys_says_it_once_and_to_people_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], machine: bool
) -> None:
    path = write(rna(), tmp_path / "data.h5ad")
    words = ["run", "--models", "pca", "mofa", "--input", str(path), "--dry-run"]
    assert main([*words, "--engine", "local", *(["--json"] if machine else [])]) == 0
    said = capsys.readouterr()
    assert (said.out + said.err).count("No labels were given") == (0 if machine else 1)


def test_run_of_a_dataset_that_was_registered_without_labels_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(rna(), tmp_path / "data.h5ad")
    assert main(["register", str(path)]) == 0
    record = multiverse.api.list_datasets()[0].record
    assert record.label_columns == {"cell_type": 3}
    capsys.readouterr()
    words = ["run", "--models", "pca", "--dataset", "data", "--dry-run", "--engine", "local"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert (
        "data: No labels were given, so biology can't be scored. Columns that could be labels: "
        "cell_type (3 groups). Use one: --label-key cell_type when its file is registered again: "
        "multiverse register FILE --slug data --replace" in said.out + said.err
    )
    assert main(["register", str(path), "--label-key", "cell_type", "--replace"]) == 0
    assert multiverse.api.list_datasets()[0].record.label_columns == {}
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "No labels" not in said.out + said.err


def test_an_inspection_is_plain_data(tmp_path: Path) -> None:
    found = multiverse.inspect(write(rna(), tmp_path / "data.h5ad"))
    assert isinstance(found, Inspection)
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False)) == json.loads(
        json.dumps(found.to_dict())
    )


@pytest.mark.parametrize("nothing", [0.0, np.nan])
def test_padded_cells_are_said_and_missing_where_asked(tmp_path: Path, nothing: float) -> None:
    first, second = rna(), rna(CELLS, 4, 1)
    second.X = second.X.toarray() + 1
    second.X[30:] = nothing
    second.var_names = [f"CD{number}" for number in range(3)] + ["HTO1"]
    second.obs = first.obs[[]].copy()
    path = write(make_mudata(rna=first, adt=second), tmp_path / "data.h5mu")
    plain = multiverse.inspect(path)
    said = "\n".join([*plain.notes, *(item.message + str(item.remedy) for item in plain.obstacles)])
    assert "--mosaic" in said
    assert ("HTO1" in said) == (nothing == 0)
    asked = multiverse.inspect(path, mosaic=True)
    assert not asked.obstacles
    assert {item.model for item in asked.models if item.reason is None} == {"cobolt"}
    assert registered_by(str(asked.command), path).lacking == {"adt": 30}


def test_a_label_that_reads_like_none_is_said_also_where_the_column_is_named(
    tmp_path: Path,
) -> None:
    path = write(rna(), tmp_path / "data.h5ad")
    notes = "\n".join(multiverse.inspect(path, label_key="cell_type").notes)
    assert "reads like no label; if it is none: --unlabelled Unknown" in notes
