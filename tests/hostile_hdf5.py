"""HDF5 files made to hurt whoever opens them, each a change of an honest file.

A change takes the file, the dataset in it that is read, and a file outside of it that must stay
unread. What it makes is valid HDF5, apart from what no library writes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5p, h5s, h5t

#: Nothing honest has this length; it is found again in the file by it.
LONG = 1_234_567
Change = Callable[[Path, str, Path], None]


def _kept(file: h5py.File, name: str) -> tuple[tuple[int, ...], np.dtype, dict[str, object]]:
    """Remove a dataset; its shape, type and attributes."""
    shape, kind, attributes = file[name].shape, file[name].dtype, dict(file[name].attrs)
    del file[name]
    return shape, kind, attributes


def external_storage(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        shape, kind, attributes = _kept(file, name)
        kind = np.dtype("S8") if kind.kind == "O" else kind
        wide = math.prod(shape) * kind.itemsize
        made = file.create_dataset(name, shape, kind, external=[(str(outside), 0, wide)])
        made.attrs.update(attributes)


def external_link(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = h5py.ExternalLink(str(outside), "/x")


def external_link_beside(path: Path, name: str, outside: Path) -> None:
    """One that nothing reads."""
    with h5py.File(path, "r+") as file:
        file["beside"] = h5py.ExternalLink(str(outside), "/x")


def virtual(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        shape, kind, attributes = _kept(file, name)
        layout = h5py.VirtualLayout(shape, "S8" if kind.kind == "O" else kind)
        layout[:] = h5py.VirtualSource(str(outside), "x", shape)
        file.create_virtual_dataset(name, layout)
        file[name].attrs.update(attributes)


def virtual_without_end(path: Path, name: str, outside: Path) -> None:
    """One whose very shape is that of another file."""
    with h5py.File(path, "r+") as file:
        shape, kind, attributes = _kept(file, name)
        kind = np.dtype("S8") if kind.kind == "O" else kind
        space = h5s.create_simple(shape, (h5s.UNLIMITED, *shape[1:]))
        endless = (h5s.UNLIMITED, *(1 for _ in shape[1:]))
        space.select_hyperslab((0,) * len(shape), endless, block=(1, *shape[1:]))
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_virtual(space, str(outside).encode(), b"x", space)
        h5d.create(file.id, name.encode(), h5t.py_create(kind), space, plist)
        file[name].attrs.update(attributes)


def soft_link_out(path: Path, name: str, outside: Path) -> None:
    """A link inside the file to one that leads out of it."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file["beside"] = h5py.ExternalLink(str(outside), "/")
        file[name] = h5py.SoftLink("/beside/x")


def soft_link_in(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.move(name, "beside")
        file[name] = h5py.SoftLink("/beside")


def cycle(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.create_group("beside")["top"] = file["/"]


def doublings(path: Path, name: str, outside: Path) -> None:
    """Groups that hold each other twice: 2⁴⁰ paths, no circle."""
    with h5py.File(path, "r+") as file:
        below = file.create_group("beside")
        for number in range(40):
            above = file.create_group(f"beside{number}")
            above["a"] = above["b"] = below
            below = above


def nested_filters(path: Path, name: str, outside: Path) -> None:
    """Deflate three times over: 10⁹ to one."""
    with h5py.File(path, "r+") as file:
        shape, kind, attributes = _kept(file, name)
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk(tuple(max(1, side) for side in shape))
        for _ in range(3):
            plist.set_deflate(1)
        h5d.create(file.id, name.encode(), h5t.py_create(kind), h5s.create_simple(shape), plist)
        file[name].attrs.update(attributes)


def huge_attribute(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        file.create_group("beside").attrs["huge"] = np.zeros(20_000_000, dtype="u1")


def many_attributes(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+", libver="latest") as file:
        for number in range(2000):
            file[name].attrs[f"a{number}"] = number


def same_text_again_in_an_attribute(path: Path, name: str, outside: Path) -> None:
    """4,000 texts that are one and the same: 5 GB."""
    with h5py.File(path, "r+") as file:
        texts = ["x" * LONG, *["x"] * 3999]
        file[name].attrs.create("texts", texts, dtype=h5py.string_dtype())
    _repeat_pointer(path, 4000)


def same_text_again(path: Path, name: str, outside: Path) -> None:
    """A dataset of texts that are one and the same: 120 GB."""
    with h5py.File(path, "r+") as file:
        _, _, attributes = _kept(file, name)
        made = file.create_dataset(name, 100_000, h5py.string_dtype())
        made[0] = "x" * LONG
        made.attrs.update(attributes)
    _repeat_pointer(path, 100_000)


def same_text_again_in_chunks(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        _, _, attributes = _kept(file, name)
        made = file.create_dataset(
            name, 100_000, h5py.string_dtype(), chunks=1000, compression="gzip", shuffle=True
        )
        file.create_dataset("beside", 1, h5py.string_dtype(), chunks=1)[0] = "x" * LONG
        _, pointer = file["beside"].id.read_direct_chunk((0,))
        plist = made.id.get_create_plist()
        with h5py.File("packed", "w", driver="core", backing_store=False) as memory:
            kind = h5t.create(h5t.OPAQUE, len(pointer))
            kind.set_tag(b"")
            space = h5s.create_simple((1000,))
            copy = h5d.create(memory.id, b"x", kind, space, plist)
            values = np.frombuffer(pointer * 1000, dtype=np.uint8).copy()
            copy.write(h5s.ALL, h5s.ALL, values, kind)
            mask, packed = copy.read_direct_chunk((0,))
        for start in range(0, 100_000, 1000):
            made.id.write_direct_chunk((start,), packed, mask)
        made.attrs.update(attributes)


def _repeat_pointer(path: Path, number: int) -> None:
    content = bytearray(path.read_bytes())
    start = content.index(LONG.to_bytes(4, "little"))
    pointer = content[start : start + 16]
    content[start : start + 16 * number] = pointer * number
    path.write_bytes(content)


def huge_shape(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        shape, kind, attributes = _kept(file, name)
        sides = (10**12, *(10**3 for _ in shape[1:]))
        chunks = tuple(1000 for _ in sides)
        file.create_dataset(name, sides, kind, chunks=chunks).attrs.update(attributes)


def huge_chunk(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        shape, _, attributes = _kept(file, name)
        kind, rest = np.dtype("f8"), shape[1:]
        chunks = (2**31 // (8 * math.prod(rest)), *rest)
        made = file.create_dataset(
            name, shape, kind, chunks=chunks, maxshape=(None, *rest), compression="gzip"
        )
        made.attrs.update(attributes)


def deep(path: Path, name: str, outside: Path) -> None:
    """Deeper than Python's stack."""
    with h5py.File(path, "r+") as file:
        group = file.create_group("beside")
        for _ in range(3000):
            group = group.create_group("g")


def many_groups(path: Path, name: str, outside: Path) -> None:
    with h5py.File(path, "r+") as file:
        group = file.create_group("beside")
        for number in range(60_000):
            group.create_group(str(number))


def types_within_types(path: Path, name: str, outside: Path) -> None:
    kind: np.dtype[Any] = np.dtype("i4")
    for _ in range(20):
        kind = np.dtype([("x", kind)])
    with h5py.File(path, "r+") as file:
        file.create_dataset("beside", (1,), kind)


def truncated(path: Path, name: str, outside: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage(path: Path, name: str, outside: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(100_000))


def garbage_behind_a_signature(path: Path, name: str, outside: Path) -> None:
    path.write_bytes(path.read_bytes()[:96] + np.random.default_rng(0).bytes(100_000))


def fifo(path: Path, name: str, outside: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path, name: str, outside: Path) -> None:
    """``/dev/zero`` behind a link, as nobody but root may make a device."""
    path.unlink()
    path.symlink_to("/dev/zero")


def link(path: Path, name: str, outside: Path) -> None:
    path.unlink()
    path.symlink_to(outside)


def folder(path: Path, name: str, outside: Path) -> None:
    path.unlink()
    path.mkdir()


#: Those that are valid HDF5, and those that are no HDF5 or no file.
INSIDE: dict[str, Change] = {
    change.__name__: change
    for change in (
        external_storage, external_link, external_link_beside, virtual, virtual_without_end,
        soft_link_out, soft_link_in, cycle, doublings, nested_filters, huge_attribute,
        many_attributes, same_text_again_in_an_attribute, same_text_again,
        same_text_again_in_chunks, huge_shape, huge_chunk, deep, many_groups, types_within_types,
    )
}  # fmt: skip
OUTSIDE: dict[str, Change] = {
    change.__name__: change
    for change in (truncated, garbage, garbage_behind_a_signature, fifo, device, link, folder)
}
HOSTILE = {**INSIDE, **OUTSIDE}
