"""Files that are not, or not yet, what they should be: each with the command that helps."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

from multiverse.errors import DatasetError
from multiverse.registry.pasted import quoted

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Bytes from the beginning that tell what a file is.
HEAD_BYTES = 4096
#: An HDF5 file begins here, after what somebody else put before it.
_STARTS = (0, 512, 1024, 2048)
#: macOS: the content is still in iCloud.
_DATALESS = 0x40000000
_PROGRAMS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_AGAIN = "Download it again, and compare its size with the one that is announced."


def is_hdf5(head: bytes) -> bool:
    """Return whether a file that begins so is an HDF5 file."""
    return any(head[start : start + 8] == HDF5_SIGNATURE for start in _STARTS)


def placeholder(path: Path, head: bytes, status: os.stat_result) -> DatasetError | None:
    """Return the error for a file that stands in place of the data; None for any other file.

    ``head``: its first :data:`HEAD_BYTES`.
    """
    if getattr(status, "st_flags", 0) & _DATALESS:
        return DatasetError(
            f"{path} is still in the cloud: only its name is on this machine",
            remedy=f"Fetch it: brctl download {quoted(path)}",
        )
    if head.startswith(b"version https://git-lfs"):
        return _pointer(path, head)
    if re.match(rb"\s*<(!doctype|html|\?xml|head|error)", head[:200].lower()):
        return _web_page(path, head)
    if not head.strip(b"\0"):
        return DatasetError(
            f"{path} begins with zeros: it was not downloaded to its end", remedy=_AGAIN
        )
    return None


def packed(path: Path, head: bytes) -> DatasetError | None:
    """Return the error for a file that a program has compressed; None where none has."""
    for begins, program in _PROGRAMS.items():
        if head.startswith(begins):
            target = _unpacked(path)
            return DatasetError(
                f"{path} is packed by {program}",
                remedy=f"Unpack it: {program} -dc {quoted(path)} > {quoted(target)}, "
                f"and take {quoted(target)}",
            )
    return None


def damage_of(path: Path, error: str, size: int) -> DatasetError:
    """Return the error for an HDF5 file that can't be opened, by what the library says of it."""
    if cut := re.search(r"truncated file: eof = (\d+), .*stored_eof = (\d+)", error):
        there, whole = map(int, cut.groups())
        return DatasetError(
            f"{path} is cut off: {there:,} of {whole:,} bytes are there",
            remedy=f"{_AGAIN} If a program was writing it, it did not finish: write it again.",
        )
    if "locking flag" in error or "open for write" in error:
        return DatasetError(
            f"{path} is still open for writing, or the program that wrote it was ended",
            remedy="Wait until it is closed. If nothing writes it, mark it as closed: "
            f"h5clear -s {quoted(path)}",
        )
    if "superblock version" in error:
        return DatasetError(
            f"{path} is of a newer HDF5 than this Python has",
            remedy=f"Update it: {shlex.quote(sys.executable)} -m uv pip install --upgrade "
            f"--python {shlex.quote(sys.executable)} h5py",
        )
    if size == 0:
        return DatasetError(f"{path} is empty", remedy="Copy or download it again.")
    return DatasetError(
        f"{path} is not an HDF5 file, or is damaged: {error}", remedy="Copy or download it again."
    )


def broken_link(path: Path) -> DatasetError:
    """Return the error for a link to what is not there."""
    return DatasetError(
        f"{path} does not exist: it is a link to {str(path.readlink())!r}, which is not there",
        remedy="Name the file itself, or put it where the link leads.",
    )


def _unpacked(path: Path) -> Path:
    if path.suffix.lower() in (".gz", ".bz2", ".xz", ".zst"):
        return path.with_suffix("")
    return path.with_name(f"unpacked-{path.name}")


def _pointer(path: Path, head: bytes) -> DatasetError:
    size = re.search(rb"size (\d+)", head)
    bytes_ = "" if size is None else f" of {int(size[1]):,} bytes"
    return DatasetError(
        f"{path} is a pointer of Git LFS, not the file{bytes_} itself",
        remedy=f"Fetch it: git -C {quoted(path.parent)} lfs pull --include {quoted(path.name)}",
    )


def _web_page(path: Path, head: bytes) -> DatasetError:
    title = re.search(rb"<title[^>]*>([^<]{1,200})", head, re.IGNORECASE)
    named = f", {title[1].decode('utf-8', 'replace').strip()!r}" if title else ""
    return DatasetError(
        f"{path} is a web page{named}, not the data",
        remedy="Open the address in a browser: it asks for something first, or the data have "
        "another address.",
    )
