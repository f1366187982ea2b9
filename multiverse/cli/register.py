"""``multiverse register``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from multiverse.api import advise_keys, register
from multiverse.cli.arguments import read_registration
from multiverse.cli.pairs import files_of
from multiverse.cli.terminal import console, print_command, safe, show_notes
from multiverse.errors import UsageError
from multiverse.registry import RegistrationOptions


@dataclass(frozen=True)
class RegisterArguments:
    """A file or one a modality, its name from now on, and how it is to be read."""

    input: Path | Mapping[str, Path]
    slug: str | None
    options: RegistrationOptions


def read(given: Namespace) -> RegisterArguments:
    """Return the arguments."""
    files = [*given.files, *given.input]
    if not files:
        raise UsageError(
            "say what to register: a file, or one a modality",
            remedy="multiverse register data.h5mu --batch-key COLUMN, with the file before the "
            "options.",
        )
    options = read_registration(given, replace=given.replace)
    return RegisterArguments(files_of(files), given.slug, options)


def main(arguments: RegisterArguments) -> int:
    """Make a dataset canonical, and say what came of it."""
    dataset = register(
        arguments.input, slug=arguments.slug, options=arguments.options, tell=show_notes
    )
    record = dataset.record
    out = console()
    out.print(safe(f"registered {record.slug}: {record.n_obs:,} cells", "bold green"))
    for name, modality in record.modalities.items():
        out.print(safe(f"  {name}: {modality.n_vars:,} features, {modality.n_values:,} counts"))
    for note in record.notes:
        out.print(safe(f"  note: {note}", "yellow"))
    out.print(safe(f"  fingerprint {record.fingerprint}", "dim"))
    advice = advise_keys(dataset, arguments.input, arguments.options)
    for line in advice.lines:
        out.print(safe(f"  {line}", "yellow"))
    if advice.command is not None:
        out.print(safe("to register it with them:", "dim"))
        print_command(advice.command)
    models = "cobolt" if record.groups else "pca mofa"  # what can take a mosaic
    out.print(safe(f"run it: multiverse run --models {models} --dataset {record.slug}", "dim"))
    return 0
