"""Figures and coloured rasters as data URIs, the same bytes for the same figure."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np

from womble.arrays import FloatArray
from womble.reporting.content import Figure

# Dots per inch: 6 inches are 720 pixels, two for one on a phone.
RESOLUTION = 120


def figure(draw: Callable[[], Any], caption: str, source: str, *, wide: bool = False) -> Figure:
    """The figure that `draw` makes (it returns Axes, or an array of them).

    Parameters
    ----------
    caption, source : str
        What it shows; the file with its numbers.
    wide : bool
        Whether it takes the page's whole width.
    """
    from matplotlib import pyplot as plt

    # Users' own style sheets would change the figures, and interactive pyplot opens windows.
    with plt.style.context("default"), plt.ioff():
        axes = draw()
        one = np.ravel(axes)[0].figure
        held = BytesIO()
        options = {"optimize": True}
        one.savefig(
            held,
            format="png",
            dpi=RESOLUTION,
            bbox_inches="tight",
            metadata={"Software": None},
            pil_kwargs=options,
        )
        plt.close(one)
    return Figure(_uri(held.getvalue()), caption, source, wide)


def raster(values: FloatArray, signed: bool) -> str:
    """A field (ny, nx), the first row at the top, in colours; transparent where it is NaN."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.image import imsave

    from womble.plot import style

    colours = style.colours(values[np.isfinite(values)], signed)
    pixels = ScalarMappable(**colours).to_rgba(np.ma.masked_invalid(values), bytes=True)
    pixels[~np.isfinite(values), 3] = 0
    held = BytesIO()
    imsave(held, pixels, format="png", metadata={"Software": None})
    return _uri(held.getvalue())


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
