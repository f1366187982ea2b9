"""Filters of HDF5: which compression a file needs, and the command that makes it readable.

Numbers and names are those of the registry of the HDF Group
(https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md).
"""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import sys
from collections.abc import Iterator
from contextlib import suppress

import h5py
from h5py import h5z

from multiverse.errors import DatasetError

#: Filters that the package hdf5plugin brings.
_PACKAGED = {
    307: "bzip2", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd",
    32017: "sz", 32018: "fcidecomp", 32024: "sz3", 32026: "blosc2", 32028: "sperr",
}  # fmt: skip
_OTHERS = {
    4: "szip", 5: "nbit", 6: "scaleoffset", 257: "hdf5-lzo", 258: "lzo", 305: "lzo",
    32000: "lzf", 32002: "mafisc", 32003: "snappy", 32005: "apax", 32009: "jpeg-xr",
    32016: "fpzip", 32019: "jpeg", 32022: "vbz", 32023: "fapec", 32025: "bitgroom",
    32030: "granular-bitround", 32032: "delta-rice",
}  # fmt: skip
_MAX_DEPTH = 3


def load_plugins() -> None:
    """Let h5py use the filters of hdf5plugin, where that is installed."""
    with suppress(ImportError, OSError):
        importlib.import_module("hdf5plugin")


def missing_filters(node: object, depth: int = 0) -> Iterator[int]:
    """Yield the numbers of filters that a dataset needs, or one in a group, and h5py has not."""
    if isinstance(node, h5py.Dataset):
        plist = node.id.get_create_plist()
        for number in range(plist.get_nfilters()):
            code = int(plist.get_filter(number)[0])
            if not h5z.filter_avail(code):
                yield code
    elif isinstance(node, h5py.Group) and depth < _MAX_DEPTH:
        for name in node:
            if isinstance(node.get(name, getlink=True), h5py.HardLink):
                yield from missing_filters(node[name], depth + 1)


def filter_refusal(path: object, where: str, code: int) -> DatasetError:
    """Return the error for a filter that this Python does not have."""
    name = _PACKAGED.get(code) or _OTHERS.get(code)
    called = f"filter {code}" if name is None else f"{name} (filter {code})"
    problem = f"{path}: {where} is compressed by {called}, which this Python can't unpack"
    if code in _PACKAGED and importlib.util.find_spec("hdf5plugin") is None:
        return DatasetError(problem, remedy=f"Install its plugin, and try again: {_install()}")
    return DatasetError(
        problem,
        remedy="Write the file again where it can be read, without that filter: "
        f"h5repack -f GZIP=4 {shlex.quote(str(path))} {shlex.quote(f'{path}.gzip.h5')}",
    )


def _install() -> str:
    """Return a command that installs hdf5plugin for this very Python; pip is not in all."""
    python = shlex.quote(sys.executable)
    if importlib.util.find_spec("pip") is not None:
        return f"{python} -m pip install hdf5plugin"
    return f"{python} -m uv pip install --python {python} hdf5plugin"
