"""The page says where the defaults are not those of the installed library."""

from __future__ import annotations

import inspect

import scvi
from scvi.model._utils import get_max_epochs_heuristic
from scvi.train import Trainer

from tests.departures import check_departures, defaults


def test_defaults_depart_from_the_library_where_the_page_says() -> None:
    model = scvi.model.TOTALVI
    library = {
        name: parameter.default
        for method in (Trainer.__init__, model._module_cls.__init__, model.__init__, model.train)
        for name, parameter in inspect.signature(method).parameters.items()
        if name in defaults("totalvi")
    }
    rest = defaults("totalvi").keys() - library.keys()
    assert rest == {"min_cells", "n_top_genes"}
    check_departures("totalvi", library)


def test_the_limit_of_epochs_is_the_librarys_up_to_20_000_cells() -> None:
    ours = defaults("totalvi")["max_epochs"]
    assert get_max_epochs_heuristic(500) == get_max_epochs_heuristic(20_000) == ours == 400
    assert get_max_epochs_heuristic(80_000) == 8_000_000 / 80_000
