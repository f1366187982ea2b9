"""The page says where the defaults are not those of the installed library."""

from __future__ import annotations

import inspect
from typing import Any

from mowgli.models import MowgliModel

from tests.departures import check_departures, defaults

NAMES = {"latent_dimensions": "latent_dim", "optimizer": "optim_name"}


def test_defaults_depart_from_the_library_where_the_page_says() -> None:
    options: dict[str, Any] = {}
    for method in (MowgliModel.__init__, MowgliModel.train):
        signature = inspect.signature(method)
        options |= {name: one.default for name, one in signature.parameters.items()}
    options |= {f"h_{name}": value for name, value in options["h_regularization"].items()}
    options["dtype"] = str(options["dtype"]).removeprefix("torch.")
    library = {
        name: options[NAMES.get(name, name)]
        for name in defaults("mowgli")
        if NAMES.get(name, name) in options
    }
    rest = defaults("mowgli").keys() - library.keys()
    assert rest == {"min_cells", "n_top_genes", "n_top_peaks", "target_sum"}
    check_departures("mowgli", library)
