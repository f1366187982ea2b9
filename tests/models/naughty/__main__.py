"""Writes an output by hand, and spoils it in the way that the job asks for."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import h5py
import numpy as np

DATA = Path(os.environ.get("MULTIVERSE_INPUT", "/input/data.h5mu"))
OUTPUT = Path(os.environ.get("MULTIVERSE_OUTPUT", "/output"))
JOB = json.loads((OUTPUT / "job_spec.json").read_text())
AMOUNT: float = JOB["hyperparameters"]["amount"]


def cell_names() -> list[bytes]:
    with h5py.File(DATA, "r") as file:
        obs = file["obs"]
        return list(obs[obs.attrs["_index"]][...])


def write_embedding(latent: np.ndarray, names: list[bytes]) -> None:
    with h5py.File(OUTPUT / "embeddings.h5", "w") as file:
        file["latent"] = latent
        file.create_dataset("obs_names", data=names, dtype=h5py.string_dtype())


def write_rest() -> None:
    metrics: dict[str, object] = {"model_metrics": {"score": 1.5}, "history": {}}
    if JOB["device"] != "cpu":  # tests of what is made of it; nothing here computes on one
        metrics["gpu"] = {"name": "none at all", "peak_memory_bytes": 1}
    (OUTPUT / "metrics.json").write_text(json.dumps(metrics))
    (OUTPUT / "run.log").write_text("done\n")
    (OUTPUT / "umap.png").write_bytes(one_pixel())


def one_pixel() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def good() -> None:
    names = cell_names()
    random = np.random.default_rng(JOB["seed"])
    write_embedding(random.normal(size=(len(names), 3)).astype("float32"), names)
    write_rest()


def latent(shape: tuple[int, ...] | None = None, value: float | None = None) -> np.ndarray:
    rows = len(cell_names())
    made = np.random.default_rng(0).normal(size=shape or (rows, 3)).astype("float32")
    if value is not None:
        made[:] = value
    return made


def nan() -> None:
    good()
    spoilt = latent()
    spoilt[1, 2] = np.nan
    write_embedding(spoilt, cell_names())


def wide() -> None:
    """Write what is allowed and takes long to look at: 10,000 columns, a few kilobytes a chunk."""
    good()
    rows, columns, high = len(cell_names()), 10_000, 500
    chunks = [zlib.compress(struct.pack("<f", value) * high * columns) for value in (0, 1)]
    with h5py.File(OUTPUT / "embeddings.h5", "r+") as file:
        del file["latent"]
        made = file.create_dataset(
            "latent", (rows, columns), "f4", chunks=(high, columns), compression="gzip"
        )
        for number, row in enumerate(range(0, rows, high)):
            made.id.write_direct_chunk((row, 0), chunks[number % 2])


def rows() -> None:
    good()
    write_embedding(latent()[:-1], cell_names()[:-1])


def permuted() -> None:
    good()
    write_embedding(latent(), cell_names()[::-1])


def foreign() -> None:
    good()
    write_embedding(latent(), [b"x" + name for name in cell_names()])


def constant() -> None:
    good()
    write_embedding(latent(value=1.0), cell_names())


def replace_by(make: Callable[[Path], object], name: str = "embeddings.h5") -> None:
    good()
    path = OUTPUT / name
    path.unlink()
    make(path)


def external_link() -> None:
    good()
    with h5py.File(OUTPUT / "embeddings.h5", "r+") as file:
        del file["latent"]
        file["latent"] = h5py.ExternalLink("/etc/passwd", "latent")


def flood() -> None:
    line = b"x" * 9_999 + b"\n"
    written = 0
    while written < AMOUNT:
        written += os.write(1, line)
    good()
    print("the very last line", flush=True)


def epochs() -> Iterator[int]:
    """Reports an epoch ten times a second, until nobody asks for more."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for number in count(1):
        with (OUTPUT / "metrics.jsonl").open("a") as stream:
            stream.write(json.dumps({"epoch": number, "total": 1000, "loss": 1.0 / number}) + "\n")
        print(f"epoch {number}", flush=True)
        time.sleep(0.1)
        yield number


def sleep() -> None:
    for number in epochs():
        if number * 0.1 > AMOUNT or number == 999:
            break
    good()


def until_told(end: Callable[[], object] = good) -> None:
    """Ends once the test has put a file beside the output."""
    for _ in epochs():
        if (OUTPUT / "enough").exists():
            break
    end()


def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("asleep", flush=True)
    time.sleep(AMOUNT)


def memory() -> None:
    blocks = []
    while True:
        blocks.append(np.ones(int(AMOUNT) // 8))
        time.sleep(0.05)


def hungry() -> None:
    """Needs that many bytes, no more."""
    block = np.ones(int(AMOUNT) // 8)
    time.sleep(1)
    good()
    print(block.sum())


def report_sandbox() -> None:
    """What a model can do; written as metrics, judged by the test."""
    metrics = {
        "network": float(can(lambda: socket.create_connection(("1.1.1.1", 53), timeout=2))),
        "write_root": float(can(lambda: Path("/usr/x").write_text("x"))),
        "write_input": float(can(lambda: DATA.open("r+b"))),
        "write_output": float(can(lambda: (OUTPUT / "probe").write_text("x"))),
        "see_host": float(Path(JOB["run_settings"]["tags"]["folder_of_the_host"]).exists()),
        "uid": float(os.getuid()),
        "capabilities": float(int(status("CapEff"), 16)),
        "no_new_privileges": float(status("NoNewPrivs")),
        "threads": float(os.environ.get("OMP_NUM_THREADS", "-1")),
        "variables": float("MULTIVERSE_SECRET" in os.environ),
    }
    good()
    content = {"model_metrics": metrics, "history": {}}
    (OUTPUT / "metrics.json").write_text(json.dumps(content))


def status(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def can(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def not_applicable() -> None:
    print("needs seven modalities")
    (OUTPUT / "not_applicable.txt").write_text("needs seven modalities\n")
    sys.exit(99)


def fail() -> None:
    print("ValueError: \x1b[31mno such thing\x1b[0m as a free lunch", file=sys.stderr)
    sys.exit(1)


def end_itself(number: int) -> None:
    """Ends by a signal that it sends itself."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def idle_gpu() -> None:
    """Asked for a GPU, and computes elsewhere."""
    good()
    (OUTPUT / "metrics.json").write_text('{"model_metrics": {}, "history": {}}')


def litter() -> None:
    """Files of 1 MiB each, as many as it is told to, and then patience."""
    for number in range(int(AMOUNT)):
        (OUTPUT / f"litter-{number}").write_bytes(os.urandom(2**20))
    time.sleep(60)


def locked_up() -> None:
    good()
    for path in OUTPUT.iterdir():
        path.chmod(0)
    OUTPUT.chmod(0o500)


def strange_names() -> None:
    good()
    (OUTPUT / os.fsdecode(b"odd\xff name")).write_text("x")


def huge_number() -> None:
    good()
    (OUTPUT / "metrics.jsonl").write_text('{"epoch": 1, "loss": 1' + "0" * 400 + "}\n")
    text = '{"model_metrics": {"x": 1' + "0" * 400 + '}, "history": {}}'
    (OUTPUT / "metrics.json").write_text(text)


def daemon() -> None:
    """A child that leaves the session, and holds on to the log."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(300)
        os._exit(0)
    good()


def extra() -> None:
    good()
    (OUTPUT / "model.pt").write_bytes(b"weights")
    (OUTPUT / "job_spec.json").write_text("{}")


BEHAVIOURS: dict[str, Callable[[], object]] = {
    "good": good,
    "nan": nan,
    "rows": rows,
    "permuted": permuted,
    "foreign": foreign,
    "constant": constant,
    "symlink": lambda: replace_by(lambda path: path.symlink_to("/etc/passwd")),
    "fifo": lambda: replace_by(os.mkfifo),
    "folder": lambda: replace_by(Path.mkdir, "metrics.json"),
    "log_symlink": lambda: replace_by(lambda path: path.symlink_to("/etc/passwd"), "run.log"),
    "not_a_picture": lambda: replace_by(lambda path: path.write_text("hello"), "umap.png"),
    "not_json": lambda: replace_by(lambda path: path.write_text("{nope"), "metrics.json"),
    "wide": wide,
    "not_hdf5": lambda: replace_by(lambda path: path.write_text("hello")),
    "external_link": external_link,
    "nothing": lambda: None,
    "fail": fail,
    "exit_137": lambda: os._exit(137),
    "kill_itself": lambda: end_itself(signal.SIGKILL),
    "crash": lambda: end_itself(signal.SIGSEGV),
    "until_told": until_told,
    "until_told_and_fail": lambda: until_told(fail),
    "litter": litter,
    "idle_gpu": idle_gpu,
    "not_applicable": not_applicable,
    "flood": flood,
    "sleep": sleep,
    "stubborn": stubborn,
    "memory": memory,
    "hungry": hungry,
    "sandbox": report_sandbox,
    "extra": extra,
    "locked_up": locked_up,
    "strange_names": strange_names,
    "huge_number": huge_number,
    "daemon": daemon,
}

if __name__ == "__main__":
    BEHAVIOURS[JOB["hyperparameters"]["behaviour"]]()
