"""Reading a YAML file that a user wrote: into a pydantic model, with the line of every problem."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from multiverse.contract.files import read_regular
from multiverse.errors import Problem, SpecError
from multiverse.specs.bounded_yaml import DESCRIPTION, NAMED, UnreadableYaml, YamlLimits, load_yaml

Model = TypeVar("Model", bound=BaseModel)
#: A file may be wrong in a hundred thousand places; so many are said.
MAX_PROBLEMS = 50
MAX_WORDS = 400
#: Names that are looked through for one that was meant, and that are listed.
MAX_KNOWN, MAX_LISTED, MAX_NAME = 500, 30, 64


class YamlFile:
    """One parsed YAML file (YAML 1.2; duplicate keys are refused) that knows its line numbers.

    A file that a user named may be a link or a pipe; one that was ``found`` in a folder, which may
    be somebody else's, is a regular file. Both are bounded.
    """

    def __init__(self, path: Path, *, found: bool = False) -> None:
        self.path = path
        limits = DESCRIPTION if found else NAMED
        try:
            data = _read_found(path, limits) if found else _read(path, limits)
            text = data.decode("utf-8-sig")
        except (OSError, ValueError) as error:
            reason = "is not UTF-8 text"
            if not isinstance(error, UnicodeDecodeError):
                reason = getattr(error, "strerror", None) or str(error)
            raise SpecError(str(path), [Problem(f"can't be read: {reason}")]) from error
        try:
            self.content: Any = load_yaml(text, limits)
        except UnreadableYaml as error:
            raise SpecError(str(path), [Problem(str(error), error.line)]) from error

    def line(self, location: Sequence[str | int]) -> int | None:
        """Return the line (from 1) of a key or list item, or of the nearest thing around it."""
        node, found = self.content, None
        for step in location:
            if isinstance(step, int) and isinstance(node, dict):
                continue  # one set of parameters may stand where a list of sets is allowed
            marks = getattr(node, "lc", None)
            try:
                position = marks.key(step) if isinstance(step, str) else marks.item(step)  # type: ignore[union-attr]
                node = node[step]
            except (AttributeError, KeyError, IndexError, TypeError):
                break
            found = position[0] + 1
        return found

    def parse(self, kind: type[Model]) -> Model:
        """Parse the content as a frozen object; :class:`SpecError` lists everything wrong."""
        if not isinstance(self.content, dict):
            raise SpecError(str(self.path), [Problem("must hold keys and values", 1)])
        content = plain(self.content)
        odd = [
            Problem(message, self.line(place), _shown(place))
            for message, place in _odd_numbers(content, ())
        ]
        if odd:
            raise SpecError(str(self.path), _first(odd))
        try:
            return kind.model_validate(content)
        except ValidationError as error:
            raise SpecError(str(self.path), validation_problems(error, kind, self)) from error


def _read_found(path: Path, limits: YamlLimits) -> bytes:
    return read_regular(path, max_bytes=limits.max_bytes, second_names="any")


def _read(path: Path, limits: YamlLimits) -> bytes:
    """Read a file that its user named, to its end or to the bound. Raises OSError."""
    with path.open("rb") as stream:
        data = stream.read(limits.max_bytes + 1)
    if len(data) > limits.max_bytes:
        raise OSError(f"has more than the {limits.max_bytes:,} bytes that such a file may have")
    return data


def _odd_numbers(node: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield numbers that are none in JSON, or that other programs read as another one."""
    if isinstance(node, dict | list):
        for step, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _odd_numbers(value, (*place, step))
    elif isinstance(node, float) and not math.isfinite(node):
        yield f"{node} is no number that can be recorded", place
    elif isinstance(node, int) and node.bit_length() > 64:
        yield "is an integer of more than 64 bits", place


def validation_problems(
    error: ValidationError, kind: type[BaseModel], file: YamlFile | None = None
) -> list[Problem]:
    """Return Pydantic's findings in the words of somebody who wrote YAML."""
    found = error.errors(include_url=False, include_input=False)
    wrong = {item["loc"][:depth] for item in found for depth in range(len(item["loc"]))}
    # A list is short for pydantic where its only item is wrong, which is said of the item.
    said = [item for item in found if item["type"] != "too_short" or item["loc"] not in wrong]
    problems = [_problem(dict(item), kind, file) for item in said[:MAX_PROBLEMS]]
    return _first(problems, len(said))


def _first(problems: Sequence[Problem], count: int | None = None) -> list[Problem]:
    """Return as many problems as somebody reads, and say how many there are besides."""
    more = (len(problems) if count is None else count) - MAX_PROBLEMS
    last = [Problem(f"has {more:,} problems besides these")] if more > 0 else []
    return [*last, *problems[:MAX_PROBLEMS]]


def _shown(location: Iterable[str | int]) -> str:
    """Return ``models.0.parameters.lr``, however long a name is that somebody wrote."""
    return shortened(".".join(str(step)[: MAX_NAME + 1] for step in location), 4 * MAX_NAME)


def shortened(text: str, length: int = MAX_WORDS) -> str:
    """Return a text of at most that length, which may repeat what a user's file holds."""
    return text if len(text) <= length else text[: length - 3] + "..."


def _problem(item: dict[str, Any], kind: type[BaseModel], file: YamlFile | None) -> Problem:
    location = [step for step in item["loc"] if not _is_union_member(step)]
    # An error of ours may know a place within the value that was validated.
    location += getattr(item.get("ctx", {}).get("error"), "place", ())
    where = _shown(location)
    line = None if file is None else file.line(location)
    if item["type"] == "extra_forbidden":
        return Problem(
            f"unknown key{suggestion(str(location[-1]), _all_fields(kind))}", line, where
        )
    if item["type"] == "too_short":
        return Problem("needs at least 1 item", line, where)
    if item["type"] == "missing":
        return Problem("is required", line, where)
    message = shortened(str(item["msg"]).removeprefix("Value error, "))
    return Problem(message[0].lower() + message[1:], line, where)


def _is_union_member(step: str | int) -> bool:
    """Return whether a step is a type's name that Pydantic put between the user's keys."""
    return isinstance(step, str) and "[" in step


def plain(node: Any) -> Any:
    """Return ruamel's commented containers as ordinary ones."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def read_value(text: str) -> Any:
    """Return one value that somebody wrote as YAML; ValueError where it is none."""
    value = plain(load_yaml(text))
    for message, _ in _odd_numbers(value, ()):
        raise ValueError(message)
    return value


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'n_factors'?"``, or the list of what exists, or nothing."""
    names = sorted({text for text in known if len(text) <= MAX_NAME})
    near = nearest(name, names)
    if near is not None:
        return f"; did you mean {near!r}?"
    more = f", and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"; known: {', '.join(names[:MAX_LISTED])}{more}" if names else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name that was probably meant, whatever its case; None where none is near."""
    names = {text.lower(): text for text in known if len(text) <= MAX_NAME}
    near = difflib.get_close_matches(name[:MAX_NAME].lower(), list(names)[:MAX_KNOWN], n=1)
    return names[near[0]] if near else None


@cache
def _all_fields(kind: type[BaseModel]) -> frozenset[str]:
    names: set[str] = set()
    for definition in (schema := kind.model_json_schema()).get("$defs", {}).values():
        names.update(definition.get("properties", {}))
    return frozenset(names | set(schema.get("properties", {})))
