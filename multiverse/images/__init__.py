"""Builds a model's image and its locked environment.

May import contract, specs and exclusive. ``build`` makes images through a Docker command-line
client with BuildKit; ``environment`` makes the locked environment of the embedded engine with uv.
Both take the SDK from ``sdk``, so that a container and an environment run the same files.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.images.build import BuiltImage
else:
    __getattr__ = lazily(
        __name__,
        build="BuiltImage",
    )

__all__ = ["BuiltImage"]
