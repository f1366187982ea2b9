"""A GPU that was asked for is used, or the job fails; mofapy2 itself would only print a warning."""

from __future__ import annotations

import importlib

from multiverse.errors import MultiverseError

REMEDY = "Ask for device cpu, or use an image with CuPy on a machine with an NVIDIA GPU."


def gpu_index(device: str) -> int | None:
    """Return the number of the GPU: ``cuda:1`` → 1, ``cuda`` → 0, ``cpu`` → None.

    Raises MultiverseError if CuPy, its driver or that GPU is not there.
    """
    if device == "cpu":
        return None
    index = int(device.partition(":")[2] or 0)
    try:
        cupy = importlib.import_module("cupy")
        count = int(cupy.cuda.runtime.getDeviceCount())
    except ImportError as error:
        raise MultiverseError(
            f"the device {device} was asked for, but CuPy is not installed", remedy=REMEDY
        ) from error
    except Exception as error:  # CuPy's own kinds of error can't be named without it
        raise MultiverseError(
            f"the device {device} was asked for, but there is no usable GPU: {error}", remedy=REMEDY
        ) from error
    if index >= count:
        raise MultiverseError(
            f"the device {device} was asked for, but there are {count} GPUs", remedy=REMEDY
        )
    return index
