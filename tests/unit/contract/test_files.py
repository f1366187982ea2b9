"""Files are replaced in one step and hashed; what a model leaves goes, and nothing beside it."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from multiverse.contract.files import (
    BLOCK,
    file_sha256,
    set_mode,
    stream_sha256,
    write_aside,
    written_aside,
)
from multiverse.contract.folders import remove_tree
from tests.conftest import open_to_all

MAKE = """
import os, sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[2])):
    os.mkdir("deep")
    open("file", "w").close()
    os.chdir("deep")
"""


def test_folders_deeper_than_a_path_and_the_stack(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    subprocess.run([sys.executable, "-c", MAKE, str(made), "1500"], check=True)
    remove_tree(made)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_not_followed(tmp_path: Path) -> None:
    made, other = tmp_path / "made", tmp_path / "other"
    (made / "inner").mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_text("kept")
    (made / "link").symlink_to(other)
    (made / "inner" / "file").symlink_to(other / "kept")
    os.link(other / "kept", made / "inner" / "again")
    os.mkfifo(made / "fifo")
    mode = (other / "kept").stat().st_mode
    remove_tree(made)
    assert not made.exists()
    assert (other / "kept").read_text() == "kept"
    assert (other / "kept").stat().st_mode == mode


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Others may write where scratch folders are."""
    (tmp_path / "other").mkdir(mode=0o755)
    (tmp_path / "made").symlink_to(tmp_path / "other")
    with pytest.raises(NotADirectoryError):
        remove_tree(tmp_path / "made")
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o755


def test_what_is_not_there(tmp_path: Path) -> None:
    remove_tree(tmp_path / "nothing")


CLOSED = """
import os, sys
from pathlib import Path
from multiverse.contract.folders import remove_tree
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
made = Path(sys.argv[1], "made")
for name in ("a/b/c", "d"):
    (made / name).mkdir(parents=True)
    (made / name / os.fsdecode(b"odd\\xff")).touch()
for name in ("a/b/c", "a/b", "a", "d", "."):
    (made / name).chmod(0)
remove_tree(made)
print(made.exists())
"""


def test_what_is_closed_to_its_owner(tmp_path: Path) -> None:
    """As an ordinary user, for whom modes mean something."""
    open_to_all(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CLOSED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "False\n"


def test_a_file_is_replaced_in_one_step_and_keeps_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "table.h5ad"
    write_aside(path, "old")
    with written_aside(path, durable=False) as aside:
        assert aside.parent.samefile(tmp_path)
        assert aside.suffix == ".h5ad"
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(RuntimeError), written_aside(path) as aside:
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.h5ad"]


def test_the_hash_of_a_file_and_of_what_is_left_of_a_stream(tmp_path: Path) -> None:
    content = b"x" * (2 * BLOCK + 1)
    path = tmp_path / "large"
    write_aside(path, content)
    assert file_sha256(path) == hashlib.sha256(content).hexdigest()
    blocks: list[bytes] = []
    with path.open("rb") as stream:
        stream.seek(1)
        assert stream_sha256(stream, blocks.append) == hashlib.sha256(content[1:]).hexdigest()
    assert [len(block) for block in blocks] == [BLOCK, BLOCK]


#: Puts a link in the place of every file that is being written into a shared folder.
RACER = """
import os, sys
folder, target = sys.argv[1:]
print("ready", flush=True)
while True:
    for name in os.listdir(folder):
        if name.startswith("."):
            path = f"{folder}/{name}"
            try:
                os.unlink(path)
                os.symlink(target, path)
            except OSError:
                pass
"""


def test_who_shares_a_folder_cant_make_us_write_through_a_link(tmp_path: Path) -> None:
    private, shared = tmp_path / "private", tmp_path / "shared"
    private.write_text("mine")  # a link that is followed would empty it
    shared.mkdir()
    command = [sys.executable, "-c", RACER, str(shared), str(private)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as racer:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
        try:
            for number in range(1500):
                with suppress(OSError):
                    write_aside(shared / "run.json", f"theirs {number}", durable=number % 5 == 0)
                assert private.read_text() == "mine", number
        finally:
            racer.kill()


def test_modes_of_files_with_one_name_only(tmp_path: Path) -> None:
    private, folder = tmp_path / "private", tmp_path / "folder"
    private.write_text("mine")
    private.chmod(0o600)
    folder.mkdir()
    (folder / "file").write_text("")
    (folder / "link").symlink_to(private)
    (folder / "second").hardlink_to(private)
    (folder / "inner").mkdir(0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in ("file", "link", "second", "inner"):
            set_mode(name, descriptor, 0o444)
    finally:
        os.close(descriptor)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder / "file", private)]
    assert modes == [0o444, 0o600]
    assert stat.S_IMODE((folder / "inner").stat().st_mode) == 0o700
