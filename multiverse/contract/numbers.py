"""Numbers of files that somebody else may have written: finite, and small enough to add up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

#: More than any amount is, of things or bytes, and of seconds.
_MOST, _MOST_SECONDS = 2**63 - 1, 1e11

Count = Annotated[int, Field(ge=0, le=_MOST)]
Whole = Annotated[int, Field(ge=-_MOST, le=_MOST)]
Seconds = Annotated[float, Field(ge=0, le=_MOST_SECONDS, allow_inf_nan=False)]
Amount = Count | Annotated[float, Field(ge=0, le=_MOST, allow_inf_nan=False)]
#: Neither infinite, nor so large that sums and squares of it are.
Finite = Annotated[float, Field(ge=-1e100, le=1e100, allow_inf_nan=False)]
