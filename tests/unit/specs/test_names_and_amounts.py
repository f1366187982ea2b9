"""Slugs, amounts of memory and time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiverse.specs.names import check_slug, make_slug
from multiverse.specs.quantity import (
    format_bytes,
    format_seconds,
    parse_bytes,
    parse_room,
    parse_seconds,
)


@pytest.mark.parametrize("slug", ["pbmc", "a", "0x", "my_data-2.1", "a" * 64])
def test_slugs(slug: str) -> None:
    assert check_slug(slug) == slug


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "../x",
        "a/b",
        "a b",
        "'a'; echo x",
        '"a"',
        "A",
        ".hidden",
        "-rf",
        "a..b",
        "a" * 300,
        "ä",
        "a\n",
    ],
)
def test_not_slugs(slug: str) -> None:
    with pytest.raises(ValueError, match="is not a slug"):
        check_slug(slug)


@given(st.text())
def test_a_slug_can_be_made_of_any_text(text: str) -> None:
    assert check_slug(make_slug(text))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8GiB", 8 * 1024**3),
        ("500MB", 500_000_000),
        ("1.5 g", 1_500_000_000),
        (8_589_934_592, 8_589_934_592),
        ("8589934592 B", 8_589_934_592),
        ("2ki", 2048),
    ],
)
def test_bytes(text: object, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(("text", "amount"), [("2h", 7200), ("90s", 90), ("30min", 1800), (5, 5)])
def test_seconds(text: object, amount: int) -> None:
    assert parse_seconds(text) == amount


@pytest.mark.parametrize("text", ["", "lots", "-1GiB", "0", "1 elephant", True, None, "1e9"])
def test_no_amounts(text: object) -> None:
    with pytest.raises(ValueError, match=r"not an amount|more than nothing"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("8", "8GiB"),
        (" 1.5 ", "1.5GiB"),
        ("8192", "8192MB"),
        ("8589934592", "8589934592B"),
        (8, "8GiB"),
        (0.5, None),
        (64_000, "64000MB"),
    ],
)
def test_a_number_without_a_unit(given: object, meant: str | None) -> None:
    with pytest.raises(ValueError, match=r"has no unit: write|more than nothing") as refused:
        parse_room(given)
    if meant is not None:
        written = str(refused.value).partition("write ")[2].partition(" ")[0]
        assert written == meant
        assert parse_room(written) >= 10**9, "what it says to write is taken"


@given(st.integers(min_value=1, max_value=2**50))
def test_formatted_amounts_are_about_right(amount: int) -> None:
    assert parse_bytes(format_bytes(amount)) == pytest.approx(amount, rel=0.06, abs=60)


def test_formatted_times() -> None:
    assert [format_seconds(s) for s in (0.24, 75.2, 7260)] == ["0.2s", "1m 15s", "2h 01m"]
