"""Answers from posterior paths: boundaries of every draw, and where they pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from womble.arguments import checked
from womble.engines.base import Target
from womble.feature import Feature, Kind
from womble.grid import Grid
from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    import geopandas as gpd

    from womble.mean_field import MeanField


class Draws(Fitted):
    """The methods of a Posterior that search its paths for lines."""

    @checked
    def boundary_draws(
        self,
        grid: Grid | None = None,
        *,
        kind: Kind = "gradient",
        levels: Sequence[float] | None = None,
        min_length: float | None = None,
        samples: int | None = None,
        target: Target = "surface",
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """The boundaries of each posterior draw of the field, on the link scale.

        `gradient`: the crests of the mean, however prominent, moved across to where the draw is
        steepest; a draw has no line where it is steepest at the end of the profile. Other kinds:
        lines of the draw itself, found on the grid.

        Parameters
        ----------
        grid, kind, levels, min_length, target
            As in `boundaries`.
        samples : int, optional
            Number of draws; None takes 200, or all if there are fewer.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        GeoDataFrame
            draw; line_id (within the draw); kind; level; length; geometry. A draw without a line
            has no row: `attrs["womble"]["samples"]` is the number of draws.

        Raises
        ------
        ValueError
            If an argument is out of range or the kernel is too rough for the kind.
        """
        from womble.boundary_draws import lines_of_draws
        from womble.vector import draws_frame

        rng = np.random.default_rng(rng)
        mean, kinds, settings = self._search(grid, kind, levels, target, samples, rng, progress)
        settings["min_length"] = self._shortest(min_length)
        domain = self._box(mean.grid)
        drawn = lines_of_draws(mean, kinds, domain, min_length=settings["min_length"], rng=rng)
        return draws_frame(drawn, self.data, settings)

    @checked
    def boundary_probability(
        self,
        grid: Grid | None = None,
        *,
        kind: Kind = "gradient",
        levels: Sequence[float] | None = None,
        min_length: float | None = None,
        samples: int | None = None,
        target: Target = "surface",
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> xr.DataArray:
        """Probability that a boundary passes through each cell: the share of draws with one.

        It depends on the size of the cells: larger ones are passed by more draws.

        Parameters
        ----------
        grid, kind, levels, min_length, samples, target, rng, progress
            As in `boundary_draws`; with several levels, a boundary at any of them counts.

        Returns
        -------
        xarray.DataArray
            Dimensions (y, x), name "boundary_probability"; NaN outside the grid's mask.

        Raises
        ------
        ValueError
            As in `boundary_draws`.
        """
        from womble.boundary_draws import crossing_share
        from womble.rasterize import probability_raster

        rng = np.random.default_rng(rng)
        mean, kinds, settings = self._search(grid, kind, levels, target, samples, rng, progress)
        settings["min_length"] = self._shortest(min_length)
        domain = self._box(mean.grid)
        share = crossing_share(mean, kinds, domain, min_length=settings["min_length"], rng=rng)
        return probability_raster(share, mean.grid, settings, self._source())

    def _search(
        self,
        grid: Grid | None,
        kind: Kind,
        levels: Sequence[float] | None,
        target: Target,
        samples: int | None,
        rng: np.random.Generator,
        progress: bool,
    ) -> tuple[MeanField, list[Feature], dict[str, Any]]:
        """The mean to search, the features to find, and the settings so far."""
        from womble.kinds import features
        from womble.mean_field import MeanField

        self._require_plane("boundaries of draws")
        kinds = features(kind, levels)
        for feature in kinds:
            feature.require(self.kernel)
        ensemble = self.ensemble(target, self._line_samples(samples), rng)
        mean = MeanField(ensemble, self._line_grid(grid), kinds[0].search_order, progress)
        settings = {
            "kind": kind,
            "levels": None if levels is None else [float(level) for level in levels],
            "target": target,
            "samples": ensemble.size,
            "grid": mean.grid.to_dict(),
        }
        return mean, kinds, settings
