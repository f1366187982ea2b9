"""MuData files (``.h5mu``): a group a modality, each with the layout of an AnnData file."""

from __future__ import annotations

from multiverse.errors import DatasetError
from multiverse.registry.formats.anndata_file import modalities_of_group
from multiverse.registry.frames import read_frame
from multiverse.registry.hdf5 import Hdf5
from multiverse.registry.layout import Layout, SourceModality
from multiverse.registry.modalities import map_modalities
from multiverse.registry.options import RegistrationOptions
from multiverse.specs.dataset import MODALITIES


def read_mudata(source: Hdf5, options: RegistrationOptions) -> Layout:
    """Read the tables of a MuData file. Raises :class:`DatasetError`."""
    if source.attribute(source.file, "axis") not in (None, 0):
        raise DatasetError(
            f"{source.path} joins its modalities by features, not by cells",
            remedy="Register a file whose modalities share their cells (axis 0).",
        )
    modalities = source.group(source.file, "mod")
    if modalities is None:
        raise source.error("/mod is not a group")
    mapped = map_modalities(source.names(modalities), options.modality_names, "modality")
    parts: dict[str, SourceModality] = {}
    notes = [*mapped.notes]
    for name in mapped:
        old_name = mapped.old_names[name]
        group = source.group(modalities, old_name)
        if group is None:
            raise source.error(f"/mod/{old_name} is not a modality")
        found, said = modalities_of_group(
            source,
            group,
            name,
            old_name,
            chosen=old_name in options.modality_names,
            taken={*mapped, *parts},
        )
        parts |= {part.modality: part for part in found}
        notes += said
    shared = read_frame(source, source.file, "obs")
    found_parts = tuple(parts[name] for name in MODALITIES if name in parts)
    return Layout(shared, found_parts, tuple(notes), left_out=mapped.left_out)
