"""What a Posterior looks like: one figure, and a table in notebooks."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from womble.arguments import checked
from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    from womble.grid import Grid
    from womble.transect import Transect

# Enough for a figure: Monte Carlo error of an sd about 4%.
FIGURE_SAMPLES = 300


class Display(Fitted):
    """The methods of a Posterior that show it."""

    @checked
    def plot(
        self,
        grid: Grid | Transect | None = None,
        *,
        ax: np.ndarray | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> np.ndarray:
        """One figure of everything: data, value, slope, and boundaries; on a line the two curves.

        Parameters
        ----------
        grid : Grid or Transect, optional
            As in `surface`.
        ax : array of matplotlib Axes, optional
            Of shape (2, 2); on a line (2,).
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        array of matplotlib Axes

        Raises
        ------
        ValueError
            If the data have more than two coordinates, or the grid or `ax` does not suit them.
        """
        from womble import plot

        rng = np.random.default_rng(rng)
        samples = FIGURE_SAMPLES if self.given else min(FIGURE_SAMPLES, self._count)
        options = {"rng": rng, "progress": progress}
        ds = self.surface(grid, samples=samples, rule="fdr", **options)
        find = self.change_points if self._dimension == 1 else self.boundaries
        return plot.overview(self, ds, find(grid, **options), ax=ax)

    def _repr_html_(self) -> str:
        """Model, engine and hyperparameters as a table, for notebooks."""
        data, table = self.data, self.summary()
        title = f"{type(self).__name__} of {data.field_name()}, n = {data.count:,}"
        facts = {
            "kernel": f"{self.kernel!r}{', anisotropic' if self.layout.anisotropic else ''}",
            "trend": self.trend,
            "likelihood": "gaussian" if data.response is None else data.response.described,
            "engine": self.engine,
            "inference": self.inference,
        }
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(fact)}</td></tr>"
            for name, fact in facts.items()
        )
        shown = table.drop(columns=["r_hat", "ess_bulk", "ess_tail"] if self.given else [])
        return (
            f"<div><b>{escape(title)}</b><table>{rows}</table>"
            f"{shown.to_html(float_format='{:.4g}'.format, na_rep='')}</div>"
        )
