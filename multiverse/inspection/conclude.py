"""From what is found in a source to what can be done with it."""

from __future__ import annotations

from dataclasses import fields

from multiverse.inspection.commands import Target
from multiverse.inspection.facts import (
    Findings,
    Inspection,
    ModelOutlook,
    OtherCommand,
    SourceFacts,
)
from multiverse.inspection.outlook import Foresight


def conclude(
    findings: Findings, target: Target, foresight: Foresight, source: str, size_bytes: int | None
) -> Inspection:
    """Return the inspection of a source: ``findings`` with models, costs and commands.

    ``source`` is its name for people, ``target`` how a command names it.
    """
    models: tuple[ModelOutlook, ...] = ()
    command: str | None = None
    others: list[OtherCommand] = []
    if findings.ways:
        first, *more = findings.ways
        models = foresight.outlooks(first.record)
        fit = [item.model for item in models if item.fits]
        command = target.run(fit, first.options) if fit else None
        for way in more:
            names = foresight.applicable(way.record)
            other = target.run(names, way.options) if names else None
            if other is not None:
                others.append(OtherCommand(way.words, other))
    return Inspection(
        source=source,
        size_bytes=size_bytes,
        **{item.name: getattr(findings, item.name) for item in fields(SourceFacts)},
        models=models,
        command=command,
        other_commands=tuple(others),
    )
