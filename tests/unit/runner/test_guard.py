"""What a model writes is counted cheaply, whatever it is, and no count can be fooled or broken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multiverse.runner.guard import MAX_DEPTH, MIN_FREE_FILES, FreeSpace, OutputGuard
from tests.conftest import open_to_all

MIB = 1024**2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An honest output, of an ordinary user."""
    made = tmp_path / "output"
    made.mkdir()
    open_to_all(made)
    if os.geteuid() == 0:
        os.chown(made, 65534, 65534)
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
    assert OutputGuard(tmp_path / "link", 1).look() == "can't be looked into: Not a directory"
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


@pytest.mark.parametrize("kind", ["nothing", "a file", "a FIFO"])
def test_an_output_that_is_not_there_stops_the_job(folder: Path, kind: str) -> None:
    guard = OutputGuard(folder, MIB)
    folder.rename(folder.with_name("elsewhere"))
    if kind == "a file":
        folder.touch()
    elif kind == "a FIFO":
        os.mkfifo(folder)
    words = "it is gone" if kind == "nothing" else "Not a directory"
    assert guard.look() == f"can't be looked into: {words}"


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


#: Runs as an ordinary user, for whom modes mean something, beside what a model does as that user.
AS_USER = """
import ctypes, os, resource, signal, sys
from pathlib import Path
from multiverse.runner.guard import OutputGuard
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
output, program = Path(sys.argv[1]), sys.argv[2]
told, tell = os.pipe()
model = os.fork()
if model == 0:
    os.chdir(output)
    exec(program.replace("READY", f"os.write({{tell}}, b'x')"), {{}})
    os._exit(0)
os.close(tell)
if not os.read(told, 1):
    sys.exit("the model's program failed")
{before}
guard = OutputGuard(output, 2**20, max_files=1000)
said = [guard.look() for _ in range({looks})]
os.kill(model, signal.SIGKILL)
print(*said, sep="\\n")
"""


def looks(folder: Path, program: str, count: int = 1, before: str = "") -> list[str]:
    """What a guard says, look after look, while a model's program runs in the folder.

    The program is ``READY`` once it has done what is to be seen.
    """
    code = AS_USER.format(looks=count, before=before)
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


TWO_MIB = "import os, time\nos.mkdir('in')\nopen('in/large', 'wb').write(b'x' * 2**21)\n"
MANY = "import os, time\nos.mkdir('in')\nfor n in range(2000): open(f'in/{n}', 'w').close()\n"
WAIT = "READY\ntime.sleep(600)\n"
LARGE, NUMEROUS = "more than the 1.0 MiB allowed", "holds more than 1,000 files"


@pytest.mark.parametrize("mode", [0, 0o100, 0o200, 0o300, 0o400, 0o077])
@pytest.mark.parametrize("place", ["in", "."])
def test_a_closed_folder_hides_nothing(folder: Path, place: str, mode: int) -> None:
    close = f"os.chmod({place!r}, {mode})\n"
    (said,) = looks(folder, TWO_MIB + close + WAIT)
    assert LARGE in said


@pytest.mark.parametrize("place", ["in", "."])
def test_many_files_in_a_closed_folder_are_counted(folder: Path, place: str) -> None:
    (said,) = looks(folder, f"{MANY}os.chmod({place!r}, 0)\n{WAIT}")
    assert said == NUMEROUS


def test_folders_closed_within_each_other_hide_nothing(folder: Path) -> None:
    program = (
        "import os, time\n"
        "os.makedirs('a/b/c'); open('a/b/c/large', 'wb').write(b'x' * 2**21)\n"
        "for path in ('a/b/c', 'a/b', 'a', '.'): os.chmod(path, 0)\n"
    )
    (said,) = looks(folder, program + WAIT)
    assert LARGE in said


def test_modes_that_a_model_only_takes_from_others_stay(folder: Path) -> None:
    program = "import os, time\nos.mkdir('in')\nos.chmod('in', 0o500)\n"
    assert looks(folder, program + WAIT) == ["None"]
    assert (folder / "in").stat().st_mode & 0o777 == 0o500


#: Attempts to be elsewhere whenever somebody looks.
RACES = {
    "closed again and again": TWO_MIB + "READY\nwhile True: os.chmod('in', 0)\n",
    "itself closed again and again": (TWO_MIB + "READY\nwhile True: os.chmod('.', 0)\n"),
    "renamed without end": (
        TWO_MIB + "READY\nlast = 'in'\nn = 0\n"
        "while True:\n n += 1\n os.rename(last, f'in{n}')\n last = f'in{n}'\n"
    ),
    "a file renamed without end": (
        TWO_MIB + "os.rename('in/large', 'f'); READY\nlast = 'f'\nn = 0\n"
        "while True:\n n += 1\n os.rename(last, f'f{n}')\n last = f'f{n}'\n"
    ),
    "exchanged for a link": (
        TWO_MIB + "import ctypes\ncall = ctypes.CDLL(None).renameat2\n"
        "os.symlink('/', 'other'); READY\n"
        "while True: call(-100, b'in', -100, b'other', 2)\n"
    ),
    "exchanged for another folder": (
        TWO_MIB + "import ctypes\ncall = ctypes.CDLL(None).renameat2\n"
        "os.mkdir('other'); READY\n"
        "while True: call(-100, b'in', -100, b'other', 2)\n"
    ),
    "a file exchanged for another": (
        TWO_MIB + "import ctypes\ncall = ctypes.CDLL(None).renameat2\n"
        "open('in/other', 'w').close(); READY\n"
        "while True: call(-100, b'in/large', -100, b'in/other', 2)\n"
    ),
}


@pytest.mark.parametrize("race", RACES)
def test_what_is_never_where_it_was_seen_hides_nothing(folder: Path, race: str) -> None:
    for said in looks(folder, RACES[race], count=20):
        assert LARGE in said or said.startswith("can't be looked into: "), said


def test_two_files_that_change_places_while_they_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change happens between two looks of the guard, so that the large one is never seen."""
    (folder / "a").write_bytes(b"x" * 2 * MIB)
    (folder / "b").touch()
    look = os.stat

    def exchanging(path: str, **more: Any) -> os.stat_result:
        if path in ("a", "b"):
            small = min((folder / "a", folder / "b"), key=lambda file: look(file).st_size).name
            return look(small, **more)
        return look(path, **more)

    monkeypatch.setattr(os, "stat", exchanging)
    words = "can't be looked into: it changes faster than it can be counted"
    assert OutputGuard(folder, MIB).look() == words


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of somebody else")
def test_a_folder_of_another_user_stops_the_job(folder: Path) -> None:
    """As one that a container's other users have made."""
    (folder / "in").mkdir(mode=0o700)
    os.chown(folder / "in", 12345, 12345)
    (said,) = looks(folder, "import os, time\n" + WAIT)
    assert said == "can't be looked into: Permission denied"


def test_a_runner_short_of_descriptors_does_not_look_away(folder: Path) -> None:
    """What stands in its way is said, and ends the job: nobody knows what it writes."""
    short = "resource.setrlimit(resource.RLIMIT_NOFILE, (6, 6))"
    (said,) = looks(folder, TWO_MIB + WAIT, before=short)
    assert said == "can't be looked into: Too many open files"


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
