"""What lies in a folder of others is reached by name and descriptor; no link leads out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from multiverse.contract import files, folders

Reach = Callable[[Path], object]

#: Everything that reads, by what it is called.
READERS: dict[str, Reach] = {
    "read_regular": lambda path: files.read_regular(path, max_bytes=100),
    "read_end": lambda path: files.read_end(path, 100),
    "regular_sha256": files.regular_sha256,
    "open_regular": files.open_regular,
    "check_regular": lambda path: files.check_regular(path, max_bytes=100),
    "sync": files.sync,
}
#: Everything that changes something at a path.
WRITERS: dict[str, Reach] = {
    "write_aside": lambda path: files.write_aside(path, "new"),
    "open_new": lambda path: os.close(files.open_new(path)),
    "make_folder": folders.make_folder,
    "move there": lambda path: folders.move(_fresh(path), path),
    "remove_file": folders.remove_file,
    "remove_tree": folders.remove_tree,
    "remove_empty_folder": folders.remove_empty_folder,
}


def _fresh(path: Path) -> Path:
    """A file of our own beside the whole scene."""
    made = path.parents[3] / "fresh"
    made.write_text("new")
    return made


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """``results/…`` beside ``theirs/``, which nothing may touch."""
    (tmp_path / "theirs/inner/deep").mkdir(parents=True)
    (tmp_path / "theirs/inner/file").write_text("mine")
    (tmp_path / "theirs/file").write_text("mine")
    (tmp_path / "results/a/b").mkdir(parents=True)
    return tmp_path


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_ino)
    return found


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("name", [*READERS, *WRITERS])
def test_a_folder_that_is_a_link_leads_nowhere(scene: Path, name: str, depth: int) -> None:
    link = scene / "results/a/link"
    link.symlink_to(scene / "theirs")
    before = _state(scene / "theirs")
    with pytest.raises(OSError, match="link"):
        {**READERS, **WRITERS}[name](link.joinpath(*["inner", "file"][-depth:]))
    assert _state(scene / "theirs") == before


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_a_link_is_not_read(scene: Path, name: str) -> None:
    (scene / "results/a/file").symlink_to(scene / "theirs/file")
    with pytest.raises(OSError, match="link"):
        READERS[name](scene / "results/a/file")


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_a_link_is_replaced_or_left(scene: Path, name: str) -> None:
    """What it leads to is the same in any case."""
    (scene / "results/a/b/file").symlink_to(scene / "theirs/file")
    before = _state(scene / "theirs")
    try:
        WRITERS[name](scene / "results/a/b/file")
    except OSError:
        assert (scene / "results/a/b/file").is_symlink()
    assert _state(scene / "theirs") == before
    assert (scene / "theirs/file").read_text() == "mine"


def test_looking_answers_without_following(scene: Path) -> None:
    link = scene / "results/link"
    link.symlink_to(scene / "theirs")
    assert folders.exists(link)
    assert not folders.is_folder(link)
    assert not folders.exists(link / "file")
    assert not folders.is_file(link / "file")
    with pytest.raises(folders.LinkOnTheWay):
        folders.names_in(link)
    with pytest.raises(folders.LinkOnTheWay):
        folders.status(link / "file")
    assert folders.folders_in(scene / "results") == ["a"]
    assert folders.names_in(scene / "results") == ["a", "link"]
    assert folders.names_in(scene / "absent") == []


def test_a_name_does_not_lead_upwards(scene: Path) -> None:
    with pytest.raises(ValueError, match="upwards"):
        folders.names_in(scene / "results/a/../../theirs")
    assert folders.resolved(scene / "results/a/../../theirs") == scene.resolve() / "theirs"


def test_links_of_the_user_are_resolved_once(scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene / "mine").symlink_to(scene / "results")
    monkeypatch.chdir(scene)
    assert folders.resolved(Path("results/a")) == Path("results/a"), "nothing to resolve"
    found = folders.resolved(Path("mine/a/new"))
    assert found == scene.resolve() / "results/a/new", "also what is not there yet"
    files.write_aside(found, "text")
    assert (scene / "results/a/new").read_text() == "text"
    files.write_aside(Path("results/a/new"), "relative")
    assert (scene / "results/a/new").read_text() == "relative"


def test_a_folder_is_passed_that_may_only_be_entered(scene: Path) -> None:
    (scene / "results/a").chmod(0o311)
    try:
        files.write_aside(scene / "results/a/b/file", "text")
        assert files.read_regular(scene / "results/a/b/file", max_bytes=10) == b"text"
    finally:
        (scene / "results/a").chmod(0o755)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_what_is_written_has_the_mode_that_its_user_wants(
    scene: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        files.write_aside(scene / "results/page.html", "text")
        folders.make_folder(scene / "results/new/inner")
    finally:
        os.umask(before)
    assert stat.S_IMODE((scene / "results/page.html").stat().st_mode) == mode
    assert stat.S_IMODE((scene / "results/new").stat().st_mode) == 0o777 & ~umask


def test_a_second_name_counts_where_one_owner_has_file_and_folder(scene: Path) -> None:
    """Backups link files; a stranger's folder must not hold a reader's file."""
    file = scene / "results/a/file"
    file.write_text("text")
    (scene / "backup").hardlink_to(file)
    assert files.read_regular(file, max_bytes=10) == b"text"
    with pytest.raises(files.NotARegularFile, match="hard link"):
        files.check_regular(file, max_bytes=10)
    with pytest.raises(files.NotARegularFile, match="hard link"):
        files.open_regular(file, second_names="none")
    if os.getuid() == 0:
        os.chown(scene / "results/a", 12345, 12345)
        with pytest.raises(files.NotARegularFile, match="hard link"):
            files.read_regular(file, max_bytes=10)


def test_names_of_files_written_aside_are_known(scene: Path) -> None:
    with files.written_aside(scene / "results/table.csv") as aside:
        assert files.is_aside(aside.name, "table.csv")
    for name in (
        "table.csv",
        ".table.csv",
        ".table.csv.old",
        ".table.csv.d",
        ".other.csv.12345678",
    ):
        assert not files.is_aside(name, "table.csv")


def test_an_error_names_the_file_that_was_to_be_written(scene: Path) -> None:
    (scene / "results/locked").mkdir()
    with pytest.raises(OSError, match=r"absent/page\.html|absent") as caught:
        files.write_aside(scene / "results/absent/page.html", "text")
    assert "page.html." not in str(caught.value)
