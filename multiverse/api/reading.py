"""How a dataset is to be read, as Python says it: every setting checked before anything is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from multiverse.api.request import several
from multiverse.errors import UsageError
from multiverse.registry.options import EVERY, RegistrationOptions
from multiverse.specs.yaml_file import suggestion


def registration_options(
    options: RegistrationOptions | None, settings: Mapping[str, Any]
) -> RegistrationOptions:
    """Return the options, given whole or by their fields.

    Raises :class:`UsageError` for both, for a setting that there is none of, and for a value of
    another type, with an example.
    """
    if options is not None and settings:
        raise UsageError("give either options or single settings, not both")
    if options is not None and not isinstance(options, RegistrationOptions):
        raise _wrong("options", options, "RegistrationOptions(batch_key=...)")
    check_known(settings, _KINDS)
    return options or RegistrationOptions(
        **{name: _KINDS[name](name, value) for name, value in settings.items()}
    )


def check_known(settings: Mapping[str, Any], known: Mapping[str, Any] | Sequence[str]) -> None:
    """Raise :class:`UsageError` for a setting that there is none of, with the one it is near."""
    unknown = next((name for name in settings if name not in known), None)
    if unknown is not None:
        raise UsageError(f"there is no setting {unknown!r}{suggestion(unknown, known)}")


def one_name(slug: str | None, name: str | None) -> str | None:
    """Return the name of a dataset, which may be given as either; :class:`UsageError` for two."""
    given = {"slug": slug, "name": name}
    slug, name = (_word(what, value, example="pbmc") for what, value in given.items())
    if slug is not None and name is not None and slug != name:
        raise UsageError(
            f"The dataset has two names, {slug!r} and {name!r}",
            remedy="Give one of slug and name: they mean the same.",
        )
    return name if slug is None else slug


def _wrong(name: str, value: object, example: str) -> UsageError:
    return UsageError(
        f"{name} can't be of type {type(value).__name__}", remedy=f"For example {name}={example}"
    )


def _word(name: str, value: Any, example: str = "donor") -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise _wrong(name, value, f'"{example}"')


def _words(name: str, value: Any, example: str = '["unknown"]') -> tuple[str, ...]:
    if value is None:
        return ()
    # sets, columns and indices hold names too: anything but a mapping that gives texts
    if not isinstance(value, str | Mapping) and not hasattr(value, "__iter__"):
        raise _wrong(name, value, example)
    words = () if isinstance(value, Mapping) else several(value)
    if isinstance(value, Mapping) or not all(isinstance(word, str) for word in words):
        raise _wrong(name, value, example)
    return words


def _modalities(name: str, value: Any) -> tuple[str, ...]:
    return _words(name, value, '["adt"]')


def _rounded(name: str, value: Any) -> tuple[str, ...]:
    """Return what is to be rounded: True is every modality, as the command's bare option."""
    if isinstance(value, bool):
        return (EVERY,) if value else ()
    return _words(name, value, 'True, or round=["adt"]')


def _patterns(name: str, value: Any) -> dict[str, tuple[str, ...]]:
    modality, equals, pattern = value.partition("=") if isinstance(value, str) else ("", "", "")
    example = f'{{"{modality}": "{pattern}"}}' if equals else '{"adt": "HTO*"}'
    given = _mapping(name, value, example)
    return {one: _words(name, found, example) for one, found in given.items()}


def _layer(name: str, value: Any) -> str | dict[str, str] | None:
    if value is None or isinstance(value, str):
        return value
    return _mapping(name, value, '"counts", or layer={"rna": "counts"}', words=True)


def _names(name: str, value: Any) -> dict[str, str]:
    return _mapping(name, value, '{"prot": "adt"}', words=True)


def _mapping(name: str, value: Any, example: str, *, words: bool = False) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise _wrong(name, value, example)
    wrong = [one for one in value.values() if words and not isinstance(one, str)]
    if wrong:
        raise _wrong(name, wrong[0], example)
    return dict(value)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "True")
    return value


_KINDS: dict[str, Callable[[str, Any], Any]] = {
    **{field.name: _switch for field in fields(RegistrationOptions)},
    "batch_key": _word,
    "label_key": _word,
    "unlabelled": _words,
    "modality_names": _names,
    "layer": _layer,
    "without": _modalities,
    "exclude": _patterns,
    "round": _rounded,
}
