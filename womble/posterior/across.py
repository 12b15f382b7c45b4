"""Answers across given boundaries: where draws have them, and how steep and wide they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from womble.arguments import checked
from womble.grid import Grid
from womble.posterior.draws import Draws

if TYPE_CHECKING:
    import geopandas as gpd

    from womble.across import Across
    from womble.front import Fronts
    from womble.mean_field import MeanField


class AcrossLines(Draws):
    """The methods of a Posterior that take boundaries up again, with draws of the field."""

    @checked
    def boundary_bands(
        self,
        lines: gpd.GeoDataFrame,
        *,
        level: float = 0.9,
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """Bands in which each boundary lies: the posterior interval of its position across.

        At every vertex of a line, draws of the field say where across it they have the boundary;
        the ends of the interval, joined along the line, are the band. The probability is that of
        the position at each place by itself, not of the whole line at once.

        Parameters
        ----------
        lines : GeoDataFrame
            As `boundaries` of this posterior returned it, all rows or some.
        level : float
            Probability of the interval, which is equal-tailed.
        samples : int, optional
            Number of draws; None takes 200, or all if there are fewer.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        GeoDataFrame
            The columns of `lines` and band_level; polygons.

        Raises
        ------
        ValueError
            If `lines` are not boundaries of this posterior with their settings, or `level` is no
            probability.
        """
        from womble.across import band_polygons, drawn_positions
        from womble.summaries import QUANTILE_METHOD
        from womble.vector import band_frame

        if not 0 < level < 1:
            raise ValueError(f"`level` must lie in (0, 1); got {level!r}. Use 0.9 for 90% bands.")
        rng = np.random.default_rng(rng)
        mean, across, order = self._across(lines, samples, rng, progress)
        drawn = drawn_positions(mean, across, self._box(mean.grid), rng) if across else []
        tails = [(1 - level) / 2, (1 + level) / 2]
        polygons = [
            polygon
            for item, position in zip(across, drawn, strict=True)
            for polygon in band_polygons(
                item, np.nanquantile(position, tails, axis=0, method=QUANTILE_METHOD).T
            )
        ]
        return band_frame(lines, [polygons[i] for i in order], level)

    @checked
    def boundary_profile(
        self,
        lines: gpd.GeoDataFrame,
        *,
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """How steep, how high and how wide each boundary is: posterior of its profile across.

        Each draw's profile is the mean over stations along the line. Its peak slope is the largest
        derivative uphill across the line, its step height the value at the probe uphill minus that
        at the probe downhill, its width the length of the interval about the peak where the slope
        is above half of it. The mean over stations is wider than each of them, as the line of a
        draw wanders about that of the mean.

        Parameters
        ----------
        lines : GeoDataFrame
            Of kind gradient, level or zero_curvature, as `boundaries` of this posterior returned
            it, all rows or some.
        samples, rng, progress
            As in `boundary_bands`.

        Returns
        -------
        GeoDataFrame
            boundary_id; kind; peak_slope_mean, _sd, _q025, _q50, _q975; the same for step_height
            and width; share_censored; geometry. Where a draw's slope does not fall to half its
            peak within the profile its width is censored: moments are then NaN, and quantiles
            where they fall among the censored.

        Raises
        ------
        ValueError
            If `lines` are not boundaries of this posterior with their settings, or are ridges or
            valleys, which have no step.
        """
        from womble.vector import profile_frame

        drawn = self._fronts(lines, samples, rng, progress)
        return profile_frame(lines, drawn.table(), self.data)

    @checked
    def profile_across(
        self,
        lines: gpd.GeoDataFrame,
        *,
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> xr.Dataset:
        """The profiles that `boundary_profile` sums up: slope and value by distance across.

        Parameters
        ----------
        lines, samples, rng, progress
            As in `boundary_profile`; the same seed gives the same draws.

        Returns
        -------
        xarray.Dataset
            Variables slope and value, dimensions (boundary, offset, statistic), statistic = mean,
            sd, q025, q50, q975; coordinate `boundary` is the boundary_id, `distance` (boundary,
            offset) the signed distance from the line, uphill positive.

        Raises
        ------
        ValueError
            As in `boundary_profile`.
        """
        from womble.vector import profile_dataset

        drawn = self._fronts(lines, samples, rng, progress)
        return profile_dataset(lines, drawn, self.data)

    def _across(
        self,
        lines: gpd.GeoDataFrame,
        samples: int | None,
        rng: np.random.Generator,
        progress: bool,
    ) -> tuple[MeanField, list[Across], np.ndarray]:
        """Given lines by feature, with directions and probes; and how to put rows back in order."""
        import shapely

        from womble.across import Across
        from womble.vector import line_settings

        settings = line_settings(lines, self.data.crs)
        grid = Grid.from_dict(settings["grid"])
        wanted = (settings[name] for name in ("kind", "levels", "target"))
        mean, kinds, _ = self._search(grid, *wanted, samples, rng, progress)
        rows, across = [], []
        for feature in kinds:
            of = np.ones(len(lines), bool) if len(kinds) == 1 else lines["level"] == feature.level
            found = np.flatnonzero(of)
            if not len(found):
                continue
            points = [shapely.get_coordinates(line) for line in lines.geometry.iloc[found]]
            across.append(Across.of(mean, feature, points))
            rows.append(found)
        return mean, across, np.argsort(np.concatenate([*rows, np.empty(0, dtype=int)]))

    def _fronts(
        self,
        lines: gpd.GeoDataFrame,
        samples: int | None,
        rng: int | np.random.Generator | None,
        progress: bool,
    ) -> Fronts:
        from womble.front import fronts
        from womble.vector import line_settings

        kind = line_settings(lines, self.data.crs)["kind"]
        if kind in ("ridge", "valley"):
            raise ValueError(
                "`lines` must be of kind 'gradient', 'level' or 'zero_curvature', across which the "
                f"surface rises; got {kind!r}. Use boundary_bands() for where they lie."
            )
        rng = np.random.default_rng(rng)
        mean, across, order = self._across(lines, samples, rng, progress)
        return fronts(mean, across, self._box(mean.grid), rng).at(order)
