"""The page says where the defaults are not those of the installed library."""

from __future__ import annotations

import inspect

import scvi

from tests.departures import check_departures, defaults

#: Not an argument: ``MULTIVI.train`` has it as a number in its code.
PATIENCE = "early_stopping_patience"


def test_defaults_depart_from_the_library_where_the_page_says() -> None:
    library = {
        name: parameter.default
        for method in (scvi.model.MULTIVI.__init__, scvi.model.MULTIVI.train)
        for name, parameter in inspect.signature(method).parameters.items()
        if name in defaults("multivi")
    }
    rest = defaults("multivi").keys() - library.keys()
    assert rest == {
        PATIENCE, "use_adt", "min_cells", "n_top_genes", "min_peak_share", "n_top_peaks",
    }  # fmt: skip
    check_departures("multivi", library)
    patience = defaults("multivi")[PATIENCE]
    assert f"{PATIENCE}={patience}" in inspect.getsource(scvi.model.MULTIVI.train)
