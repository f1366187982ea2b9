"""The names that people give to modalities, and the three names that models know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote

from multiverse.errors import DatasetError
from multiverse.specs.dataset import MODALITIES
from multiverse.specs.names import first_of
from multiverse.specs.yaml_file import suggestion

#: Compared without case and punctuation. 10x Genomics' feature types are among them.
_ALIASES = {
    "rna": "rna mrna gex gene genes geneexpression expression transcriptome scrna snrna",
    "atac": "atac peak peaks chromatinaccessibility scatac snatac",
    "adt": "adt adts prot protein proteins antibodycapture antibody antibodies ab cite citeseq "
    "surfaceprotein surfaceproteins proteinexpression antibodyderivedtag antibodyderivedtags",
}
_KNOWN = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()}
_MOST_SHOWN = 12
#: The names that are known, in small letters and without punctuation.
MODALITY_WORDS = frozenset(_KNOWN)


def known_modality(name: str) -> str | None:
    """Return the modality of a name, ``"Gene Expression"`` → ``"rna"``; None if unknown."""
    return _KNOWN.get(re.sub(r"[^a-z0-9]", "", name.lower()))


@dataclass(frozen=True)
class Mapped:
    """The source's names mapped to modalities, and those that stand for none."""

    old_names: Mapping[str, str]
    left_out: tuple[str, ...]
    known: Callable[[str], str | None] = known_modality

    def __iter__(self) -> Iterator[str]:
        """Yield the modalities that there are, in the canonical order."""
        return iter(name for name in MODALITIES if name in self.old_names)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said about what was left out."""
        reasons: dict[str, list[str]] = {}
        for name in self.left_out:
            new = self.known(name)
            chosen = None if new is None else self.old_names.get(new)
            why = "no model knows it" if chosen is None else f"{chosen!r} was named as {new}"
            reasons.setdefault(why, []).append(repr(name))
        return tuple(f"left out, as {why}: {', '.join(names)}" for why, names in reasons.items())


def map_modalities(
    names: Iterable[str],
    chosen: Mapping[str, str],
    what: str,
    known: Callable[[str], str | None] = known_modality,
    sizes: Mapping[str, int] | None = None,
) -> Mapped:
    """Map the names of a source, first as the user chose, then as they are ``known``.

    ``sizes``: the number of features of each name, where the source can also be taken as a whole;
    no next step is named that would leave out most of them.

    Raises :class:`DatasetError` where a chosen name does not exist, two names stand for one
    modality, or none stands for any.
    """
    present = list(names)
    for old in chosen:
        if old not in present:
            raise DatasetError(f"There is no {what} {old!r}{suggestion(old, present)}")
    old_names = {new: old for old, new in chosen.items()}
    if len(old_names) < len(chosen):
        raise DatasetError(
            f"Two {what} names can't stand for one modality: "
            + ", ".join(f"{old}={new}" for old, new in chosen.items())
        )
    left_out = []
    for old in (name for name in present if name not in chosen):
        new = known(old)
        if new is None or new in chosen.values():
            left_out.append(old)
        elif new in old_names:
            raise DatasetError(
                f"Both {old_names[new]!r} and {old!r} stand for {new}",
                remedy="Say which one is meant: "
                + " or ".join(
                    f"--modality {quote(f'{name}={new}')}" for name in (old_names[new], old)
                ),
            )
        else:
            old_names[new] = old
    if not old_names:
        raise _none_known(present, what, sizes or {})
    return Mapped(old_names, tuple(left_out), known)


def _none_known(present: list[str], what: str, sizes: Mapping[str, int]) -> DatasetError:
    shown = first_of([repr(name) for name in present], _MOST_SHOWN) or "none at all"
    largest = max(present, key=lambda name: sizes.get(name, 0), default="NAME")
    if 2 * sizes.get(largest, 0) < sum(sizes.values()):
        remedy = "If all of them are one modality, say which: --modality X=rna (or X=atac, X=adt)"
    else:
        remedy = f"Say what one of them is, for example --modality {quote(f'{largest}=rna')}"
    return DatasetError(f"None of the {what} names is known: {shown}", remedy=remedy)
