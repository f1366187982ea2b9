"""Reading a YAML file that a user wrote: into a pydantic model, with the line of every problem."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from multiverse.errors import Problem, SpecError

Model = TypeVar("Model", bound=BaseModel)
MAX_BYTES = 16 * 1024 * 1024


class YamlFile:
    """One parsed YAML file (YAML 1.2; duplicate keys are refused) that knows its line numbers."""

    def __init__(self, path: Path) -> None:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        self.path = path
        try:
            if path.stat().st_size > MAX_BYTES:
                raise SpecError(str(path), [Problem("is too large to be such a file")])
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            raise SpecError(str(path), [Problem(f"can't be read: {reason}")]) from error
        try:
            self.content: Any = YAML(typ="rt", pure=True).load(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = None if mark is None else mark.line + 1
            problem = (error.problem or error.context or "is not YAML").splitlines()[0]
            raise SpecError(str(path), [Problem(f"not valid YAML: {problem}", line)]) from error
        except (YAMLError, ValueError, RecursionError) as error:
            message = (str(error).splitlines() or ["it can't be read"])[0]
            raise SpecError(str(path), [Problem(f"not valid YAML: {message}")]) from error

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
        try:
            return kind.model_validate(plain(self.content))
        except ValidationError as error:
            raise SpecError(str(self.path), validation_problems(error, kind, self)) from error


def validation_problems(
    error: ValidationError, kind: type[BaseModel], file: YamlFile | None = None
) -> list[Problem]:
    """Return Pydantic's findings in the words of somebody who wrote YAML."""
    found = error.errors(include_url=False)
    wrong = {item["loc"][:depth] for item in found for depth in range(len(item["loc"]))}
    # A list is short for pydantic where its only item is wrong, which is said of the item.
    said = [item for item in found if item["type"] != "too_short" or item["loc"] not in wrong]
    return [_problem(dict(item), kind, file) for item in said]


def _problem(item: dict[str, Any], kind: type[BaseModel], file: YamlFile | None) -> Problem:
    location = [step for step in item["loc"] if not _is_union_member(step)]
    where = ".".join(map(str, location))
    line = None if file is None else file.line(location)
    if item["type"] == "extra_forbidden":
        return Problem(
            f"unknown key{suggestion(str(location[-1]), _all_fields(kind))}", line, where
        )
    if item["type"] == "too_short":
        return Problem("needs at least 1 item", line, where)
    if item["type"] == "missing":
        return Problem("is required", line, where)
    message = str(item["msg"]).removeprefix("Value error, ")
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


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'n_factors'?"``, or the list of what exists, or nothing."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def _all_fields(kind: type[BaseModel]) -> set[str]:
    names: set[str] = set()
    for definition in (schema := kind.model_json_schema()).get("$defs", {}).values():
        names.update(definition.get("properties", {}))
    return names | set(schema.get("properties", {}))
