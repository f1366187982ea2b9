"""Kinds of features, by the values of whatever column of ``var`` holds them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multiverse.errors import DatasetError
from multiverse.registry.as_text import as_text
from multiverse.registry.formats.feature_names import CONTIG
from multiverse.registry.modalities import known_modality

#: The names that Cell Ranger, scanpy and muon give to the column.
USUAL_COLUMNS = ("feature_types", "feature_type")
#: Kinds that are no modality, compared as names of modalities are.
_OTHERS = (
    "crisprguidecapture crispr guide guides sgrna grna multiplexingcapture custom antigencapture "
    "hto htos hashtag hashtags cellhashing vdj vdjt vdjb blank negativecontrolprobe "
    "negativecontrolcodeword unassignedcodeword deprecatedcodeword genomiccontrol"
)
_OTHER_KINDS = frozenset(_OTHERS.split())
#: A column of kinds has few values, and nearly every feature has one that is known.
_MOST_KINDS, _LEAST_SHARE = 30, 0.9
_NO_KIND = re.compile(rf"{CONTIG}|[-+]?[\d.]+(?:e[-+]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class FeatureKinds:
    """The column of ``var`` that tells the kinds; ``values`` has one for each feature.

    A feature without a kind has the empty text.
    """

    column: str
    values: pd.Series

    @property
    def names(self) -> list[str]:
        """The kinds that there are, in the order of the features."""
        return [str(name) for name in self.values.unique()]

    @property
    def modalities(self) -> pd.Series:
        """The modality of each feature; None where its kind is none."""
        return self.values.map({name: known_modality(name) for name in self.names})

    def left_out(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the note that names kinds that are not used, with the numbers of features."""
        numbers = self.values.value_counts()
        unknown: list[str] = []
        others: list[str] = []
        for name in names:
            said = f"{name!r} ({numbers[name]:,} features)"
            if not name:
                said = f"{numbers[name]:,} features without a value in var[{self.column!r}]"
            (others if known_modality(name) else unknown).append(said)
        reasons = (("as no model knows it", unknown), ("as another was chosen", others))
        return tuple(f"left out, {why}: {', '.join(said)}" for why, said in reasons if said)

    @property
    def are_none(self) -> bool:
        """True where the values can't be kinds: chromosomes, numbers, or too many to be some."""
        names = [name for name in self.names if name]
        if any(known_modality(name) or _is_other_kind(name) for name in names):
            return False
        return len(names) > _MOST_KINDS or all(map(_NO_KIND.fullmatch, names))

    @property
    def sizes(self) -> dict[str, int]:
        """The number of features of each kind."""
        return {str(name): int(number) for name, number in self.values.value_counts().items()}


@dataclass(frozen=True)
class KindFilter:
    """The features of some kinds, in any table that has the column."""

    column: str
    kinds: frozenset[str]

    def positions(self, var: pd.DataFrame) -> np.ndarray | None:
        """Return positions in ``var``, of shape (n_features,); None where it is all of them."""
        if self.column not in var:
            return np.zeros(0, dtype=np.int64)
        found = as_text(var[self.column], "").isin(self.kinds).to_numpy()
        return None if found.all() else np.flatnonzero(found)


def find_kinds(
    var: pd.DataFrame, chosen: Mapping[str, str]
) -> tuple[FeatureKinds | None, dict[str, str]]:
    """Return the kinds of the features, and the chosen names of kinds without a column's name.

    ``chosen`` are names of kinds, or ``COLUMN:KIND`` where two columns disagree. Without any, the
    column is found by its values: it is the one that tells the kinds of most features.

    Raises :class:`DatasetError` where two columns disagree about a feature.
    """
    tables = [FeatureKinds(str(name), _texts(var[name])) for name in var if _is_text(var[name])]
    if chosen:
        return _chosen(tables, chosen)
    telling = sorted(
        (kinds for kinds in tables if _tells(kinds)),
        key=lambda kinds: (-int(kinds.modalities.notna().sum()), _rank(kinds.column)),
    )
    for other in telling[1:]:
        _check_agreement(telling[0], other)
    return (telling[0] if telling else None), {}


def _chosen(
    tables: list[FeatureKinds], chosen: Mapping[str, str]
) -> tuple[FeatureKinds | None, dict[str, str]]:
    fitting = []
    for kinds in sorted(tables, key=lambda kinds: _rank(kinds.column)):
        prefix = f"{kinds.column}:"
        plain = {
            old if old in kinds.names else old.removeprefix(prefix): new
            for old, new in chosen.items()
        }
        if all(old in kinds.names for old in plain):
            fitting.append((kinds, plain))
    if fitting:
        first, plain = fitting[0]
        for other, same in fitting[1:]:
            if same == plain:
                _check_agreement(first, other, tuple(plain))
        return first, plain
    return next((kinds for kinds in tables if _tells(kinds)), None), dict(chosen)


def _rank(column: str) -> int:
    return USUAL_COLUMNS.index(column) if column in USUAL_COLUMNS else len(USUAL_COLUMNS)


def _is_text(values: pd.Series) -> bool:
    return isinstance(values.dtype, pd.CategoricalDtype) or values.dtype.kind not in "iufbcmM"


def _texts(values: pd.Series) -> pd.Series:
    """Return the values as text where they are few; else nothing but empty ones."""
    distinct = values.cat.categories if hasattr(values, "cat") else pd.unique(values)
    if len(distinct) > _MOST_KINDS:
        return pd.Series("", index=values.index, dtype=object)
    return as_text(values, "")


def _tells(kinds: FeatureKinds) -> bool:
    modalities = kinds.modalities
    found = set(modalities.dropna())
    if kinds.column in USUAL_COLUMNS:
        return bool(found)
    other = kinds.values.map({name: _is_other_kind(name) for name in kinds.names}).astype(bool)
    recognised = float((modalities.notna() | other).mean()) if len(modalities) else 0.0
    return recognised >= _LEAST_SHARE and bool(found - {"rna"})


def _is_other_kind(name: str) -> bool:
    return re.sub(r"[^a-z0-9]", "", name.lower()) in _OTHER_KINDS


def _check_agreement(
    one: FeatureKinds, other: FeatureKinds, names: tuple[str, ...] | None = None
) -> None:
    """Raise :class:`DatasetError` for features that two columns know as different modalities."""
    if names is None:
        first, second = one.modalities, other.modalities
        wrong = (first.notna() & second.notna() & (first != second)).to_numpy()
    else:
        named = one.values.isin(names) | other.values.isin(names)
        wrong = (named & (one.values != other.values)).to_numpy()
    if not wrong.any():
        return
    place = int(np.flatnonzero(wrong)[0])
    ways = " or ".join(_options(kinds) for kinds in (one, other))
    raise DatasetError(
        f"var[{one.column!r}] and var[{other.column!r}] disagree about the kind of "
        f"{int(wrong.sum()):,} of {len(wrong):,} features, such as "
        f"{str(one.values.index[place])!r:.60}: {one.values.iloc[place]!r:.40} and "
        f"{other.values.iloc[place]!r:.40}",
        remedy=f"Say which column is right: {ways}",
    )


def _options(kinds: FeatureKinds) -> str:
    """Return the options that choose a column, one for each modality that it tells."""
    said: dict[str | None, str] = {}
    for name in kinds.names:
        said.setdefault(known_modality(name), name)
    return " ".join(
        f"--modality {shlex.quote(f'{kinds.column}:{old}={new}')}"
        for new, old in said.items()
        if new is not None
    )
