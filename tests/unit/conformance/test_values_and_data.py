"""What the checks are made of: other values of settings, tiny data, the model that is meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mudata import read_h5mu

from multiverse.conformance import find_target, tiny_data
from multiverse.conformance.tiny_data import ODD_NAMES, TinyData
from multiverse.conformance.values import other_values, trial_settings
from multiverse.contract import CellNames
from multiverse.errors import SpecError, UsageError
from multiverse.registry.datasets import RegisteredDataset
from multiverse.specs.model import ModelSpec
from tests.conftest import REPOSITORY, TEST_MODELS

ALL = ("rna", "atac", "adt")


@pytest.mark.parametrize(
    ("schema", "current", "values"),
    [
        ({"type": "integer", "minimum": 1}, 50, [25, 1]),
        ({"type": "integer", "minimum": 2, "maximum": 3}, 2, [3]),
        ({"type": "number", "exclusiveMinimum": 0}, 0.001, [0.0005, 0.00002]),
        ({"type": "number", "minimum": 0, "maximum": 1}, 0, [1, 0.5]),
        ({"type": ["integer", "null"], "minimum": 1}, None, [5, 3]),
        ({"enum": ["a", "b", "c", "d"]}, "b", ["a", "c"]),
        ({"type": "boolean"}, True, [False]),
        ({"type": "string"}, "anything", []),
        ({"type": "integer", "minimum": 4, "maximum": 4}, 4, []),
    ],
)
def test_other_values_are_valid_and_differ(
    schema: dict[str, Any], current: Any, values: list[Any]
) -> None:
    whole = {"type": "object", "properties": {"setting": schema}}
    assert other_values(whole, "setting", current) == pytest.approx(values)
    defined = {
        "$defs": {"one": schema},
        "properties": {"setting": {**schema, "$ref": "#/$defs/one"}},
    }
    assert other_values(defined, "setting", current) == pytest.approx(values)


def test_a_trial_value_replaces_the_default(tmp_path: Path) -> None:
    folder = tmp_path / "slow"
    folder.mkdir()
    text = (TEST_MODELS / "naughty" / "model.yaml").read_text().replace("naughty", "slow")
    (folder / "model.yaml").write_text(
        text.replace("default: 0\n", "default: 0\n      x-trial: 9\n")
    )
    assert trial_settings(ModelSpec.load(folder), "parameters") == {
        "behaviour": "good",
        "amount": 9,
    }


def counts(dataset: RegisteredDataset, name: str) -> Any:
    return read_h5mu(dataset.data)[name].X.toarray()


def test_data_are_registered_without_labels(tmp_path: Path) -> None:
    data = TinyData(tmp_path)
    usual = data.usual(ALL)
    assert usual is data.usual(ALL)
    assert usual.record.n_labels == 3
    with h5py.File(usual.data) as file:
        assert "cell_type" not in file["obs"]
    labelled = tiny_data.add_labels(usual, tmp_path / "labelled.h5mu")
    assert set(read_h5mu(labelled).obs["cell_type"]) == {"type_1", "type_2", "type_3"}


def test_each_change_is_what_it_says(tmp_path: Path) -> None:
    data = TinyData(tmp_path)
    usual = data.usual(ALL)

    empty = data.changed("empty-cells", ALL, tiny_data.with_empty_cells)
    assert [counts(empty, name)[:11].any(axis=1).tolist().count(False) for name in ALL] == [3] * 3
    assert counts(usual, "rna")[:3].any(axis=1).all()

    barren = data.changed("empty-features", ALL, tiny_data.with_empty_features)
    assert not counts(barren, "atac")[:, ::4].any()
    assert counts(barren, "rna").shape == counts(usual, "rna").shape

    alone = data.changed("lone", ALL, tiny_data.with_lone_batch)
    assert read_h5mu(alone.data).obs["batch"].value_counts().min() == 1
    assert data.changed("none", ALL, tiny_data.without_batch).record.batch_key is None
    three = data.changed("three", ALL, tiny_data.with_three_proteins)
    assert three.record.modalities["adt"].n_vars == 3
    assert data.changed("few", ALL, tiny_data.with_few_cells).record.n_obs == 5


def test_a_mosaic_has_a_measurement_of_every_cell(tmp_path: Path) -> None:
    dataset = TinyData(tmp_path).changed("mosaic", ALL, tiny_data.with_lacking_cells)
    assert dataset.record.n_obs == 100
    assert dataset.record.lacking == dict.fromkeys(ALL, 10)
    file = read_h5mu(dataset.data)
    lacking = [set(file.obs_names) - set(file[name].obs_names) for name in ALL]
    assert len(set.union(*lacking)) == 30
    batches = tiny_data.simulated(ALL).obs["batch"].astype(str)
    assert file.obs["batch"].astype(str).equals(batches.loc[file.obs_names].rename("batch"))


def test_odd_names_change_nothing_but_names(tmp_path: Path) -> None:
    data = TinyData(tmp_path)
    odd = data.changed("odd", ALL, tiny_data.with_odd_names)
    assert CellNames.read(odd.data).names[: len(ODD_NAMES)] == ODD_NAMES
    assert np.array_equal(counts(odd, "rna"), counts(data.usual(ALL), "rna"))


def test_a_model_is_found_by_name_by_folder_and_by_image(tmp_path: Path) -> None:
    assert find_target("pca").name == "pca"
    assert find_target(str(TEST_MODELS / "naughty")).name == "naughty"
    assert find_target("naughty", models_dirs=[TEST_MODELS]).name == "naughty"
    image = find_target(None, image="host:5000/lab/Thing")
    assert (image.image_tag, image.name) == ("host:5000/lab/Thing:latest", "thing")
    assert image.yaml.modalities.optional == ALL
    yaml = REPOSITORY / "docs" / "examples" / "r-pca" / "model.yaml"
    described = find_target(None, image="lab/r:2", model_yaml=yaml)
    assert (described.image_tag, described.name) == ("lab/r:2", "r-pca")


@pytest.mark.parametrize(
    ("name", "image", "model_yaml"),
    [
        (None, None, None),
        ("pca", "an/image", None),
        ("no-such-model", None, None),
        ("./no-such-folder", None, None),
        ("pca", None, Path("model.yaml")),
        (None, "an/image", Path("no-such-file.yaml")),
    ],
)
def test_what_is_no_model_is_refused(
    name: str | None, image: str | None, model_yaml: Path | None
) -> None:
    with pytest.raises((UsageError, SpecError)):
        find_target(name, image=image, model_yaml=model_yaml)
