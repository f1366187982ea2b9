"""Verification of a results folder: every published file against its recorded checksum.

May import contract, plan and runs.
"""

from typing import TYPE_CHECKING

from multiverse.lazy import lazily

if TYPE_CHECKING:
    from multiverse.verify.verify import Verification
else:
    __getattr__ = lazily(__name__, verify="Verification")

__all__ = ["Verification"]
