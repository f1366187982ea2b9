"""Cells that are empty in one modality only, values that are missing, and what is no protein."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multiverse.registry.antibodies import antibody_notes, non_proteins
from multiverse.registry.models import BUILT_IN
from multiverse.specs.model import ModelSpec
from tests.unit.registry.realistic import (
    Registered,
    cell_table,
    multimodal,
    options_of,
    real_counts,
    refusal_by_command,
    register_by_command,
)
from tests.unit.registry.registry_sources import make_anndata, make_mudata, read, write

Said = pytest.CaptureFixture[str]
BATCH = ("--batch-key", "batch")


def padded(value: float = 0.0, first: int = 60) -> np.ndarray:
    """Protein counts of which the cells from ``first`` on, the second batch, have this value."""
    proteins = real_counts("adt")
    proteins[first:] = value
    return proteins


def test_a_batch_without_proteins_is_noted_and_made_missing_if_asked(
    tmp_path: Path, capsys: Said
) -> None:
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=padded())
    register_by_command(source, capsys, *BATCH)
    plain = Registered("a")
    assert not plain.record.groups
    assert (plain.values("adt") == padded()).all()
    assert (
        "adt: 60 of 120 cells have no adt count but counts elsewhere, all of the 60 of batch "
        "'donor 2': padded with zeros and not measured, it seems. pca and mofa would take the "
        "zeros as measured"
    ) in plain.notes
    words, dropping = options_of(plain.notes.split("Register with ")[1].splitlines()[0])
    register_by_command(source, capsys, *BATCH, *dropping)
    assert Registered("a").record.n_obs == 60
    assert (Registered("a").values("rna") == real_counts()[:60]).all()
    register_by_command(source, capsys, *BATCH, *words)
    mosaic = Registered("a")
    assert mosaic.record.lacking == {"adt": 60}
    assert (mosaic.values("adt") == padded()[:60]).all()
    assert (mosaic.values("rna") == real_counts()).all()
    assert read(mosaic.dataset)["adt"].obs_names.tolist() == [f"cell{i}" for i in range(60)]
    assert "they were made missing" in mosaic.notes
    assert mosaic.record.fingerprint != plain.record.fingerprint


def test_the_models_that_take_a_mosaic_are_not_said_to_take_zeros_as_measured() -> None:
    mosaic = [
        folder.name
        for folder in BUILT_IN.iterdir()
        if (folder / "model.yaml").is_file() and ModelSpec.load(folder).yaml.mosaic
    ]
    assert mosaic == ["cobolt"]


def test_many_padded_cells_without_a_batch(tmp_path: Path, capsys: Said) -> None:
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=padded(first=100))
    register_by_command(source, capsys)
    assert "20 of 120 cells have no adt count but counts elsewhere: padded" in Registered("a").notes
    register_by_command(source, capsys, "--mosaic")
    assert Registered("a").record.lacking == {"adt": 20}


def test_a_few_empty_cells_are_measurements(tmp_path: Path, capsys: Said) -> None:
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=padded(first=115))
    register_by_command(source, capsys, *BATCH)
    assert "padded" not in Registered("a").notes
    assert "adt: 5 cells have no count" in Registered("a").notes
    said = register_by_command(source, capsys, *BATCH, "--mosaic")
    assert not Registered("a").record.groups
    assert "mosaic has no effect: all 120 cells have every modality" in said


def test_padding_of_cells_in_another_order(tmp_path: Path, capsys: Said) -> None:
    proteins = padded()
    adt = make_anndata(
        proteins[::-1].astype(np.float32),
        prefix="a",
        obs=pd.DataFrame(index=cell_table().index[::-1]),
    )
    rna = make_anndata(real_counts().astype(np.float32), obs=pd.DataFrame(index=cell_table().index))
    data = make_mudata(rna=rna, adt=adt)
    data.obs = cell_table().loc[data.obs_names]
    source = write(data, tmp_path / "a.h5mu")
    register_by_command(source, capsys, *BATCH, "--mosaic")
    found = read(Registered("a").dataset)["adt"]
    assert found.obs_names.tolist() == [f"cell{i}" for i in range(60)]
    assert (found.X.toarray() == proteins[:60]).all()


def test_a_mosaic_in_which_nothing_links_the_modalities(tmp_path: Path, capsys: Said) -> None:
    genes = real_counts()
    genes[:60] = 0
    source = multimodal(tmp_path / "a.h5mu", rna=genes, adt=padded())
    error, _ = refusal_by_command(source, capsys, "--mosaic")
    assert "No cell links adt to rna" in error


def test_cells_without_any_value_become_missing(tmp_path: Path, capsys: Said) -> None:
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=padded(np.nan))
    error, remedy = refusal_by_command(source, capsys, *BATCH)
    assert "is missing (NaN)" in error
    assert "60 of 120 cells have no value at all, of batch 'donor 2'" in remedy
    words, dropping, leaving_out = options_of(remedy)
    assert leaving_out == ["--without", "adt"]
    register_by_command(source, capsys, *BATCH, *dropping)
    assert Registered("a").record.n_obs == 60
    assert (Registered("a").values("adt") == padded()[:60]).all()
    register_by_command(source, capsys, *BATCH, *words)
    assert Registered("a").record.lacking == {"adt": 60}
    assert (Registered("a").values("adt") == padded()[:60]).all()


def test_panels_that_differ_are_told_by_feature_and_batch(tmp_path: Path, capsys: Said) -> None:
    proteins = real_counts("adt")
    proteins[60:, [2, 5]] = np.nan
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=proteins)
    _, remedy = refusal_by_command(source, capsys, *BATCH)
    assert "2 of 12 features have no value in some cells, of batch 'donor 2'" in remedy
    assert "Keep the 10 features that every cell has" in remedy
    *words, leaving_out = options_of(remedy)
    assert words == [["--exclude", "adt=a2"], ["--exclude", "adt=a5"]]
    assert leaving_out == ["--without", "adt"]
    register_by_command(source, capsys, *BATCH, *(word for option in words for word in option))
    kept = np.delete(real_counts("adt"), [2, 5], axis=1)
    assert (Registered("a").values("adt") == kept).all()


HASHTAGS = [
    "HTO1", "HTO_A", "Hashtag1", "anti-human-Hashtag-3", "TotalSeqB0251_Hashtag1", "CMO301",
    "MULTI-seq_1", "HTO-12-TotalSeqA",
]  # fmt: skip
ISOTYPES = [
    "IgG1", "IgG2a", "IgG1_control_TotalSeqB", "Mouse-IgG1", "Rat_IgG2b", "isotype_IgG1",
    "Isotype_MOPC.21", "Ms-IgG2a", "MouseIgG1kappaisotype_PROT", "RatIgG1kisotype_TotalA",
    "IgG1-TotalSeqC", "Mouse_IgG1_K_Iso", "Rag-IgG2c",
]  # fmt: skip
TARGETS = [
    "CD3", "CD4", "CD8a", "CD16", "CD45RA", "IgD", "IgM", "IgE", "IgA", "IgG", "IgG_Fc",
    "anti-human-IgG-Fc", "IgM-TotalSeqC", "CD64-FcgR1", "Ig_light_chain_lambda", "FceRIa",
    "TCR-Va7.2", "KLRG1", "ITGB7", "LIGHT", "CMKLR1", "mouse_CD45", "IgG_Fc_TotalSeqC",
]  # fmt: skip


def test_names_that_are_no_proteins() -> None:
    found = non_proteins([*HASHTAGS, *TARGETS, *ISOTYPES])
    assert list(found.values()) == [HASHTAGS, ISOTYPES]
    assert antibody_notes("rna", HASHTAGS) == []
    (note,) = antibody_notes("adt", ["CD3", "HTO'[1]"])
    assert options_of(note) == [["--exclude", "adt=HTO'[[]1]"]]
    assert "1 features look like hashtags" in note


def test_hashtags_and_isotypes_are_named_with_the_command(tmp_path: Path, capsys: Said) -> None:
    rna = make_anndata(real_counts().astype(np.float32), obs=pd.DataFrame(index=cell_table().index))
    adt = make_anndata(
        real_counts("adt").astype(np.float32), obs=pd.DataFrame(index=cell_table().index)
    )
    adt.var_names = ["CD3", "HTO_1", "Mouse IgG1", *[f"CD{n}" for n in range(4, 13)]]
    data = make_mudata(rna=rna, adt=adt)
    data.obs = cell_table().loc[data.obs_names]
    register_by_command(write(data, tmp_path / "a.h5mu"), capsys)
    notes = Registered("a").notes
    assert "hashtags, which mark samples, and models take them for proteins: leave them" in notes
    assert "--exclude adt=HTO_1" in notes
    assert "--exclude 'adt=Mouse IgG1'" in notes
