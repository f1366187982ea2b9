"""``multiverse models``."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import find_model, hidden_models, list_models
from multiverse.cli.terminal import console, notes, plain_table, print_json, print_table, safe
from multiverse.events import Noted
from multiverse.specs import ModelSpec, format_bytes


@dataclass(frozen=True)
class ModelsArguments:
    """``model``: the one to explain; None for a list of all."""

    model: str | None
    models_dirs: tuple[Path, ...]
    json: bool


def read(given: Namespace) -> ModelsArguments:
    """Return the arguments."""
    return ModelsArguments(given.model or None, tuple(given.models_dir), given.json)


def main(arguments: ModelsArguments) -> int:
    """List the models, or explain one."""
    tell = notes(json=arguments.json)
    for sentence in hidden_models(arguments.models_dirs, _only(arguments.model)):
        tell(Noted(sentence))
    if arguments.model is not None:
        model = find_model(arguments.model, arguments.models_dirs)
        if arguments.json:
            print_json(model.yaml.model_dump(mode="json"))
        else:
            _explain(model)
        return 0
    models = list_models(arguments.models_dirs)
    if arguments.json:
        print_json([model.yaml.model_dump(mode="json") for model in models])
        return 0
    table = plain_table("model", "version", "image", "modalities", "batch term", "title")
    for model in models:
        table.add_row(
            safe(model.name, "bold"),
            safe(model.version),
            safe(model.image_tag),
            _modalities(model),
            "yes" if model.yaml.batch_term else "no",
            safe(model.yaml.title),
        )
    print_table(table)
    return 0


def _only(name: str | None) -> list[str] | None:
    return None if name is None else [name]


def _modalities(model: ModelSpec) -> str:
    needs = model.yaml.modalities
    required = " + ".join(needs.required)
    optional = ", ".join(needs.optional)
    if required:
        return f"{required} (and {optional})" if optional else required
    return f"any of {optional}"


def _explain(model: ModelSpec) -> None:
    spec, out = model.yaml, console()
    out.print(safe(f"{spec.name} {spec.version} — {spec.title}", "bold"))
    if spec.description:
        out.print(safe(" ".join(spec.description.split())))
    needs = f"{spec.resources.cpus:g} CPU, {format_bytes(spec.resources.memory)}"
    out.print(safe(f"needs {_modalities(model)}; {needs}; GPU: {spec.resources.gpu}"))
    if spec.citation:
        cite = spec.citation
        out.print(safe(f"cite: {cite.authors} ({cite.year}). {cite.title}. {cite.journal}. "
                       f"doi:{cite.doi}"))  # fmt: skip
    for part in ("parameters", "preprocessing"):
        properties = getattr(spec, part).get("properties", {})
        if not properties:
            continue
        table = plain_table(part, "default", "type", "meaning", folded=("meaning",))
        for name, schema in properties.items():
            kind = schema.get("type") or schema.get("enum") or ""
            words = schema.get("description") or schema.get("title") or ""
            table.add_row(
                safe(name, "bold"),
                safe(json.dumps(schema["default"])),
                safe(_type(kind)),
                safe(words),
            )
        out.print()
        print_table(table)


def _type(kind: object) -> str:
    return " | ".join(map(str, kind)) if isinstance(kind, list) else str(kind)
