"""Names and values that MLflow takes, whatever they were."""

from __future__ import annotations

import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiverse.tracking.names import MAX_NAME, MAX_PARAM, MAX_TAG, Fitted, fitting_name, storable


@pytest.mark.parametrize("name", ["loss", "score.total", "epoch/kl_z", "a b", "é", "x:y"])
def test_a_name_that_fits_stays(name: str) -> None:
    assert fitting_name(name) == name


@given(st.text(max_size=400))
def test_any_name_fits_as_mlflow_judges(name: str) -> None:
    """MLflow's own rules (its ``validate_param_and_metric_name`` and ``path_not_unique``)."""
    found = fitting_name(name)
    assert re.match(r"^[/\w.\- :]*$", found)
    assert posixpath.normpath(found) == found
    assert found != "."
    assert not found.startswith(("..", "/"))
    assert 0 < len(found) <= MAX_NAME


@pytest.mark.parametrize(
    ("one", "other"),
    [("a<b", "a>b"), ("a" * 300, "a" * 301), ("/x", "x/"), ("../x", "./x"), ("🧬", "🧫")],
)
def test_names_that_differ_stay_apart(one: str, other: str) -> None:
    assert fitting_name(one) != fitting_name(other)


def test_what_is_cut_is_said() -> None:
    fitted = Fitted()
    fitted.add_params({"long": "x" * 7000, "short": [1, None, "é"]})
    fitted.add_tags({"tag": "y" * 6000, "none": None, "empty": "", "zero": 0})
    assert len(fitted.params["long"]) == MAX_PARAM
    assert fitted.params["long"].endswith("x…")
    assert fitted.params["short"] == '[1, null, "é"]'
    assert len(fitted.tags["tag"]) == MAX_TAG
    assert set(fitted.tags) == {"tag", "zero"}
    assert fitted.cut == ["long (7,000 characters)", "tag (6,000 characters)"]


def test_a_parameter_does_not_hide_another() -> None:
    fitted = Fitted()
    fitted.add_params({"seed": 1})
    fitted.add_params({"seed": 2})
    assert fitted.params == {"seed": "1", "parameter.seed": "2"}


@given(st.text(st.characters(), max_size=50))
def test_text_can_be_stored(text: str) -> None:
    found = storable(text)
    assert "\0" not in found
    found.encode()
    assert storable(found) == found
