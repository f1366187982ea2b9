"""Which matrix is taken for raw counts: by evidence, and every next step works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from multiverse.registry.evidence import Evidence
from multiverse.registry.formats import read_layout
from multiverse.registry.judge import CountsVerdict, Judge
from multiverse.registry.layout import Layout
from multiverse.registry.options import DEFAULT_OPTIONS
from multiverse.registry.registration import register
from multiverse.registry.source import opened_source
from tests.unit.registry.realistic import (
    Registered,
    cell_table,
    down_sampled,
    multimodal,
    options_of,
    per_depth,
    real_counts,
    refusal_by_command,
    register_by_command,
    source_of,
)
from tests.unit.registry.registry_sources import make_anndata, shared, write

Said = pytest.CaptureFixture[str]
REAL = (
    "mop_snareseq_2k", "pbmc10k_citeseq", "pbmc68k_rna", "pbmc_citeseq_2batch", "pbmc_eccite_500",
    "pbmc_inhouse_citeseq", "pbmc_multiome_40", "wu2020_tcells_rna",
)  # fmt: skip


def follow(source: Path, remedy: str, capsys: Said) -> list[Registered]:
    """Register with each option that the remedy names."""
    outcomes = []
    for words in options_of(remedy):
        register_by_command(source, capsys, *words, "--slug", "followed")
        outcomes.append(Registered("followed"))
    return outcomes


def test_binary_peaks_with_counts_in_a_layer(tmp_path: Path, capsys: Said) -> None:
    fragments = real_counts("atac")
    data = make_anndata((fragments > 0).astype(np.float32), prefix="p", obs=cell_table())
    data.layers["counts"] = fragments.astype(np.float32)
    source = write(data, tmp_path / "a.h5ad")
    register_by_command(source, capsys, "--modality", "X=atac")
    found = Registered("a")
    assert (found.values("atac") == fragments).all()
    assert "atac: counts were taken from layers['counts'], as X holds 0 and 1 only" in found.notes


def test_binary_peaks_are_registered_with_what_it_means(tmp_path: Path, capsys: Said) -> None:
    source = multimodal(
        tmp_path / "a.h5mu", rna=real_counts(), atac=(real_counts("atac") > 0) * 1.0
    )
    said = register_by_command(source, capsys)
    assert "rna: 120 cells × 500 features, verified as raw counts" in said
    assert "atac: 120 cells × 900 features, whole numbers, but see the note" in said
    notes = Registered("a").notes
    assert "atac: X holds 0 and 1 only: peaks are open or not. multivi uses no more" in notes
    assert "cobolt's likelihood is one of counts" in notes


def test_binary_genes_are_refused_unless_they_are_named(tmp_path: Path, capsys: Said) -> None:
    binary = (real_counts() > 0) * 1.0
    source = source_of(tmp_path / "a.h5ad", binary)
    error, remedy = refusal_by_command(source, capsys)
    assert "rna holds no raw counts: X holds 0 and 1 only" in error
    (found,) = follow(source, remedy, capsys)
    assert (found.values() == binary).all()
    assert "X was taken because it was named" in found.notes


def test_binary_genes_with_counts_in_a_layer_of_another_name(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    layers = {"it's umi": counts, "log": np.log1p(counts)}
    source = source_of(tmp_path / "a.h5ad", (counts > 0) * 1.0, **layers)
    _, remedy = refusal_by_command(source, capsys)
    assert "'log'" not in remedy
    register_by_command(source, capsys, "--layer", "it's umi")
    assert (Registered("a").values() == counts).all()
    assert """--layer 'it'"'"'s umi'""" in remedy


def test_counts_too_sparse_to_repeat_are_binary_by_chance(tmp_path: Path, capsys: Said) -> None:
    shallow = np.zeros((60, 400))
    shallow[np.arange(60), np.arange(60) * 5] = 1
    shallow[np.arange(60), np.arange(60) * 5 + 1] = 1
    source = source_of(tmp_path / "a.h5ad", shallow)
    register_by_command(source, capsys)
    assert "it is so sparse that this may be chance" in Registered("a").notes


def test_an_x_that_was_down_sampled_from_the_layer(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    less = np.random.default_rng(0).binomial(counts.astype(int), 0.6).astype(float)
    source = source_of(tmp_path / "a.h5ad", less, counts=counts)
    register_by_command(source, capsys)
    found = Registered("a")
    assert (found.values() == counts).all()
    assert "counts were taken from layers['counts'], as X has" in found.notes
    assert "% of its counts, and in no cell more" in found.notes
    (other,) = follow(source, found.notes, capsys)
    assert (other.values() == less).all()


def test_two_matrices_of_equal_standing(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    other = counts[:, ::-1].copy()
    other[0] += 1
    source = source_of(tmp_path / "a.h5ad", counts, counts=other)
    error, remedy = refusal_by_command(source, capsys)
    assert "two matrices that both look like raw counts: X with" in error
    assert "1 of 120 cells have another total" in error
    of_x, of_layer = follow(source, remedy, capsys)
    assert (of_x.values() == counts).all()
    assert (of_layer.values() == other).all()


def test_a_layer_with_less_than_x_is_not_chosen_in_silence(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    less = np.floor(counts * 0.8)
    source = source_of(tmp_path / "a.h5ad", counts, counts=less)
    _, remedy = refusal_by_command(source, capsys)
    assert [found.values().sum() for found in follow(source, remedy, capsys)] == [
        counts.sum(), less.sum(),
    ]  # fmt: skip


def test_the_same_counts_twice_are_no_news(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    data = make_anndata(counts.astype(np.float32), obs=cell_table())
    data.layers["counts"] = data.X.copy()
    data.raw = data.copy()
    some = data[:, :400].copy()
    source = write(some, tmp_path / "a.h5ad")
    assert "verified as raw counts" in register_by_command(source, capsys)
    assert not [note for note in Registered("a").record.notes if "counts" in note]


def test_raw_holds_what_was_taken_out_of_x(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    whole = make_anndata(counts.astype(np.float32), obs=cell_table())
    some = make_anndata(
        np.random.default_rng(0).binomial(counts.astype(int), 0.5).astype(np.float32)[:, :300],
        obs=cell_table(),
    )
    some.raw = whole
    source = write(some, tmp_path / "a.h5ad")
    register_by_command(source, capsys)
    found = Registered("a")
    assert (found.values() == counts).all()
    assert "counts were taken from raw" in found.notes
    register_by_command(source, capsys, "--layer", "X")
    assert Registered("a").values().shape == (120, 300)
    register_by_command(source, capsys, "--layer", "raw")
    assert Registered("a").values().shape == (120, 500)


def test_a_matrix_of_zeros_beside_the_counts(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    source = source_of(tmp_path / "a.h5ad", -0.0 * counts, counts=counts)
    register_by_command(source, capsys)
    assert (Registered("a").values() == counts).all()


def test_a_matrix_that_is_named_must_be_there(tmp_path: Path, capsys: Said) -> None:
    source = source_of(tmp_path / "a.h5ad", real_counts(), counts=real_counts())
    error, remedy = refusal_by_command(source, capsys, "--layer", "raw")
    assert "There is no layer 'raw'" in error
    assert "counts" in remedy


@pytest.mark.parametrize("depth", [1e4, 600])
def test_normalised_and_rounded(depth: float, tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    rounded = np.rint(per_depth(counts, depth))
    source = source_of(tmp_path / "a.h5ad", rounded)
    error, remedy = refusal_by_command(source, capsys)
    assert "nearly the same number of counts in each cell" in error
    assert "normalised to one depth and rounded" in error
    (found,) = follow(source, remedy, capsys)
    assert (found.values() == rounded).all()
    beside = source_of(tmp_path / "b.h5ad", rounded, counts=counts)
    register_by_command(beside, capsys)
    assert (Registered("b").values() == counts).all()


def test_proteins_normalised_and_rounded(tmp_path: Path, capsys: Said) -> None:
    rounded = np.rint(per_depth(real_counts("adt"), 1e4))
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=rounded)
    error, _ = refusal_by_command(source, capsys)
    assert "adt holds no raw counts" in error
    assert "less than chance alone makes them differ" in error


def test_down_sampled_to_one_depth(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    equal = down_sampled(counts, 120)
    source = source_of(tmp_path / "a.h5ad", equal)
    register_by_command(source, capsys)
    found = Registered("a")
    assert "X has exactly 120 counts in" in found.notes
    assert (found.values() == equal).all()
    beside = source_of(tmp_path / "b.h5ad", equal, counts=counts)
    register_by_command(beside, capsys)
    assert (Registered("b").values() == counts).all()


def test_simulated_counts_of_one_depth_get_a_note(tmp_path: Path, capsys: Said) -> None:
    means = np.random.default_rng(1).gamma(0.5, 1.0, 400)
    source = source_of(
        tmp_path / "a.h5ad", np.random.default_rng(0).poisson(means, (90, 400)) * 1.0
    )
    register_by_command(source, capsys)
    assert "where raw counts have 20 % and more" in Registered("a").notes


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda counts: counts * 2, "X holds multiples of 2 only"),
        (lambda counts: np.minimum(counts * 40 + (counts > 0), 255), "X ends at 255, which"),
        (
            lambda counts: (counts * 301 + (counts == 1)).astype(np.float16).astype(np.float64),
            "no odd number among its",
        ),
    ],
)
def test_damaged_numbers_are_noted(
    change: Callable[[np.ndarray], np.ndarray], text: str, tmp_path: Path, capsys: Said
) -> None:
    changed = change(real_counts())
    source = source_of(tmp_path / "a.h5ad", changed)
    said = register_by_command(source, capsys)
    assert text in Registered("a").notes
    assert "verified" not in said
    assert (Registered("a").values() == changed).all()


def test_numbers_that_overflowed_are_refused_as_such(tmp_path: Path, capsys: Said) -> None:
    wrapped = (real_counts() * 900).astype(np.int64).astype(np.int16)
    source = write(make_anndata(wrapped, obs=cell_table()), tmp_path / "a.h5ad")
    error, _ = refusal_by_command(source, capsys)
    assert "stored as int16: a number too large for it turns negative" in error


def layout_of(path: Path, folder: Path) -> tuple[Layout, CountsVerdict]:
    with opened_source(path) as opened, opened.readable(folder) as readable:
        layout = read_layout(readable, DEFAULT_OPTIONS)
        part = layout.parts[0]
        return layout, Judge(part, np.arange(len(part.obs))).verdict()


def test_judging_writes_nothing_and_says_why(tmp_path: Path) -> None:
    counts = real_counts()
    source = source_of(tmp_path / "a.h5ad", np.log1p(per_depth(counts, 1e4)), counts=counts)
    before = sorted(tmp_path.rglob("*"))
    _, verdict = layout_of(source, tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    assert verdict.candidate is not None
    assert verdict.candidate.name == "layers['counts']"
    assert "log(1 + x) of counts per 10,000" in verdict.why
    assert [one.name for one in verdict.surveys] == ["X", "layers['counts']"]
    assert (verdict.taken().totals == counts.sum(axis=1)).all()


def test_judging_and_registering_agree_on_a_refusal(tmp_path: Path, capsys: Said) -> None:
    source = source_of(tmp_path / "a.h5ad", (real_counts() > 0) * 1.0)
    _, verdict = layout_of(source, tmp_path)
    error, _ = refusal_by_command(source, capsys)
    assert verdict.candidate is None
    assert " ".join(str(verdict.refusal).split()) == error


@pytest.mark.data
@pytest.mark.parametrize("slug", REAL)
def test_no_real_dataset_is_doubted(slug: str, tmp_path: Path) -> None:
    record = register(shared(slug), slug="real", home=tmp_path).record
    doubts = [note for note in record.notes if "X " in note or "padded" in note]
    assert doubts == []


def test_evidence_does_not_depend_on_blocks() -> None:
    counts = real_counts().astype(np.float32)
    whole, pieces = Evidence(500), Evidence(500)
    whole.update(csr_array(counts))
    for start in range(0, 120, 7):
        pieces.update(csr_array(counts[start : start + 7]))
    assert (whole.totals == pieces.totals).all()
    assert (whole.per_feature == pieces.per_feature).all()
    assert (whole.largest, whole.n_largest) == (pieces.largest, pieces.n_largest)
    assert whole.n_gapped_cells == pieces.n_gapped_cells
    assert whole.divisor == pieces.divisor == 1
