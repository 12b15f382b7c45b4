"""Answers on a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from womble import decision
from womble.arguments import checked
from womble.engines.base import Target
from womble.grid import Grid
from womble.posterior.fitted import Fitted
from womble.transect import Transect
from womble.warn import warn

if TYPE_CHECKING:
    from womble.excursion import Level


class Maps(Fitted):
    """The methods of a Posterior whose answers are grids."""

    @checked
    def surface(
        self,
        grid: Grid | Transect | None = None,
        *,
        target: Target = "surface",
        scale: Literal["link", "response"] = "link",
        samples: int | None = None,
        rule: Literal["interval", "fdr", "simultaneous"] = "interval",
        alpha: float = 0.05,
        keep_draws: bool = False,
        chunks: int | tuple[int, int] | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> xr.Dataset:
        """Posterior summaries of value, gradient, curvature and what is made of them, on a grid.

        Parameters
        ----------
        grid : Grid or Transect, optional
            By default `Grid.from_data(data)`.
        target : {"surface", "process"}
        scale : {"link", "response"}
            `response` undoes the transform, or the likelihood's link (rates, probabilities), with
            derivatives by the chain rule.
        samples : int, optional
            Posterior draws; None takes all up to 1,000.
        rule : {"interval", "fdr", "simultaneous"}
            How `<name>_significant` is decided, see `womble.decision`. `simultaneous` draws paths:
            a band mean -+ c sd covers the variable in all cells at once with probability
            1 - alpha, and a sign is significant where the band excludes 0. The coverage that 1,000
            samples reach has a standard error of 0.7%. Link scale only.
        alpha : float
            Error rate of that rule; quantiles are always 2.5, 50 and 97.5 %.
        keep_draws : bool
            Return every draw instead of statistics: each is one function of location, the same in
            all variables, as `paths` draws it. There are no flags, so `rule` keeps its default.
        chunks : int or (rows, columns), optional
            Cells along the sides of a tile, 64 to 512 say: the Dataset is then a dask graph, which
            computes each tile (and each hundred draws) when it is asked for, in threads, processes
            or on a cluster, with the same numbers for the same `rng` to rounding. Multiples of 32
            cut no block of cells that shares its work. `wb.write_zarr` and `wb.write_geotiff` take
            it as it is, so that neither maps nor draws need to fit in memory. `rule` must be
            "interval", as the others need the whole map; `progress` has nothing to show.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        xarray.Dataset
            Dimensions (statistic, y, x), statistic = mean, sd, q025, q50, q975; variables value,
            dx, dy, dxx, dxy, dyy, gradient_magnitude, gradient_direction, laplacian,
            gaussian_curvature, curvature_max, curvature_min, and for the signed ones
            <name>_p_positive and <name>_significant (-1, 0, 1); under `simultaneous` also
            <name>_band, dimensions (bound, y, x), bound = lower, upper, with c in the attribute
            "critical_value". With `keep_draws` dimensions (draw, y, x) and no flags. NaN outside
            the grid's mask. On a line (d = 1) the variables are value, dx and dxx, and the only
            dimension besides is that of the data's positions: their name, and dates where they
            had them. A kernel without a Hessian yields first-order variables only, and
            warns.

        Raises
        ------
        ValueError
            If an argument is unknown, the grid is in another CRS or on another axis, there are too
            few samples for a simultaneous band, or the draws to keep exceed 4 GB; if `chunks` are
            no positive numbers, or come with another rule than "interval".
        ImportError
            If `chunks` are given and dask is not installed.
        TypeError
            If the grid does not suit the data's dimension.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> grid = wb.Grid.from_data(zinc, spacing=200.0)
        >>> ds = post.surface(grid, samples=50, rng=1, progress=False)
        >>> dict(ds.sizes)
        {'statistic': 5, 'y': 20, 'x': 14}
        >>> float(ds["dx"].sel(statistic="mean").min().round(4)), ds["dx"].units
        (-0.0055, 'm-1')
        """
        from womble import surface

        grid = self._grid(grid)
        if scale not in ("link", "response"):
            raise ValueError(f"`scale` must be 'link' or 'response'; got {scale!r}.")
        transformed = self.data.link != "identity" and scale == "response"
        _check_map_rule(rule, alpha, transformed, keep_draws)
        if chunks is not None:
            _check_lazy_rule(rule, alpha)
        if self.order < 2:
            warn(
                f"{self.kernel!r} has no Hessian: second-order variables are left out. Use "
                "Matern(nu) with nu > 2 to have them."
            )
        rng = np.random.default_rng(rng)
        ensemble = self.ensemble(target, samples, rng)
        options = {
            "order": self.order,
            "link": self.data.link if transformed else None,
            "domain": self._box(grid),
            "attributes": self._attributes(transformed),
            "rng": rng,
        }
        if chunks is not None:
            from womble import lazy

            return lazy.surface(
                ensemble, grid, chunks, keep_draws=keep_draws, alpha=alpha, **options
            )
        options["progress"] = progress
        if keep_draws:
            return surface.surface_draws(ensemble, grid, **options)
        if rule == "simultaneous":
            decision.require_draws(ensemble.size, alpha)
        return surface.surface(ensemble, grid, rule=rule, alpha=alpha, **options)

    @checked
    def excursions(
        self,
        grid: Grid | None = None,
        *,
        of: str = "value",
        above: float | None = None,
        below: float | None = None,
        target: Target = "surface",
        samples: int | None = None,
        alpha: float = 0.05,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> xr.Dataset:
        """Largest region where a field is above (or below) a level everywhere at once.

        Marginal probabilities answer for one cell; a region of cells at 95% each is all above the
        level far less often. Here cells are taken in the order of their marginal probability for
        as long as the probability that all of them are beyond the level is at least 1 - alpha.

        Parameters
        ----------
        grid : Grid, optional
            By default `Grid.from_data(data)`.
        of : str
            "value" (link scale: after the transform), "slope" (gradient magnitude), "curvature"
            (Laplacian), "dx", "dy", "dxx", "dxy", "dyy", "gaussian_curvature", "curvature_max" or
            "curvature_min".
        above, below : float
            The level, one of the two; in units of the link scale and its derivatives.
        target : {"surface", "process"}
        samples : int, optional
            Posterior draws, as paths; None takes all up to 1,000. A probability p has a standard
            error of (p (1 - p) / samples)^(1/2): 0.7% at 0.95 and 1,000 samples.
        alpha : float
            The set is beyond the level everywhere with probability at least 1 - alpha.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        xarray.Dataset
            Dimensions (y, x): set (1 in, 0 out); excursion_function, for each cell the largest
            1 - alpha whose set still holds it; marginal, the probability of the cell alone. NaN
            outside the grid's mask.

        Raises
        ------
        ValueError
            If `of` is unknown, not exactly one of `above` and `below` is given, the kernel is too
            rough, the grid is in another CRS, or there are too few samples for `alpha`.

        References
        ----------
        Bolin and Lindgren (2015), JRSS B 77, 85-106.
        """
        from womble import excursion

        self._require_plane("excursions()")
        decision.check_alpha(alpha)
        level = _level(of, above, below)
        self.kernel.require_derivatives(level.order)
        grid = self._grid(grid)
        rng = np.random.default_rng(rng)
        return excursion.excursions(
            self.ensemble(target, samples, rng),
            grid,
            level,
            alpha=alpha,
            domain=self._box(grid),
            attributes=self._attributes(response=False),
            rng=rng,
            progress=progress,
        )

    def _attributes(self, response: bool) -> dict[str, str | None]:
        """What a map says of the field on either scale."""
        data = self.data
        return {
            "name": data.field_name(response),
            "units": data.response_units if response else data.link_units,
            "difference_units": data.response_units if response else data.difference_units,
            "coordinate_units": data.coordinate_units,
            "source": self._source(),
        }


def _check_map_rule(rule: str, alpha: float, transformed: bool, keep_draws: bool) -> None:
    """Refuse a rule that the map cannot follow, before any work is done."""
    decision.check_rule(rule, alpha)
    if keep_draws and rule != "interval":
        raise ValueError(
            f"`keep_draws=True` returns draws without flags; got rule={rule!r}. Leave `rule` out, "
            "or call surface() once for draws and once for flags."
        )
    if transformed and rule == "simultaneous":
        raise ValueError(
            "`rule='simultaneous'` is a band around a mean, which on the response scale need not "
            "exist; got scale='response'. Use scale='link', where slopes have the same signs, or "
            "rule='fdr'."
        )


def _check_lazy_rule(rule: str, alpha: float) -> None:
    """Refuse a rule that judges all cells together, where tiles are made one by one."""
    if rule == "fdr":
        raise ValueError(
            "`rule='fdr'` judges all cells of a map together, and `chunks` makes it tile by tile. "
            "Take rule='interval', and when the map is there call "
            f"womble.decision.fdr_sign(ds['dx_p_positive'].to_numpy(), {alpha:g}) on whichever "
            "variables you need: the flags are the same."
        )
    if rule == "simultaneous":
        raise ValueError(
            "`rule='simultaneous'` is one band around the whole map, and `chunks` makes it tile by "
            "tile. Leave `chunks` out on a coarser grid, whose band covers as often, or take "
            "rule='interval'."
        )


def _level(of: str, above: float | None, below: float | None) -> Level:
    """The level as asked for, checked."""
    from womble.excursion import FIELDS, Level

    if of not in FIELDS:
        raise ValueError(
            f"`of` must be one of {', '.join(map(repr, FIELDS))}; got {of!r}. 'slope' is the "
            "gradient's magnitude, 'curvature' the Laplacian."
        )
    if (above is None) == (below is None):
        raise ValueError(
            f"exactly one of `above` and `below` must be given; got above={above!r}, "
            f"below={below!r}. Call twice for both."
        )
    side, threshold = (1, above) if below is None else (-1, below)
    if not np.isfinite(threshold):
        raise ValueError(f"the level must be a finite number; got {threshold!r}.")
    return Level(FIELDS[of], float(threshold), side)
