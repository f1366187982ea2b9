"""What a complete output is: every finding by name, all at once."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from multiverse.contract import CellNames, FindingKind, check_output, read_libraries, read_warnings
from multiverse.contract.child_check import EXAMINER
from multiverse.contract.embeddings import check_embeddings
from multiverse.contract.output import PNG_SIGNATURE

CELLS = CellNames(("a", "b", "c", "d"))
LATENT = np.arange(8, dtype=np.float32).reshape(4, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete output."""
    write_embeddings(tmp_path, LATENT, CELLS.names)
    (tmp_path / "metrics.json").write_text('{"model_metrics": {"x": 1}, "history": {"l": [1, 2]}}')
    (tmp_path / "umap.png").write_bytes(picture(1, 1))
    (tmp_path / "run.log").write_text("done\n")
    return tmp_path


def picture(width: int, height: int) -> bytes:
    """The frame of a PNG picture that declares so many pixels."""
    header = struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, 8, 0, 0, 0, 0, 0)
    return PNG_SIGNATURE + header + b"\0\0\0\0IEND\xaeB`\x82"


def write_embeddings(folder: Path, latent: object, names: object) -> None:
    with h5py.File(folder / "embeddings.h5", "w") as file:
        file["latent"] = latent
        file["obs_names"] = names


def kinds(folder: Path) -> set[FindingKind]:
    return {finding.kind for finding in check_output(folder, CELLS)}


def test_complete_output_has_no_finding(folder: Path) -> None:
    assert check_output(folder, CELLS) == []


def test_all_findings_are_reported_at_once(tmp_path: Path) -> None:
    findings = check_output(tmp_path, CELLS)
    assert {finding.file for finding in findings} == {
        "embeddings.h5", "metrics.json", "umap.png", "run.log",
    }  # fmt: skip
    assert {finding.kind for finding in findings} == {FindingKind.MISSING}


@pytest.mark.parametrize(
    ("latent", "kind"),
    [
        (LATENT[:3], FindingKind.WRONG_SHAPE),
        (LATENT[:, 0], FindingKind.WRONG_SHAPE),
        (np.empty((4, 0), np.float32), FindingKind.WRONG_SHAPE),
        (LATENT.astype(int), FindingKind.WRONG_TYPE),
        (np.where(LATENT == 3, np.nan, LATENT), FindingKind.NOT_FINITE),
        (np.where(LATENT == 3, np.inf, LATENT), FindingKind.NOT_FINITE),
        (np.ones((4, 2), np.float32), FindingKind.CONSTANT),
        (LATENT.astype(np.longdouble), FindingKind.WRONG_TYPE),
        (LATENT.astype(np.complex64), FindingKind.WRONG_TYPE),
    ],
)
def test_bad_latent(folder: Path, latent: np.ndarray, kind: FindingKind) -> None:
    write_embeddings(folder, latent, CELLS.names)
    assert kinds(folder) == {kind}


@pytest.mark.parametrize("kind", [">f2", "<f2", ">f4", "<f4", ">f8", "<f8"])
def test_floats_of_either_byte_order(folder: Path, kind: str) -> None:
    write_embeddings(folder, LATENT.astype(kind), CELLS.names)
    assert kinds(folder) == set()


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a", "b", "d", "c"], FindingKind.WRONG_ORDER),
        (["a", "b", "c", "x"], FindingKind.WRONG_CELLS),
        (["a", "b", "c", "c"], FindingKind.WRONG_CELLS),
        (["a", "b", "c"], FindingKind.WRONG_CELLS),
        ([1, 2, 3, 4], FindingKind.WRONG_TYPE),
    ],
)
def test_bad_names(folder: Path, names: list[object], kind: FindingKind) -> None:
    write_embeddings(folder, LATENT, names)
    assert kinds(folder) == {kind}


@pytest.mark.parametrize("name", ["embeddings.h5", "metrics.json", "umap.png", "run.log"])
def test_only_regular_files_of_the_folder_count(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    outside = tmp_path_factory.mktemp("outside") / name
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    assert kinds(folder) == {FindingKind.NOT_A_FILE}
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert kinds(folder) == {FindingKind.NOT_A_FILE}
    (folder / name).unlink()
    (folder / name).mkdir()
    assert kinds(folder) == {FindingKind.NOT_A_FILE}
    (folder / name).rmdir()
    os.link(outside, folder / name)
    assert kinds(folder) == {FindingKind.NOT_A_FILE}


def test_epochs_are_optional_but_must_be_a_file(folder: Path) -> None:
    os.mkfifo(folder / "metrics.jsonl")
    assert kinds(folder) == {FindingKind.NOT_A_FILE}


def test_links_inside_hdf5_are_not_followed(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["latent"] = LATENT
    for link in (h5py.ExternalLink(str(other), "latent"), h5py.SoftLink("/obs_names")):
        with h5py.File(folder / "embeddings.h5", "r+") as file:
            del file["latent"]
            file["latent"] = link
        assert kinds(folder) == {FindingKind.UNREADABLE}


def test_virtual_and_external_storage_are_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(LATENT.tobytes())
    with h5py.File(folder / "embeddings.h5", "r+") as file:
        del file["latent"]
        file.create_dataset(
            "latent", LATENT.shape, "f4", external=[(str(tmp_path / "raw"), 0, LATENT.nbytes)]
        )
    assert kinds(folder) == {FindingKind.UNREADABLE}


def test_a_giant_declared_shape_is_not_read(folder: Path) -> None:
    with h5py.File(folder / "embeddings.h5", "r+") as file:
        del file["latent"]
        file.create_dataset("latent", (2**40, 2**20), "f4", chunks=(1024, 1024))
    assert kinds(folder) == {FindingKind.UNREADABLE}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("{nope", FindingKind.UNREADABLE),
        ("[]", FindingKind.WRONG_TYPE),
        ('{"model_metrics": {}}', FindingKind.WRONG_TYPE),
        ('{"model_metrics": {"x": NaN}, "history": {}}', FindingKind.NOT_FINITE),
        ('{"model_metrics": {"x": "1"}, "history": {}}', FindingKind.WRONG_TYPE),
        ('{"model_metrics": {"x": true}, "history": {}}', FindingKind.WRONG_TYPE),
        ('{"model_metrics": {}, "history": {"l": [1, Infinity]}}', FindingKind.NOT_FINITE),
        ('{"model_metrics": {}, "history": {"l": 3}}', FindingKind.WRONG_TYPE),
        ("[" * 100_000, FindingKind.UNREADABLE),
    ],
)
def test_bad_metrics(folder: Path, content: str, kind: FindingKind) -> None:
    (folder / "metrics.json").write_text(content)
    assert kinds(folder) == {kind}


def test_further_keys_of_metrics_are_allowed(folder: Path) -> None:
    content = {"model_metrics": {}, "history": {}, "settings": {"threads": 1}}
    (folder / "metrics.json").write_text(json.dumps(content))
    assert check_output(folder, CELLS) == []


@pytest.mark.parametrize("axis", [{"per": "factor"}, {"per": "iteration", "at": [1, 6], "x": 1}])
def test_the_axis_of_a_history_may_be_told(folder: Path, axis: object) -> None:
    content = {"model_metrics": {}, "history": {"l": [1, 2]}, "history_axes": {"l": axis}}
    (folder / "metrics.json").write_text(json.dumps(content))
    assert check_output(folder, CELLS) == []


@pytest.mark.parametrize(
    ("axes", "kind", "message"),
    [
        ([], FindingKind.WRONG_TYPE, "'history_axes' is not an object"),
        ({"m": {"per": "factor"}}, FindingKind.WRONG_TYPE, "history_axes['m'] is the axis of no"),
        ({"l": "factor"}, FindingKind.WRONG_TYPE, "has no word in 'per'"),
        ({"l": {"per": ""}}, FindingKind.WRONG_TYPE, "has no word in 'per'"),
        ({"l": {"per": "x" * 41}}, FindingKind.WRONG_TYPE, "has no word in 'per'"),
        ({"l": {"per": "a\nb"}}, FindingKind.WRONG_TYPE, "has no word in 'per'"),
        ({"l": {"per": "step", "at": 3}}, FindingKind.WRONG_TYPE, "not a list of whole numbers"),
        ({"l": {"per": "step", "at": [1, 2.5]}}, FindingKind.WRONG_TYPE, "whole numbers"),
        ({"l": {"per": "step", "at": [True, 2]}}, FindingKind.WRONG_TYPE, "whole numbers"),
        ({"l": {"per": "step", "at": [-1, 2]}}, FindingKind.WRONG_TYPE, "from 0 to"),
        ({"l": {"per": "step", "at": [1, 10**13]}}, FindingKind.WRONG_TYPE, "from 0 to"),
        ({"l": {"per": "step", "at": [1]}}, FindingKind.WRONG_SHAPE, "1 numbers for 2 values"),
    ],
)
def test_a_bad_axis_is_a_finding(
    folder: Path, axes: object, kind: FindingKind, message: str
) -> None:
    content = {"model_metrics": {}, "history": {"l": [1, 2]}, "history_axes": axes}
    (folder / "metrics.json").write_text(json.dumps(content))
    (finding,) = check_output(folder, CELLS)
    assert finding.kind is kind
    assert message in finding.message


def test_metrics_that_mean_two_things(folder: Path) -> None:
    text = '{"model_metrics": {"x": 1, "x": 2}, "history": {}}'
    (folder / "metrics.json").write_text(text)
    (finding,) = check_output(folder, CELLS)
    assert finding.kind is FindingKind.UNREADABLE
    assert "'x' is there more than once" in finding.message


def test_a_small_file_that_becomes_gigabytes_is_not_parsed(folder: Path) -> None:
    (folder / "metrics.json").write_text("[" + "[]," * 2_000_000 + "[]]")
    (finding,) = check_output(folder, CELLS)
    assert "holds about 4,000,002 values" in finding.message
    assert read_warnings(folder) == ()


@pytest.mark.parametrize("part", ["model_metrics", "history"])
def test_a_million_names_and_long_ones(folder: Path, part: str) -> None:
    whole: dict[str, dict[str, object]] = {"model_metrics": {}, "history": {}}
    whole[part] = {f"m{number}": [1] for number in range(100_000)}
    (folder / "metrics.json").write_text(json.dumps(whole))
    (finding,) = check_output(folder, CELLS)
    assert finding.message == f"'{part}' has 100,000 names (at most 1,000)"
    whole[part] = {"n" * 1_000_000: [1]}
    (folder / "metrics.json").write_text(json.dumps(whole))
    (finding,) = check_output(folder, CELLS)
    assert "a name of 1,000,000 characters" in finding.message


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (0, 1), (30_000, 1)])
def test_pictures_that_declare_absurd_sizes(folder: Path, width: int, height: int) -> None:
    (folder / "umap.png").write_bytes(picture(width, height))
    (finding,) = check_output(folder, CELLS)
    assert finding.message == f"declares {width:,} × {height:,} pixels (1 to 20,000 a side)"


def test_a_chunk_that_unpacks_to_gigabytes_is_not_read(folder: Path) -> None:
    with h5py.File(folder / "embeddings.h5", "r+") as file:
        del file["latent"]
        made = file.create_dataset(
            "latent", (4, 2), "f4", chunks=(2**15, 2**14), maxshape=(None, None),
            compression="gzip",
        )  # fmt: skip
        assert made.chunks == (2**15, 2**14)
    (finding,) = check_output(folder, CELLS)
    assert "latent is stored in chunks of 2,147,483,648 bytes" in finding.message


def test_a_file_that_needs_too_much_memory_ends_only_its_own_check(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has one chunk of half a gigabyte, more than there is."""
    names = CellNames(tuple(f"cell{number}" for number in range(13_000)))
    shape = (len(names), 10_000)
    with h5py.File(folder / "embeddings.h5", "w") as file:
        latent = file.create_dataset("latent", shape, "f4", chunks=shape, compression="gzip")
        latent.id.write_direct_chunk((0, 0), zlib.compress(bytes(4 * shape[0] * shape[1]), 1))
        file["obs_names"] = names.names
    with monkeypatch.context() as patched:
        patched.setattr("multiverse.contract.child_check.MEMORY_BYTES", 2**29)
        (finding,) = check_output(folder, names)
    assert finding.kind is FindingKind.UNREADABLE
    assert "memory" in finding.message or "filter returned failure" in finding.message
    (finding,) = check_output(folder, names)
    assert finding.kind is FindingKind.CONSTANT


def test_a_child_of_this_process_has_its_own(folder: Path) -> None:
    """Two processes on the same pipes would take each other's answers."""
    assert check_output(folder, CELLS) == []
    mine = EXAMINER._process
    assert mine is not None
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        found = check_output(folder, CELLS)
        other = EXAMINER._process
        os.write(writer, b"1" if found == [] and other is not None and other is not mine else b"0")
        os._exit(0)
    answer = os.read(reader, 1)
    os.waitpid(child, 0)
    assert answer == b"1"
    assert check_output(folder, CELLS) == []
    assert EXAMINER._process is mine
    assert mine.poll() is None


@pytest.mark.parametrize("content", [b"hello", PNG_SIGNATURE + b"cut off in the middle"])
def test_bad_picture(folder: Path, content: bytes) -> None:
    (folder / "umap.png").write_bytes(content)
    assert kinds(folder) == {FindingKind.UNREADABLE}


def test_a_file_that_is_no_hdf5(folder: Path) -> None:
    (folder / "embeddings.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(range(256)))
    assert kinds(folder) == {FindingKind.UNREADABLE}


def test_numbers_beyond_a_double_are_a_finding(folder: Path) -> None:
    (folder / "metrics.json").write_text(
        '{"model_metrics": {"x": 1' + "0" * 400 + '}, "history": {}}'
    )
    assert kinds(folder) == {FindingKind.NOT_FINITE}


def test_a_million_problems_are_a_few_findings(folder: Path) -> None:
    content = {f"{'n' * 150}{number}": "x" for number in range(1000)}
    (folder / "metrics.json").write_text(json.dumps({"model_metrics": content, "history": {}}))
    findings = check_output(folder, CELLS)
    assert 2 < len(findings) < 20
    assert "more" in findings[-1].message
    assert all(len(finding.message) < 600 for finding in findings)


def test_giant_names_are_not_read(folder: Path) -> None:
    with h5py.File(folder / "embeddings.h5", "r+") as file:
        del file["obs_names"]
        file.create_dataset("obs_names", (4,), "S2000000000", chunks=(1,))
    assert kinds(folder) == {FindingKind.UNREADABLE}


def test_a_type_that_numpy_does_not_know_is_a_finding(folder: Path) -> None:
    with h5py.File(folder / "embeddings.h5", "r+") as file:
        del file["latent"]
        space = h5py.h5s.create_simple((4, 2))
        h5py.h5d.create(file.id, b"latent", h5py.h5t.UNIX_D64LE, space)
    assert kinds(folder) == {FindingKind.UNREADABLE}


def test_blocks_are_all_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multiverse.contract.embeddings.BLOCK_BYTES", 8)
    path = folder / "embeddings.h5"
    assert check_embeddings(path, CELLS.names) == []
    spoilt = LATENT.copy()
    spoilt[3, 1] = np.nan
    write_embeddings(folder, spoilt, CELLS.names)
    ((_, message),) = check_embeddings(path, CELLS.names)
    assert "1 of 4 cells, first in row 3" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"warnings": ["fit collapsed", "two\\nlines"]}', ("fit collapsed", "two lines")),
        ('{"warnings": [1, {"a": 2}, "kept"]}', ("kept",)),
        ('{"warnings": "no list"}', ()),
        ("[]", ()),
        ("{", ()),
        ('{"warnings": ["a\\u001b[31mb\\u202ec\\ud800d"]}', ("a [31mb c d",)),
    ],
)
def test_warnings_of_a_model(tmp_path: Path, content: str, expected: tuple[str, ...]) -> None:
    (tmp_path / "metrics.json").write_text(content)
    assert read_warnings(tmp_path) == expected


def test_warnings_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"warnings": ["x" * 10_000] * 1000}))
    found = read_warnings(tmp_path)
    assert len(found) == 20
    assert {len(text) for text in found} == {500}
    assert read_warnings(tmp_path / "absent") == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"libraries": {"scvi-tools": "1.4.2"}}', {"scvi-tools": "1.4.2"}),
        ('{"libraries": {"a\\nb": "1\\u001b[2J", "c": 2, "d": null}}', {"a b": "1 [2J"}),
        ('{"libraries": ["mofapy2"]}', {}),
        ("{}", {}),
        ("{", {}),
    ],
)
def test_libraries_of_a_model(tmp_path: Path, content: str, expected: dict[str, str]) -> None:
    (tmp_path / "metrics.json").write_text(content)
    assert read_libraries(tmp_path) == expected


def test_libraries_are_bounded(tmp_path: Path) -> None:
    many = {f"{number:05}" * 100: "1" * 1000 for number in range(1000)}
    (tmp_path / "metrics.json").write_text(json.dumps({"libraries": many}))
    found = read_libraries(tmp_path)
    assert len(found) == 10
    assert {len(text) for pair in found.items() for text in pair} == {60}
    assert read_libraries(tmp_path / "absent") == {}
