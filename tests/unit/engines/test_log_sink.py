"""Logs are bounded on disk, keep their end, and can't command the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from multiverse.engines.log_sink import TAIL_BYTES, LogSink, last_lines, printable


def test_a_short_log_is_copied_and_echoed(tmp_path: Path) -> None:
    seen: list[bytes] = []
    LogSink(tmp_path / "log", seen.append).copy(iter([b"a\n", b"b\n"]))
    assert (tmp_path / "log").read_bytes() == b"a\nb\n" == b"".join(seen)


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        for number in range(20_000):
            yield f"line {number}\n".encode() * 10
        yield b"the end\n"

    LogSink(tmp_path / "log", max_bytes=1000).copy(chunks())
    content = (tmp_path / "log").read_bytes()
    assert content.startswith(b"line 0\n")
    assert b"bytes left out" in content
    assert content.endswith(b"the end\n")
    assert len(content) < 1000 + TAIL_BYTES + 200
    assert last_lines(tmp_path / "log", 1) == ["the end"]


def test_last_lines_are_safe_to_print(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\x1b[2Jgone\x07\n\n\xff\xfe\n")
    lines = last_lines(tmp_path / "log", 5)
    assert all(line.isprintable() for line in lines)
    assert "gone" in lines[0]
    assert last_lines(tmp_path / "missing") == []


def test_printable() -> None:
    assert printable("a\tb\x1b[31m\u202ec") == "a b [31m c"
