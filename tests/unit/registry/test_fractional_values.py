"""Values that are no whole numbers: what they look like, and rounding where it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

import multiverse
from multiverse.api.request import file_entry
from multiverse.cli.main import main
from multiverse.errors import SpecError, UsageError
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.scale import scale_of
from multiverse.specs.benchmark import BenchmarkSource
from tests.unit.registry.realistic import (
    Registered,
    multimodal,
    options_of,
    per_depth,
    real_counts,
    refusal_by_command,
    register_by_command,
    source_of,
)

Said = pytest.CaptureFixture[str]
Values = np.ndarray


def without_ambient(counts: Values) -> Values:
    """Subtract a tenth of each cell's counts at the average profile, as SoupX does."""
    ambient = counts.sum(axis=0) / counts.sum()
    soup = 0.1 * counts.sum(axis=1, keepdims=True) * ambient
    return np.asarray(np.maximum(counts - soup, 0) * (counts > 0))


def decontaminated(counts: Values) -> Values:
    """Take a share of each count away, as decontX does."""
    random = np.random.default_rng(0)
    share = random.beta(2, 10, (len(counts), 1)) * random.uniform(0, 2, counts.shape[1])
    return np.asarray(np.maximum(counts * (1 - share), 0))


def shared_out(counts: Values) -> Values:
    """Share one count of some genes with the next gene, as an EM algorithm does."""
    random = np.random.default_rng(0)
    given = (
        random.random(counts.shape) * np.minimum(counts, 1) * (random.random(counts.shape) < 0.2)
    )
    return np.asarray(counts - given + np.roll(given, 1, axis=1))


def z_scores(counts: Values) -> Values:
    logs = np.log1p(per_depth(counts, 1e4))
    return np.asarray((logs - logs.mean(axis=0)) / (logs.std(axis=0) + 0.1))


def denoised(counts: Values) -> Values:
    """Return what a model of rank 5 expects."""
    left, sizes, right = np.linalg.svd(counts, full_matrices=False)
    return np.asarray(np.maximum(left[:, :5] * sizes[:5] @ right[:5], 0))


def per_length(counts: Values) -> Values:
    lengths = np.random.default_rng(0).uniform(0.5, 5, counts.shape[1])
    return per_depth(counts / lengths, 1e6)


TRANSFORMED: list[tuple[Callable[[Values], Values], str]] = [
    (lambda x: np.log1p(per_depth(x, 1e4)), "log(1 + x) of counts per 10,000"),
    (lambda x: np.log2(1 + per_depth(x, 1e6)), "log2(1 + x) of counts per 1,000,000"),
    (lambda x: np.log1p(per_depth(x, 1e4))[:, :150], "log(1 + x) of counts that were divided"),
    (lambda x: per_depth(x, 1e4), "are counts per 10,000"),
    (lambda x: per_depth(x, 1e4)[:, :150], "are counts that were divided by one number"),
    (lambda x: np.sqrt(per_depth(x, 1e4)), "square roots of counts per 10,000"),
    (np.log1p, "log(1 + x) of counts"),
    (np.sqrt, "square roots of counts"),
    (per_length, "counts per 1,000,000"),
    (z_scores, "scaled, centred or residuals"),
]


@pytest.mark.parametrize(("change", "text"), TRANSFORMED, ids=[text for _, text in TRANSFORMED])
def test_transformed_values_are_known_and_not_rounded(
    change: Callable[[Values], Values], text: str, tmp_path: Path, capsys: Said
) -> None:
    source = source_of(tmp_path / "a.h5ad", change(real_counts()))
    error, remedy = refusal_by_command(source, capsys)
    assert text in error
    assert "--round" not in remedy
    error, _ = refusal_by_command(source, capsys, "--round")
    assert text in error


@pytest.mark.parametrize("change", [without_ambient, decontaminated, shared_out])
def test_counts_that_became_fractional_are_rounded_if_asked(
    change: Callable[[Values], Values], tmp_path: Path, capsys: Said
) -> None:
    values = change(real_counts()).astype(np.float32)
    source = source_of(tmp_path / "a.h5ad", values)
    error, remedy = refusal_by_command(source, capsys)
    assert "look like counts that became fractional" in error
    (words,) = [words for words in options_of(remedy) if words[0] == "--round"]
    assert words == ["--round", "rna"]
    said = register_by_command(source, capsys, *words)
    assert "rna: 120 cells × 500 features, rounded to whole numbers" in said
    found = Registered("a")
    assert (found.values() == np.rint(values)).all()
    rounded = found.record.modalities["rna"].rounded
    assert rounded is not None
    change_of_each = np.abs(np.rint(values).astype(np.float64) - values)
    assert rounded.n_changed == (change_of_each > 0).sum()
    assert rounded.largest_change == pytest.approx(change_of_each.max())
    assert rounded.moved == pytest.approx(change_of_each.sum())
    assert rounded.total_after == np.rint(values).sum()
    assert f"{rounded.n_changed:,} values were rounded to the nearest whole number" in found.notes


@pytest.mark.parametrize("change", [denoised, lambda x: per_length(x)[:, ::3]])
def test_what_is_not_recognised_is_not_called_counts(
    change: Callable[[Values], Values], tmp_path: Path, capsys: Said
) -> None:
    found = scale_of([csr_array(change(real_counts()))])
    assert not found.spread_counts
    assert "no scale of counts was recognised" in found.text


def test_rounding_one_modality_leaves_the_others_to_be_whole(tmp_path: Path, capsys: Said) -> None:
    proteins = without_ambient(real_counts("adt"))
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=proteins)
    register_by_command(source, capsys, "--round", "adt")
    found = Registered("a")
    assert (found.values("rna") == real_counts()).all()
    assert (found.values("adt") == np.rint(proteins.astype(np.float32))).all()
    assert found.record.modalities["rna"].rounded is None
    error, _ = refusal_by_command(source, capsys, "--round", "rna")
    assert error.startswith("adt holds no raw counts")


def test_whole_counts_elsewhere_come_before_rounding(tmp_path: Path, capsys: Said) -> None:
    counts = real_counts()
    source = source_of(tmp_path / "a.h5ad", without_ambient(counts), counts=counts)
    register_by_command(source, capsys, "--round")
    assert (Registered("a").values() == counts).all()
    assert "rna: nothing was rounded" in Registered("a").notes


def test_missing_values_are_not_rounded(tmp_path: Path, capsys: Said) -> None:
    values = without_ambient(real_counts())
    values[100, 3] = np.nan
    source = source_of(tmp_path / "a.h5ad", values)
    error, _ = refusal_by_command(source, capsys, "--round")
    assert "is missing (NaN)" in error


def test_rounding_is_an_option_everywhere(tmp_path: Path) -> None:
    source = source_of(tmp_path / "a.h5ad", shared_out(real_counts()))
    options = RegistrationOptions(round=("rna",))
    assert options.sha256() != RegistrationOptions().sha256()
    assert file_entry(source, options)["round"] == ["rna"]
    for given in ("rna", ["rna"]):
        content = {"datasets": [{"path": str(source), "round": given}], "models": ["pca"]}
        assert BenchmarkSource.of(content).benchmark.datasets[0].round == ("rna",)
    with pytest.raises(SpecError):
        BenchmarkSource.of(content | {"datasets": [{"path": "a.h5ad", "round": "genes"}]})
    by_name = multiverse.register(source, slug="python", round="rna")
    assert by_name.record.modalities["rna"].rounded is not None
    with pytest.raises(UsageError, match="'genes' can't be rounded"):
        multiverse.register(source, round="genes")
    assert main(["register", str(source), "--round", "--slug", "command"]) == 0
    assert Registered("command").record.fingerprint == by_name.record.fingerprint


def test_a_modality_to_round_that_is_not_there(tmp_path: Path, capsys: Said) -> None:
    source = source_of(tmp_path / "a.h5ad", real_counts())
    error, remedy = refusal_by_command(source, capsys, "--round", "adt")
    assert "adt is to be rounded, and is not in a.h5ad" in error
    assert "rna" in remedy


def test_values_too_large_for_logarithms_are_rounded_with_a_reservation(
    tmp_path: Path, capsys: Said
) -> None:
    proteins = decontaminated(real_counts("adt") * 7 + 20)
    source = multimodal(tmp_path / "a.h5mu", rna=real_counts(), adt=proteins)
    _, remedy = refusal_by_command(source, capsys)
    words, leaving_out = options_of(remedy)[-2:]
    assert (words, leaving_out) == (["--round", "adt"], ["--without", "adt"])
    register_by_command(source, capsys, *words)
    assert (Registered("a").values("adt") == np.rint(proteins.astype(np.float32))).all()
    assert "adt: whether these were counts can't be told from the values" in Registered("a").notes
