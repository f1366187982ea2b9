"""YAML of anybody: parsed within bounds that are kept before anything is expanded.

An alias stands for all that its anchor holds, so that nine lines can mean a thousand million
values. What a text means is therefore counted while it is read, aliases with all they stand for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

#: How deep values may stand in each other.
MAX_DEPTH = 64
#: Characters of text that count as one value more.
TEXT_SHARE = 64
#: Digits of a number; 64 bits have 20.
MAX_DIGITS = 400
_TOO_DEEP = f"values stand more than {MAX_DEPTH} deep in each other"
#: In any base, with all that may stand between digits.
_LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9][-+0-9a-fA-FxXoO_.:]*")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class YamlLimits:
    """The bounds of a file: its bytes, and its values with all that aliases stand for."""

    max_bytes: int
    max_values: int


#: A file that describes a model.
DESCRIPTION = YamlLimits(max_bytes=1024**2, max_values=20_000)
#: A file that a user names himself, such as a benchmark.
NAMED = YamlLimits(max_bytes=4 * 1024**2, max_values=100_000)


class UnreadableYaml(ValueError):
    """A text that is not YAML, or more than its bounds allow. ``line`` counts from 1."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"not valid YAML: {message[:200]}")
        self.line = line


def load_yaml(text: str, limits: YamlLimits = NAMED) -> Any:
    """Return a YAML text (1.2) as ruamel's commented containers, which know their lines.

    Keys that stand twice are refused. Raises :class:`UnreadableYaml`.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml: Any = YAML(typ="rt", pure=True)
    yaml.Composer = partial(_composer(), max_values=limits.max_values)
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        problem = (error.problem or error.context or "is not YAML").splitlines()[0]
        raise UnreadableYaml(problem, line) from error
    except RecursionError as error:
        raise UnreadableYaml(_TOO_DEEP) from error
    # ruamel has no error of its own for tags and keys that don't fit what they stand at.
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        message = (str(error).splitlines() or ["it can't be read"])[0]
        raise UnreadableYaml(message) from error


@cache
def _composer() -> Any:
    """Return the class that counts; made late, because ruamel is loaded where it is needed."""
    from ruamel.yaml.composer import Composer, ComposerError
    from ruamel.yaml.events import AliasEvent, ScalarEvent

    class _BoundedComposer(Composer):
        def __init__(self, loader: Any = None, *, max_values: int) -> None:
            super().__init__(loader=loader)
            self._max = max_values
            self._values = 0
            self._level = 0
            self._meant: dict[int, int] = {}  # an anchored node → the values that it holds

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.parser.peek_event()
            if isinstance(event, AliasEvent):
                node = super().compose_node(parent, index)
                if id(node) not in self._meant:
                    raise self._error("an alias stands within its own anchor", event)
                self._add(self._meant[id(node)], event)
                return node
            before = self._values
            self._add(1, event)
            if isinstance(event, ScalarEvent):
                self._check_scalar(event)
            self._level += 1
            if self._level > MAX_DEPTH:
                raise self._error(_TOO_DEEP, event)
            node = super().compose_node(parent, index)
            self._level -= 1
            if event.anchor is not None:
                self._meant[id(node)] = self._values - before
            return node

        def _check_scalar(self, event: Any) -> None:
            self._add(len(event.value) // TEXT_SHARE, event)
            if _NO_TEXT.search(event.value):
                raise self._error("holds a character that is no text", event)
            long = event.style is None and len(event.value) > MAX_DIGITS
            if long and _LIKE_A_NUMBER.fullmatch(event.value):
                raise self._error(f"has {len(event.value):,} digits", event)

        def _add(self, values: int, event: Any) -> None:
            self._values += values
            if self._values > self._max:
                message = f"means more than {self._max:,} values, or as much text"
                raise self._error(message, event)

        def _error(self, message: str, event: Any) -> ComposerError:
            return ComposerError(None, None, message, event.start_mark)

    return _BoundedComposer
