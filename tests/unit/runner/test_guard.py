"""What a model writes is counted cheaply, whatever it is, and no count can be fooled or broken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from multiverse.runner.guard import MAX_DEPTH, MIN_FREE_FILES, FreeSpace, OutputGuard
from tests.conftest import open_to_all

MIB = 1024**2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An honest output."""
    made = tmp_path / "output"
    made.mkdir()
    for name in ("embeddings.h5", "metrics.json", "umap.png", "run.log", "job_spec.json"):
        (made / name).write_bytes(b"x" * 1000)
    return made


def test_an_honest_output_is_no_matter(folder: Path) -> None:
    assert OutputGuard(folder, MIB).look() is None


def test_bytes_are_counted_in_folders_too(folder: Path) -> None:
    (folder / "checkpoints").mkdir()
    guard = OutputGuard(folder, MIB)
    assert guard.look() is None
    (folder / "checkpoints" / "model.pt").write_bytes(b"x" * 2 * MIB)
    reason = guard.look()
    assert reason is not None
    assert "of disk, more than the 1.0 MiB allowed" in reason
    assert "2.0 MiB" in reason


def test_a_sparse_file_costs_what_it_takes(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.truncate(1024**4)
    assert OutputGuard(folder, MIB).look() is None


def test_a_file_with_many_names_is_one_file(folder: Path) -> None:
    (folder / "first").write_bytes(b"x" * MIB)
    for number in range(5):
        os.link(folder / "first", folder / f"again{number}")
    assert OutputGuard(folder, 3 * MIB // 2).look() is None


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "large").write_bytes(b"x" * 4 * MIB)
    (folder / "link").symlink_to(elsewhere)
    (folder / "file").symlink_to(elsewhere / "large")
    (folder / "circle").symlink_to(folder)
    assert OutputGuard(folder, MIB).look() is None
    (folder / "large").write_bytes(b"x" * 4 * MIB)
    assert OutputGuard(folder, MIB).look() is not None


def test_the_output_itself_as_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert OutputGuard(tmp_path / "link", 1).look() is None
    assert OutputGuard(folder, 1).look() is not None


def test_files_are_counted(folder: Path) -> None:
    for number in range(40):
        (folder / f"f{number}").touch()
    assert OutputGuard(folder, MIB, max_files=50).look() is None
    for number in range(40):
        (folder / f"d{number}").mkdir()
    reason = OutputGuard(folder, MIB, max_files=50).look()
    assert reason == "holds more than 50 files"


def test_counting_ends_at_the_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a million entries a bound of ten looks at eleven."""
    for number in range(3000):
        (folder / f"f{number}").touch()
    looked_at = 0
    scandir = os.scandir

    class Counting:
        def __init__(self, descriptor: int) -> None:
            self._entries = scandir(descriptor)

        def __enter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self)

        def __exit__(self, *_: object) -> None:
            self._entries.close()

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            nonlocal looked_at
            for entry in self._entries:
                looked_at += 1
                yield entry

    monkeypatch.setattr(os, "scandir", Counting)
    assert OutputGuard(folder, MIB, max_files=10).look() is not None
    assert 11 <= looked_at <= 12


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def nested(folder: Path, depth: int) -> None:
    """Folders in folders, deeper than a path may be long."""
    folder.mkdir(exist_ok=True)
    code = "import os, sys\nfor _ in range(int(sys.argv[1])):\n os.mkdir('deep'); os.chdir('deep')"
    subprocess.run([sys.executable, "-c", code, str(depth)], cwd=folder, check=True)


def test_a_deep_tree_is_a_reason_of_its_own(folder: Path) -> None:
    before = open_descriptors()
    nested(folder, MAX_DEPTH)
    assert OutputGuard(folder, MIB).look() is None
    nested(folder / "deep" / "deep" / "other", 2000)
    reason = OutputGuard(folder, MIB).look()
    assert reason is not None
    assert f"more than {MAX_DEPTH} deep" in reason
    assert open_descriptors() == before, "no descriptor is left open"
    subprocess.run(["rm", "-rf", str(folder / "deep")], check=True)  # noqa: S607


def test_odd_names_and_kinds(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe \n\x1b[2J")).write_bytes(b"x" * 2 * MIB)
    os.mkfifo(folder / "fifo")
    (folder / "dangling").symlink_to("nowhere")
    reason = OutputGuard(folder, MIB).look()
    assert reason is not None
    assert reason.isprintable()


def test_a_folder_that_is_not_there_or_vanishes(folder: Path) -> None:
    guard = OutputGuard(folder, MIB)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert guard.look() is None


def test_files_that_vanish_while_they_are_counted(folder: Path) -> None:
    """Another process makes and removes files and folders as fast as it can."""
    code = (
        "import os, itertools\n"
        "for n in itertools.count():\n"
        " os.mkdir(f'd{n % 7}'); open(f'd{n % 7}/f', 'w').close()\n"
        " os.unlink(f'd{n % 7}/f'); os.rmdir(f'd{n % 7}')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=folder) as busy:
        guard = OutputGuard(folder, MIB)
        assert [guard.look() for _ in range(300)] == [None] * 300
        assert busy.poll() is None
        busy.kill()


LOCKED = """
import os, sys
from pathlib import Path
from multiverse.runner.guard import OutputGuard
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
folder = Path(sys.argv[1])
(folder / "closed").mkdir()
(folder / "closed" / "large").write_bytes(b"x" * 2**21)
(folder / "closed").chmod(0)
print(OutputGuard(folder, 2**20).look())
"""


def test_a_closed_folder_hides_nothing(folder: Path) -> None:
    """As an ordinary user, for whom modes mean something."""
    open_to_all(folder)
    done = subprocess.run(
        [sys.executable, "-c", LOCKED, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "more than the 1.0 MiB allowed" in done.stdout


def test_free_space(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    free = status.f_bavail * status.f_frsize
    assert FreeSpace(tmp_path, free // 2).short() is None
    short = FreeSpace(tmp_path, free * 2).short()
    assert short is not None
    assert "are free on the disk of" in short
    assert "kept in reserve" in short


def test_free_space_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert FreeSpace(tmp_path / "a" / "b", 1).short() is None
    assert FreeSpace(tmp_path / "a" / "b", 2**62).short() is not None


def test_free_inodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system of the reported kind is not to be had without privileges."""
    real = os.statvfs(tmp_path)

    def with_inodes(total: int, free: int) -> None:
        content = list(real)
        content[5:8] = [total, free, free]
        monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(content))

    with_inodes(10**6, MIN_FREE_FILES - 1)
    short = FreeSpace(tmp_path, 1).short()
    assert short is not None
    assert f"{MIN_FREE_FILES - 1:,} more files" in short
    with_inodes(10**6, MIN_FREE_FILES)
    assert FreeSpace(tmp_path, 1).short() is None
    with_inodes(0, 0)
    assert FreeSpace(tmp_path, 1).short() is None
