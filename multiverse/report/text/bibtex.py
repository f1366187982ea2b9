"""References as BibTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from multiverse.report.text.references import Reference, cited_models, references
from multiverse.report.words import listed, plain
from multiverse.runs.results import Results

#: What TeX would obey. A brace counts for BibTeX even behind a backslash, so it becomes a word.
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "$&#_%"},
}
_VOLUME = re.compile(r"(?P<journal>.+?) (?P<volume>\w+):(?P<pages>[\w-]+)")
_DOI = re.compile(r"10\.[0-9]{4,9}/[A-Za-z0-9._;()/:-]+")
_INITIALS = re.compile(r"(?:[^\W\d_]-?){1,4}")
_TITLE_LIMIT = 1000


def bibtex(results: Results) -> str:
    """Return an entry for every method that the folder used, or a comment where it has none.

    UTF-8, for BibTeX and biber. Keys are unique.
    """
    notes = []
    unknown = [model.name for model in cited_models(results) if model.reference is None]
    if unknown:
        notes.append(f"% Not listed, no citation is known here: {listed(map(_comment, unknown))}.")
    datasets = sorted({_comment(name) for name, _ in results.datasets})
    if datasets:
        notes.append(f"% Not listed, registration has no citation of datasets: {listed(datasets)}.")
    return "\n\n".join([*notes, *entries(references(results))]) + "\n"


def entries(found: Iterable[Reference]) -> list[str]:
    """Return one BibTeX entry each, with unique keys."""
    keys: set[str] = set()
    made = []
    for reference in found:
        key = base = _key(reference)
        number = 1
        while key in keys:
            number += 1
            key = f"{base}-{number}"
        keys.add(key)
        made.append(_entry(key, reference))
    return made


def escape(text: str) -> str:
    """Return text as TeX prints it, nothing of it obeyed."""
    return "".join(_ESCAPED.get(character, character) for character in plain(text, _TITLE_LIMIT))


def _comment(name: str) -> str:
    """Return a name in a comment: an ``@`` would begin an entry there."""
    return plain(name, 64).replace("@", " ")


def _entry(key: str, reference: Reference) -> str:
    lines = [f"  {name} = {{{value}}}" for name, value in _fields(reference).items() if value]
    return f"@{'article' if reference.journal else 'misc'}{{{key},\n" + ",\n".join(lines) + "\n}"


def _fields(reference: Reference) -> dict[str, str]:
    parts = _VOLUME.fullmatch(reference.journal)
    return {
        "author": " and ".join(_author(author) for author in reference.authors.split(", ")),
        # Braces keep the capitals of a title.
        "title": f"{{{escape(reference.title)}}}",
        "journal": escape(parts["journal"] if parts else reference.journal),
        "volume": escape(parts["volume"]) if parts else "",
        "pages": escape(parts["pages"].replace("-", "--")) if parts else "",
        "year": "" if reference.year is None else str(reference.year),
        "doi": reference.doi if _DOI.fullmatch(reference.doi) else "",
        "url": reference.url,
        "note": escape(reference.note),
    }


def _author(author: str) -> str:
    """Rewrite ``van der Maaten LJP`` as ``van der Maaten, L. J. P.``; groups keep their names."""
    surname, _, initials = author.rpartition(" ")
    if not surname or not _INITIALS.fullmatch(initials) or initials != initials.upper():
        return f"{{{escape(author)}}}"
    return f"{escape(surname)}, {' '.join(f'{letter}.' for letter in initials if letter != '-')}"


def _key(reference: Reference) -> str:
    """Return a key like ``gayoso2021totalvi``: first author, year, first long word of the title."""
    words = [word for word in re.findall(r"[a-z0-9]+", _ascii(reference.title)) if len(word) > 3]
    surname = re.sub(r"[^a-z]", "", _ascii(reference.surnames[0])) or "anonymous"
    return f"{surname}{reference.year or ''}{(words or [''])[0]}"


def _ascii(text: str) -> str:
    plain_letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore")
    return plain_letters.decode().lower()
