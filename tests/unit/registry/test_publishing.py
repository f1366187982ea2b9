"""Versions: complete or absent, once made never changed, whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from multiverse.errors import DatasetError, ResultsError
from multiverse.events import Event
from multiverse.registry.datasets import RegisteredDataset, find_dataset, list_datasets
from multiverse.registry.registration import RegistrationOptions, register
from tests.told import notes_into
from tests.unit.registry.registry_sources import counts, dense, make_anndata, read, write

KEYS = RegistrationOptions(batch_key="donor", label_key="cell_type")


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def other_source(path: Path) -> Path:
    return write(make_anndata(csr_matrix(counts(seed=3))), path)


def test_the_same_again_writes_nothing(tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    dataset = register(source, options=KEYS, home=tmp_path / "home")
    before = tree(dataset.folder)
    said: list[str] = []
    moved = Path(shutil.move(source, tmp_path / "moved.h5ad"))
    assert (
        register(moved, slug="a", options=KEYS, home=tmp_path / "home", tell=notes_into(said))
        == dataset
    )
    assert tree(dataset.folder) == before
    assert any("already registered" in line for line in said)


def test_other_content_needs_replace_and_keeps_the_old(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = register(write(make_anndata(), tmp_path / "a.h5ad"), home=home)
    before = tree(home / "datasets" / "a")
    source = other_source(tmp_path / "b.h5ad")
    with pytest.raises(DatasetError, match="registered with other content") as failure:
        register(source, slug="a", home=home)
    assert "--replace" in str(failure.value.remedy)
    assert tree(home / "datasets" / "a") == before
    second = register(source, slug="a", options=RegistrationOptions(replace=True), home=home)
    assert find_dataset("a", home) == second
    assert second.folder != first.folder
    assert (dense(read(first)["rna"]) == counts()).all()
    assert (dense(read(second)["rna"]) == counts(seed=3)).all()


def test_going_back_needs_replace_too_but_no_work(tmp_path: Path) -> None:
    home = tmp_path / "home"
    old, new = write(make_anndata(), tmp_path / "a.h5ad"), other_source(tmp_path / "b.h5ad")
    first = register(old, slug="x", home=home)
    register(new, slug="x", options=RegistrationOptions(replace=True), home=home)
    before = tree(first.folder)
    with pytest.raises(DatasetError, match="registered with other content"):
        register(old, slug="x", home=home)
    assert register(old, slug="x", options=RegistrationOptions(replace=True), home=home) == first
    assert find_dataset("x", home) == first
    assert tree(first.folder) == before


def test_other_labels_are_another_version_of_the_same_fingerprint(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = register(write(make_anndata(), tmp_path / "a.h5ad"), options=KEYS, home=home)
    data = make_anndata()
    data.obs["cell_type"] = data.obs["cell_type"].to_numpy()[::-1]
    options = RegistrationOptions(batch_key="donor", label_key="cell_type", replace=True)
    second = register(write(data, tmp_path / "b.h5ad"), slug="a", options=options, home=home)
    assert second.record.fingerprint == first.record.fingerprint
    assert second.folder.name != first.folder.name


def test_equal_content_in_another_file_is_the_same_version(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = register(write(make_anndata(), tmp_path / "a.h5ad"), home=home)
    before = tree(first.folder)
    packed = write(make_anndata(), tmp_path / "b.h5ad", compression="gzip")
    again = register(packed, slug="a", home=home)
    assert again.folder == first.folder
    assert again.record.source_name == "b.h5ad", "the record says what it was registered from"
    after = tree(first.folder)
    assert {name for name in after if after[name] != before[name]} == {"dataset.json"}


def test_notes_are_those_of_the_file_that_is_registered(tmp_path: Path) -> None:
    """Equal counts with and without proteins that can't be used: one version, two truths."""
    home, plain, more = tmp_path / "home", make_anndata(), make_anndata()
    more.obsm["protein_expression"] = pd.DataFrame(
        np.full((more.n_obs, 2), 0.5), more.obs_names, ["CD3", "CD4"]
    )
    without, with_proteins = (
        write(data, tmp_path / f"{name}.h5ad") for name, data in (("p", plain), ("m", more))
    )
    for source, expected in ((without, False), (with_proteins, True), (without, False)):
        notes = "\n".join(register(source, slug="a", home=home).record.notes)
        assert ("obsm['protein_expression'] was left out" in notes) is expected


def test_a_damaged_version_is_made_anew(tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    dataset = register(source, home=tmp_path / "home")
    dataset.record_file.chmod(0o644)
    dataset.record_file.write_text("{")
    again = register(source, home=tmp_path / "home")
    assert again.folder == dataset.folder
    assert find_dataset("a", tmp_path / "home") == again
    assert (dense(read(again)["rna"]) == counts()).all()


def leftovers(home: Path) -> list[str]:
    return [p.name for p in home.rglob("*") if p.name != "datasets" and p.suffix != ".lock"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_any_failure_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    """The failure comes when the first modality is already written."""

    def interrupt(event: Event) -> None:
        if "verified" in str(event):
            assert leftovers(tmp_path / "home")
            raise error

    source = write(make_anndata(), tmp_path / "a.h5ad")
    with pytest.raises(error):
        register(source, home=tmp_path / "home", tell=interrupt)
    assert leftovers(tmp_path / "home") == []
    assert register(source, home=tmp_path / "home").record.slug == "a"


def test_what_a_killed_registration_left_is_cleared(tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from multiverse.registry.registration import register\n"
        "register(Path(sys.argv[1]), home=Path(sys.argv[2]),"
        " tell=lambda event: os.kill(os.getpid(), signal.SIGKILL))"
    )
    home = tmp_path / "home"
    ended = subprocess.run([sys.executable, "-c", code, str(source), str(home)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [name for name in leftovers(home) if name.startswith(".new-")]
    assert list_datasets(home) == ()
    register(source, home=home)
    assert not [name for name in leftovers(home) if name.startswith(".new-")]


def test_registrations_at_the_same_time(tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    found: list[RegisteredDataset] = []
    threads = [
        threading.Thread(target=lambda: found.append(register(source, home=tmp_path / "home")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({dataset.folder for dataset in found}) == 1


def test_a_home_that_is_a_file(tmp_path: Path) -> None:
    source = write(make_anndata(), tmp_path / "a.h5ad")
    (tmp_path / "home").write_text("taken")
    with pytest.raises(ResultsError, match="can't be written") as failure:
        register(source, home=tmp_path / "home")
    assert str(tmp_path / "home") in str(failure.value)
    assert "MULTIVERSE_HOME" in str(failure.value.remedy)


def test_a_home_that_is_not_writable(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        home = Path("/proc/multiverse-home")  # root may write everywhere but here
    else:
        home = tmp_path / "home"
        home.mkdir(mode=0o555)
    source = write(make_anndata(), tmp_path / "a.h5ad")
    with pytest.raises(ResultsError, match="can't be written"):
        register(source, home=home)


FULL_DISK = """
import sys
from pathlib import Path
from multiverse.errors import DiskFull
from multiverse.registry.registration import register
home = Path(sys.argv[2])
try:
    register(Path(sys.argv[1]), home=home)
except DiskFull as error:
    assert str(home) in str(error), error
    left = [p for p in home.rglob('*') if p.name != 'datasets' and p.suffix != '.lock']
    assert not left, left
    print('disk full, nothing left')
"""


@pytest.mark.parametrize("size", ["100k", "900k", "1900k"])
def test_a_full_disk(size: str, tmp_path: Path) -> None:
    """On a real small file system, in a mount namespace of its own; 2 MiB would be enough."""
    random = np.random.default_rng(0)
    values = random.integers(1, 2**20, (2000, 300)) >> random.integers(0, 4, (2000, 1))
    source = write(make_anndata(csr_matrix(values.astype(np.float32))), tmp_path / "a.h5ad")
    home, script = tmp_path / "home", tmp_path / "script.py"
    home.mkdir()
    script.write_text(FULL_DISK)
    inside = f'mount -t tmpfs -o size={size} tmpfs "$4" && exec "$1" "$2" "$3" "$4"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh"]
    if shutil.which("unshare") is None or subprocess.run([*command[:4], "true"]).returncode:
        pytest.skip("no mount namespace can be made here")
    ended = subprocess.run(
        [*command, sys.executable, str(script), str(source), str(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount:" in ended.stderr:
        pytest.skip(f"no file system can be mounted here: {ended.stderr.strip()}")
    assert ended.stdout.strip() == "disk full, nothing left", ended.stderr
    assert ended.returncode == 0, ended.stderr
