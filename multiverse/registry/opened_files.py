"""The files of a dataset, opened together and read as one layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from multiverse.registry.files import Files, joint_sha256
from multiverse.registry.hdf5_source import SourceFile
from multiverse.registry.joining import Reader, read_files
from multiverse.registry.layout import Layout
from multiverse.registry.options import RegistrationOptions
from multiverse.registry.source import Source, opened_source


@dataclass(frozen=True)
class OpenedFiles:
    """One source, or one a modality, open as long as a stack lasts.

    ``opened``: those that are open already, by their path.
    """

    files: Files
    stack: ExitStack
    opened: Mapping[Path, SourceFile] = field(default_factory=dict)

    @cached_property
    def _sources(self) -> Mapping[str, Source]:
        files = {"": self.files} if isinstance(self.files, Path) else self.files
        return {
            name: self.opened.get(path) or self.stack.enter_context(opened_source(path))
            for name, path in files.items()
        }

    def sha256(self) -> str:
        """Return the hash of the one file, or of all with their modalities."""
        hashes = {name: source.sha256() for name, source in self._sources.items()}
        return hashes[""] if isinstance(self.files, Path) else joint_sha256(hashes)

    @contextmanager
    def layout(self, scratch: Path, options: RegistrationOptions, read: Reader) -> Iterator[Layout]:
        """Read all tables by ``read``; the matrices can be read as long as the context lasts."""
        with ExitStack() as stack:
            readable = {}
            for name, source in self._sources.items():
                place = scratch / (name or "file")
                place.mkdir()
                readable[name] = stack.enter_context(source.readable(place))
            if isinstance(self.files, Path):
                yield read(readable[""], options)
            else:
                yield read_files(readable, options, read)
