"""``umap.png``: a picture of the latent space. It may fail; the embedding may not be lost by it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multiverse.contract.files import write_aside, written_aside
from multiverse.worker import umap_layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: More cells than this are not laid out; a seeded sample of that size is.
MAX_CELLS = 50_000
#: Okabe and Ito's colours, told apart with any common kind of colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
ONE_COLOUR = COLOURS[0]


@dataclass(frozen=True)
class Caption:
    """The caption of a picture."""

    model: str
    dataset: str
    n_cells: int


def write_picture(
    path: Path,
    latent: NDArray[np.float32],
    batch: NDArray[np.str_] | None,
    caption: Caption,
    *,
    seed: int,
    log: Logger,
) -> None:
    """Lay the cells out by UMAP and draw them, coloured by batch.

    ``latent`` is (n_cells, n_dims), ``batch`` (n_cells,) or None.

    Where UMAP can't (few cells, a broken library), the first two dimensions are drawn and the
    title says so. Where matplotlib can't, a bare raster of the same points is written. Both
    are logged. Only a failure to write the file itself raises (OSError).
    """
    import numpy as np

    n_cells = len(latent)
    if n_cells > MAX_CELLS:
        shown = np.sort(np.random.default_rng(seed).choice(n_cells, MAX_CELLS, replace=False))
        log.info("The picture shows %s of %s cells.", f"{MAX_CELLS:,}", f"{n_cells:,}")
        latent, batch = latent[shown], None if batch is None else batch[shown]
    points, axes = _place(latent, seed, log)
    try:
        with written_aside(path) as aside:
            _draw(aside, points, batch, _title(caption, len(points), axes), axes, seed)
    except Exception as error:
        log.warning("The picture is a bare raster, because drawing failed: %r", error)
        write_aside(path, _raster(points))


def _place(latent: NDArray[np.float32], seed: int, log: Logger) -> tuple[NDArray[Any], str]:
    """Return two coordinates for each cell, and the name of their axes."""
    import numpy as np

    try:
        points = umap_layout.layout(latent, seed=seed)
        if not np.isfinite(points).all():
            raise ValueError("the layout has infinite coordinates")
    except Exception as error:
        log.warning("The picture shows the first two dimensions, because UMAP failed: %s", error)
        padded = np.hstack([latent, np.zeros((len(latent), 1), dtype=latent.dtype)])
        return padded[:, :2], "Dimension"
    return points, "UMAP"


def _title(caption: Caption, n_shown: int, axes: str) -> str:
    cells = f"{caption.n_cells:,} cells"
    if n_shown < caption.n_cells:
        cells = f"{n_shown:,} of {cells}"
    note = "" if axes == "UMAP" else "\nno UMAP: the first two dimensions of the latent space"
    return f"{caption.model} on {caption.dataset} ({cells}){note}"


def _draw(
    path: Path,
    points: NDArray[Any],
    batch: NDArray[np.str_] | None,
    title: str,
    axes: str,
    seed: int,
) -> None:
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 5.4), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    plot = figure.add_subplot()
    # Mixed, so that no batch hides another by being drawn last.
    order = np.random.default_rng(seed).permutation(len(points))
    colours = _colours(plot, batch)
    plot.scatter(
        points[order, 0],
        points[order, 1],
        s=float(np.clip(12_000 / max(len(points), 1), 1.0, 20.0)),
        c=colours if isinstance(colours, str) else colours[order],
        linewidths=0,
        alpha=0.8,
        rasterized=True,
    )
    plot.set_title(title.replace("$", r"\$"), fontsize=10)
    plot.set_xlabel(f"{axes} 1")
    plot.set_ylabel(f"{axes} 2")
    plot.set_xticks([])
    plot.set_yticks([])
    plot.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="png", metadata={"Software": "multiverse"})


def _colours(plot: Any, batch: NDArray[np.str_] | None) -> Any:
    """Return a colour for each cell, and draw the legend; one colour for unknown batches."""
    import numpy as np

    if batch is None:
        return ONE_COLOUR
    names, numbers = np.unique(batch, return_inverse=True)
    if len(names) > len(COLOURS):
        from matplotlib import colormaps

        palette = colormaps["cividis"](np.linspace(0, 1, len(names)))
    else:
        from matplotlib.colors import to_rgba_array

        palette = to_rgba_array(list(COLOURS[: len(names)]))
    if len(names) <= 20:
        for name, colour in zip(names, palette, strict=True):
            shown = str(name)[:30].replace("$", r"\$")
            plot.scatter([], [], color=[colour], s=20, label=shown)
        plot.legend(title="batch", fontsize=7, title_fontsize=8, frameon=False, loc="best")
    return palette[numbers]


def _raster(points: NDArray[Any], side: int = 400) -> bytes:
    """Return a grey PNG of the points, without title or axes, made without any library."""
    import numpy as np

    low = points.min(axis=0)
    span = np.maximum(points.max(axis=0) - low, 1e-12)
    places = np.clip((points - low) / span * (side - 1), 0, side - 1).astype(int)
    image = np.full((side, side), 255, dtype=np.uint8)
    image[side - 1 - places[:, 1], places[:, 0]] = 40
    rows = np.hstack([np.zeros((side, 1), dtype=np.uint8), image])  # filter 0 before each row

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes()))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")
