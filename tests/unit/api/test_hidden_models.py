"""In Python too, a model that stands for a built-in one is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from multiverse.api import preview

TEXT = "name: pca\nversion: 1.0.0\ntitle: t\nimage: mine\nmodalities: {optional: [rna]}\n"


def test_a_fork_of_a_built_in_model_is_warned_of(small_h5ad: Path, tmp_path: Path) -> None:
    fork = tmp_path / "models" / "pca"
    fork.mkdir(parents=True)
    (fork / "model.yaml").write_text(TEXT)
    said: list[str] = []
    with pytest.warns(RuntimeWarning, match=r"pca is the model in .*, not the built-in pca"):
        preview("pca", small_h5ad, tmp_path / "out", engine="local", models_dirs=[fork.parent],
                tell=lambda event: said.append(str(event)))  # fmt: skip
    assert [line for line in said if f"pca is the model in {fork}" in line]
