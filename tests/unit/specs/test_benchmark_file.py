"""benchmark.yaml: all problems at once, with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from multiverse.errors import SpecError
from multiverse.specs.benchmark import Benchmark, BenchmarkSource, ResourceLimits
from multiverse.specs.quantity import parse_bytes
from multiverse.specs.yaml_file import plain

GOOD = """\
name: comparison
seeds: [0, 1]
datasets:
  - pbmc
  - path: data/cite.h5mu
    batch_key: batch
    modalities: {prot: adt}
models:
  - pca
  - model: mofa
    parameters:
      - {n_factors: 10}
      - {n_factors: 20}
    resources: {memory: 8GiB, time_limit: 2h}
"""


def load(tmp_path: Path, text: str) -> BenchmarkSource:
    path = tmp_path / "benchmark.yaml"
    path.write_text(text)
    return BenchmarkSource.load(path)


def problems(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, text)
    return [
        (problem.line, f"{problem.where}: {problem.message}") for problem in caught.value.problems
    ]


def test_a_good_file(tmp_path: Path) -> None:
    benchmark = load(tmp_path, GOOD).benchmark
    assert benchmark.datasets[0].slug == "pbmc"
    assert benchmark.datasets[1].path == tmp_path / "data/cite.h5mu"
    assert [len(entry.parameters) for entry in benchmark.models] == [1, 2]
    assert benchmark.models[1].resources.memory == 8 * 1024**3
    assert benchmark.models[1].resources.time_limit == 7200


def test_all_problems_are_reported_with_their_lines(tmp_path: Path) -> None:
    text = GOOD.replace("seeds: [0, 1]", "seeds: [0, one]\nsedes: 3").replace("8GiB", "lots")
    found = problems(tmp_path, text)
    assert [line for line, _ in found] == [2, 3, 15]
    assert "seeds" in found[0][1]
    assert "did you mean 'seeds'" in found[1][1]
    assert "'lots' is not an amount of memory" in found[2][1]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1\nb: 2", 2, "not valid YAML"),
        ("datasets: [a]\ndatasets: [b]\nmodels: [c]", 2, "duplicate key"),
        ("- a\n- b", 1, "must hold keys"),
        ("", 1, "must hold keys"),
        ("datasets: []\nmodels: [pca]", 1, "datasets"),
        ("datasets: [pbmc]", None, "models: is required"),
        ("datasets: [pbmc]\nmodels: [../pca]", 2, "is not a slug"),
        ("datasets:\n  - slug: pbmc\n    batch_key: donor\nmodels: [pca]", 2, "needs a path"),
        ("datasets: [pbmc]\nmodels: [pca]\nseeds: [-1]", 3, "greater than or equal to 0"),
        ("datasets: [pbmc]\nmodels: [pca]\nseeds: []", 3, "at least 1"),
        ("datasets: [pbmc]\nmodels: [pca]\ndevice: tpu", 3, "device"),
    ],
)
def test_problem(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    found = problems(tmp_path, text)
    assert any(place == line and words in message for place, message in found), found


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: \x00"])
def test_not_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "benchmark.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError):
        BenchmarkSource.load(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SpecError, match="can't be read"):
            BenchmarkSource.load(path)


def test_the_published_schema_accepts_the_good_file(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    content = plain(YAML(typ="safe").load(GOOD))
    Draft202012Validator(Benchmark.json_schema()).validate(content)


def test_the_command_line_wins_over_every_place_of_the_file(tmp_path: Path) -> None:
    text = GOOD + "    device: cuda\n    seeds: [7]\n"
    given = ResourceLimits(memory=parse_bytes("16GiB"))
    source = load(tmp_path, text).updated({"seeds": (3,), "device": "cpu"}, given)
    mofa = source.benchmark.models[1]
    assert (mofa.device, mofa.seeds, mofa.resources.memory) == (None, None, None)
    assert mofa.resources.time_limit == 7200, "what the command line leaves open stays"
    assert source.benchmark.seeds == (3,)
    assert source.benchmark.resources.memory == 16 * 1024**3


@pytest.mark.parametrize("text", ["x: 2024-13-45", "x: !!int y", "[" * 5000])
def test_values_that_yaml_can_not_make(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError):
        load(tmp_path, text)


def test_a_list_whose_only_item_is_wrong_is_not_short_as_well() -> None:
    with pytest.raises(SpecError) as caught:
        BenchmarkSource.of({"datasets": [{"slug": "Bad Slug"}], "models": ["pca"]})
    assert [problem.where for problem in caught.value.problems] == ["datasets.0.slug"]
    with pytest.raises(SpecError, match=r"^seeds: needs at least 1 item$"):
        BenchmarkSource.of({"datasets": ["pbmc"], "models": ["pca"], "seeds": []})
