"""``multiverse register``."""

from __future__ import annotations

from argparse import Namespace

from multiverse.api import register
from multiverse.cli.run import pairs
from multiverse.cli.terminal import console, safe, show_notes
from multiverse.registry.options import RegistrationOptions


def main(arguments: Namespace) -> int:
    options = RegistrationOptions(
        batch_key=arguments.batch_key,
        label_key=arguments.label_key,
        unlabelled=tuple(arguments.unlabelled),
        modality_names=pairs(arguments.modality, "--modality"),
        layer=arguments.layer,
        intersect=arguments.intersect,
        mosaic=arguments.mosaic,
        replace=arguments.replace,
    )
    dataset = register(arguments.input, slug=arguments.slug, options=options, tell=show_notes)
    record = dataset.record
    out = console()
    out.print(safe(f"registered {record.slug}: {record.n_obs:,} cells", "bold green"))
    for name, modality in record.modalities.items():
        out.print(safe(f"  {name}: {modality.n_vars:,} features, {modality.n_values:,} counts"))
    for note in record.notes:
        out.print(safe(f"  note: {note}", "yellow"))
    out.print(safe(f"  fingerprint {record.fingerprint}", "dim"))
    models = "cobolt" if record.groups else "pca mofa"  # what can take a mosaic
    out.print(safe(f"run it: multiverse run --models {models} --dataset {record.slug}", "dim"))
    return 0
