"""Defaults that are not the library's are named on the model's page, with the reason."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tests.departures import as_value, check_departures, defaults, departures

MODELS = ["pca", "mofa", "multivi", "totalvi", "mowgli", "cobolt"]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_listed_is_what_is_declared(model: str) -> None:
    ours = defaults(model)
    listed = departures(model)
    assert listed
    for name, row in listed.items():
        assert as_value(row.here) == ours[name], name
        assert len(row.why) > 10


@pytest.mark.parametrize("model", MODELS)
def test_every_number_of_features_is_listed(model: str) -> None:
    """No library chooses features: a number of them is a departure from every one."""
    chosen = {name for name in defaults(model) if name.startswith("n_top_")}
    assert chosen <= departures(model).keys()


def test_mofa_departs_from_mofapy2_where_it_says() -> None:
    from mofapy2.run.entry_point import entry_point

    options: dict[str, Any] = {}
    for method in ("set_data_options", "set_model_options", "set_train_options"):
        signature = inspect.signature(getattr(entry_point, method))
        options |= {name: one.default for name, one in signature.parameters.items()}
    names = {"n_factors": "factors", "max_iterations": "iter", "elbo_frequency": "freqELBO"}
    own = {name for name in defaults("mofa") if names.get(name, name) in options}
    assert len(own) == 11, "all but the groups, which are data"
    check_departures("mofa", {name: options[names.get(name, name)] for name in own})
