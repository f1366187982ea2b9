"""Views of objects with steps and in other orders: read as the copy of the view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csc_matrix, csr_matrix

from multiverse.api import inspect
from multiverse.registry.objects import register_object
from tests.unit.registry.registry_sources import counts, make_anndata

VIEWS: dict[str, Any] = {
    "every other feature": np.s_[:, ::2],
    "features backwards": np.s_[:, ::-1],
    "some features with a step": np.s_[:, 1:6:3],
    "neighbours": np.s_[:, 2:5],
    "both axes with steps": np.s_[::-2, ::-3],
    "by position": np.s_[[3, 1, 2], ::2],
}


def copied(data: AnnData, view: str) -> AnnData:
    """The view as an object of its own, by one axis after the other."""
    rows, columns = VIEWS[view]
    return data[rows].copy()[:, columns].copy()


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, np.asarray])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_read_as_its_copy(view: str, kind: Any, tmp_path: Path) -> None:
    data = make_anndata(kind(counts()))
    found = register_object(data[VIEWS[view]], slug="view", home=tmp_path)
    copy = register_object(copied(data, view), slug="copy", home=tmp_path)
    assert found.record.fingerprint == copy.record.fingerprint


def test_layers_of_a_view(tmp_path: Path) -> None:
    data = make_anndata()
    data.layers["counts"] = data.X.copy()
    data.X = data.X * 0.5
    found = register_object(data[:, ::-2], slug="view", home=tmp_path)
    copy = register_object(make_anndata()[:, ::-2].copy(), slug="copy", home=tmp_path)
    assert found.record.fingerprint == copy.record.fingerprint


@pytest.mark.parametrize("view", ["every other feature", "both axes with steps"])
def test_a_view_of_a_file(view: str, tmp_path: Path) -> None:
    make_anndata().write_h5ad(tmp_path / "a.h5ad")
    backed: AnnData = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    found = register_object(backed[VIEWS[view]], slug="view", home=tmp_path)
    copy = register_object(copied(make_anndata(), view), slug="copy", home=tmp_path)
    assert found.record.fingerprint == copy.record.fingerprint


def test_a_view_is_looked_at() -> None:
    assert inspect(make_anndata()[:, ::2]).command
