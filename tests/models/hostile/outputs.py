"""Outputs made to hurt whoever reads them."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from .honest import EMBEDDINGS, METRICS, OUTPUT, cell_names, good, picture

FILES = ("embeddings.h5", "metrics.json", "umap.png", "run.log", "metrics.jsonl")
#: What a terminal obeys: clear, title, link, colour, bell, a line that overwrites, right to left.
ESCAPES = (
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://example.org\x1b\\\x1b[31m\x07\r\x08\x9b31m\u202e\u2028"
)


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def hard_link(path: Path) -> None:
    other = OUTPUT / f"{path.name}.other"
    other.write_text("x")
    os.link(other, path)


def unix_socket(path: Path) -> None:
    os.chdir(path.parent)
    socket.socket(socket.AF_UNIX).bind(path.name)


def giant(path: Path) -> None:
    path.touch()
    os.truncate(path, 10 * 1024**3)


KINDS: tuple[Callable[[Path], object], ...] = (link, os.mkfifo, hard_link, unix_socket, giant)


def replaced(turn: int) -> None:
    """Each of the five files is something else; in five turns each was everything."""
    good()
    for number, name in enumerate(FILES):
        (OUTPUT / name).unlink(missing_ok=True)
        KINDS[(number + turn) % len(KINDS)](OUTPUT / name)


def spoil(change: Callable[[h5py.File], object], *names: str) -> None:
    """A good output, whose file of embeddings is changed."""
    good()
    with h5py.File(EMBEDDINGS, "r+") as file:
        for name in names:
            del file[name]
        change(file)


def declared_giant(file: h5py.File) -> None:
    file.create_dataset("latent", (10**12, 10**6), "f4", chunks=(1024, 1024))


def circle_of_links(file: h5py.File) -> None:
    file["latent"] = h5py.SoftLink("/other")
    file["other"] = h5py.SoftLink("/latent")
    file["group"] = h5py.SoftLink("/")
    file.create_group("deep")["circle"] = file["/"]


def link_to_the_host(file: h5py.File) -> None:
    file["latent"] = h5py.ExternalLink("/etc/hostname", "/latent")


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((len(cell_names()), 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "latent", (len(cell_names()), 3))
    file.create_virtual_dataset("latent", layout)


def stored_in_a_host_file(file: h5py.File) -> None:
    rows = len(cell_names())
    file.create_dataset("latent", (rows, 3), "f4", external=[("/etc/passwd", 0, rows * 12)])


def compressed_bomb(file: h5py.File) -> None:
    """A chunk of 4 GB of zeros, stored in a few thousand bytes by packing it twice."""
    rows = len(cell_names())
    made = file.create_dataset(
        "latent", (rows, 3), "f4", chunks=(2**15, 2**14), maxshape=(None, None), compression=9
    )
    made.id.write_direct_chunk((0, 0), b"x\x9c" + bytes(5000))


def bomb_within_the_bounds(file: h5py.File) -> None:
    """Chunks that are just small enough, full of zeros."""
    rows = len(cell_names())
    made = file.create_dataset(
        "latent", (rows, 3), "f4", chunks=(2**14, 2**11), maxshape=(None, None), compression=9
    )
    made[0, 0] = 0


def references(file: h5py.File) -> None:
    made = file.create_dataset("latent", (len(cell_names()), 3), h5py.ref_dtype)
    made[0, 0] = file.ref


def enormous_attribute(file: h5py.File) -> None:
    """Allowed, because nobody reads it."""
    file.create_group("more", track_order=True)
    for number in range(100):
        file["more"].attrs.create(f"a{number}", np.zeros(60_000, "u1"))


def unknown_filter() -> None:
    """Values packed by a filter (number 32000) that only a plugin from outside could undo."""
    good()
    with h5py.File(EMBEDDINGS, "r+") as file:
        del file["latent"]
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((10, 3))
        settings.set_deflate(1)
        space = h5py.h5s.create_simple((len(cell_names()), 3))
        made = h5py.h5d.create(file.id, b"latent", h5py.h5t.NATIVE_FLOAT, space, settings)
        made.write_direct_chunk((0, 0), b"x" * 20)
    content = EMBEDDINGS.read_bytes()
    deflate, other = b"\x01\x00\x08\x00", b"\x00\x7d\x08\x00"
    EMBEDDINGS.write_bytes(content.replace(deflate, other, 1))


def one_long_name(count: int = 100_000_000) -> None:
    """Every cell has the same name of 100 MB, which the file holds once."""
    good()
    rows = len(cell_names())
    with h5py.File(EMBEDDINGS, "r+") as file:
        del file["obs_names"]
        made = file.create_dataset("obs_names", (rows,), h5py.string_dtype())
        made[0] = "x" * count
        place = made.id.get_offset()
    with EMBEDDINGS.open("r+b") as stream:
        stream.seek(place)
        first = stream.read(16)
        stream.seek(place)
        stream.write(first * rows)


def metrics(text: str) -> None:
    good()
    METRICS.write_text(text)


def nested_metrics() -> None:
    metrics('{"model_metrics": ' + "[" * 100_000 + "]" * 100_000 + ', "history": {}}')


def million_metrics() -> None:
    content = {f"m{number}": number for number in range(1_000_000)}
    metrics(json.dumps({"model_metrics": content, "history": {}}))


def repeated_metrics() -> None:
    metrics('{"model_metrics": {"x": 1, "x": 2}, "history": {}}')


def swelling_metrics() -> None:
    metrics('{"model_metrics": [' + "[]," * 15_000_000 + '[]], "history": {}}')


def picture_bomb() -> None:
    good()
    (OUTPUT / "umap.png").write_bytes(picture(2**31 - 1, 2**31 - 1))


def commands_in_a_log() -> None:
    print(f"{ESCAPES}\n\x1b[31mthe last line\x1b[2J\u202e", file=sys.stderr, flush=True)
    sys.exit(3)


def commands_in_a_reason() -> None:
    (OUTPUT / "not_applicable.txt").write_text(f"{ESCAPES}not for me{ESCAPES}\n")
    sys.exit(99)


def commands_in_names() -> None:
    """In names of metrics, of cells, of epochs and of files, and in a warning."""
    good()
    with h5py.File(EMBEDDINGS, "r+") as file:
        file["obs_names"][0] = ESCAPES
    content = {"model_metrics": {ESCAPES: "x"}, "history": {}, "warnings": [ESCAPES + "\ud800"]}
    METRICS.write_text(json.dumps(content))
    (OUTPUT / "metrics.jsonl").write_text(json.dumps({"epoch": 1, ESCAPES: 1.0}) + "\n")
    (OUTPUT / ESCAPES.replace("/", "")).write_text("x")


def commands_in_what_is_published() -> None:
    good()
    content = {"model_metrics": {ESCAPES: 1}, "history": {}, "warnings": [ESCAPES + "\ud800 odd"]}
    METRICS.write_text(json.dumps(content))
    (OUTPUT / ESCAPES.replace("/", "")).write_text("x")


def setuid_files() -> None:
    """Programs that whoever starts them on the host would run as the user of multiverse."""
    good()
    (OUTPUT / "folder" / "deeper").mkdir(parents=True)
    for folder in (OUTPUT, OUTPUT / "folder" / "deeper"):
        program = folder / "program"
        program.write_bytes(Path("/usr/bin/id").read_bytes())
        program.chmod(0o6755)
        os.link(program, folder / "again")
    (OUTPUT / "folder" / "deeper").chmod(0)
    sys.exit(1)
