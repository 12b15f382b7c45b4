"""Posterior: hyperparameter draws with the data, and everything that is asked of the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from womble import decision
from womble.arrays import FloatArray
from womble.engines.base import Engine, Target, Theta
from womble.engines.ensemble import Ensemble
from womble.grid import Grid
from womble.kernels import Kernel
from womble.spatial_data import SpatialData, query_points, require_same_crs

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from womble.paths import Paths

# Draws that summaries use unless told otherwise: Monte Carlo error of a quantile about 3% of an sd.
DEFAULT_SAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Posterior:
    """A fitted field. Made by `FieldModel.fit`, `FieldModel.condition` or `womble.load`.

    Attributes
    ----------
    data : SpatialData
    kernel : Kernel
    trend : str
    draws : xarray.Dataset
        Hyperparameters in user units, dimensions (chain, draw); a single draw where they were
        given.
    sample_stats : xarray.Dataset or None
        NUTS statistics; None where the hyperparameters were given.
    engine : str
        Which engine runs, and why.
    """

    data: SpatialData
    kernel: Kernel
    trend: str
    draws: xr.Dataset
    sample_stats: xr.Dataset | None
    engine: str
    _engine: Engine

    # -- hyperparameters ------------------------------------------------------------------------

    @property
    def given(self) -> bool:
        """Whether the hyperparameters were given and not sampled."""
        return self.sample_stats is None

    @property
    def inference_data(self) -> Any:
        """The hyperparameters for ArviZ: InferenceData (ArviZ 0.x) or DataTree (1.0 and later)."""
        from womble.inference import as_arviz

        return as_arviz(self.draws, self.sample_stats)

    def summary(self) -> pd.DataFrame:
        """Hyperparameters: mean, sd, 2.5, 50 and 97.5 % quantiles, units, ESS and R-hat.

        ESS and R-hat are NaN where the hyperparameters were given.
        """
        import pandas as pd

        from womble.inference import diagnostics

        link, length = self.data.difference_units, self.data.coordinate_units
        units = Theta(lengthscale=length, amplitude=link, noise_sd=link)._asdict()
        found = {} if self.given else diagnostics(self.draws)
        rows = {}
        for name in Theta._fields:
            x = self.draws[name].to_numpy().ravel()
            low, middle, high = np.quantile(x, [0.025, 0.5, 0.975])
            rows[name] = {"mean": x.mean(), "sd": x.std(), "q025": low, "q50": middle}
            rows[name] |= {"q975": high, "units": units[name] or ""}
            for key in ("ess_bulk", "ess_tail", "r_hat"):
                rows[name][key] = float(found[key][name]) if found else np.nan
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("hyperparameter")

    def ensemble(self, target: Target, samples: int | None, rng: np.random.Generator) -> Ensemble:
        """Draws of the hyperparameters with the engine that conditions on each.

        Parameters
        ----------
        target : {"surface", "process"}
        samples : int, optional
            Taken without replacement from the draws; None takes all up to 1,000, evenly spaced.
            Where the hyperparameters were given it is the number of field draws.

        Raises
        ------
        ValueError
            If the target is unknown, or more samples are asked for than there are draws.
        """
        if target not in ("surface", "process"):
            raise ValueError(f"`target` must be 'surface' or 'process'; got {target!r}.")
        if samples is not None and samples < 2:
            raise ValueError(f"`samples` must be at least 2; got {samples}.")
        scaling = self.data.scaling
        units = np.array([scaling.length, scaling.scale, scaling.scale])
        table = np.stack([self.draws[name].to_numpy().ravel() for name in Theta._fields], axis=1)
        if self.given:
            thetas, repeats = table, samples or DEFAULT_SAMPLES
        elif samples is None:
            every = np.linspace(0, len(table) - 1, min(len(table), DEFAULT_SAMPLES))
            thetas, repeats = table[every.round().astype(int)], 1
        elif samples > len(table):
            raise ValueError(
                f"`samples` must be at most the number of posterior draws, {len(table)}; got "
                f"{samples}. Fit with more draws."
            )
        else:
            thetas, repeats = table[rng.choice(len(table), samples, replace=False)], 1
        return Ensemble(
            self._engine, scaling, [Theta(*row) for row in thetas / units], repeats, target
        )

    @property
    def order(self) -> int:
        """Highest derivative that the kernel offers: 1 or 2."""
        return 2 if self.kernel.differentiability > 2 else 1

    def _check_order(self, order: int) -> None:
        if order not in (0, 1, 2):
            raise ValueError(f"`order` must be 0, 1 or 2; got {order!r}.")
        self.kernel.require_derivatives(order)

    def _require_plane(self, what: str) -> None:
        if self.data.coords.shape[1] != 2:
            raise ValueError(
                f"{what} needs data in the plane; these have {self.data.coords.shape[1]} "
                "coordinate(s). Use jet_moments(points) for derivatives at points."
            )

    # -- the field ------------------------------------------------------------------------------

    def jet_moments(
        self,
        points: Any,
        *,
        order: int = 2,
        target: Target = "surface",
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and covariance of value, gradient and Hessian, in closed form.

        Parameters
        ----------
        points : array, shape (p, d), or points as a GeoDataFrame or GeoSeries
            In coordinate units.
        order : {0, 1, 2}
            Highest derivative.
        target : {"surface", "process"}
            Trend and process, or the process alone.
        samples : int, optional
            Posterior draws to average over; None takes all up to 1,000.
        rng : int or Generator, optional
            Chooses the samples.

        Returns
        -------
        mean : array, shape (p, c)
            Components f; f_x, f_y; f_xx, f_xy, f_yy on the link scale (c = 6 for d = 2, order 2).
        covariance : array, shape (p, c, c)

        Raises
        ------
        ValueError
            If the kernel is too rough for `order`, or points have the wrong shape.

        References
        ----------
        Rasmussen and Williams (2006), eq. (2.25), (2.26) and sec. 9.4.
        """
        self._check_order(order)
        points = query_points(points, self.data.coords.shape[1])
        ensemble = self.ensemble(target, samples, np.random.default_rng(rng))
        return ensemble.moments(points, order)

    def surface(
        self,
        grid: Grid | None = None,
        *,
        target: Target = "surface",
        scale: Literal["link", "response"] = "link",
        samples: int | None = None,
        rule: Literal["interval", "fdr"] = "interval",
        alpha: float = 0.05,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> xr.Dataset:
        """Posterior summaries of value, gradient, curvature and what is made of them, on a grid.

        Parameters
        ----------
        grid : Grid, optional
            By default `Grid.from_data(data)`.
        target : {"surface", "process"}
        scale : {"link", "response"}
            `response` undoes the transform, with derivatives by the chain rule.
        samples : int, optional
            Posterior draws; None takes all up to 1,000.
        rule : {"interval", "fdr"}
            How `<name>_significant` is decided, see `womble.decision`.
        alpha : float
            Error rate of that rule; quantiles are always 2.5, 50 and 97.5 %.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        xarray.Dataset
            Dimensions (statistic, y, x), statistic = mean, sd, q025, q50, q975; variables value,
            dx, dy, dxx, dxy, dyy, gradient_magnitude, gradient_direction, laplacian,
            gaussian_curvature, curvature_max, curvature_min, and for the signed ones
            <name>_p_positive and <name>_significant (-1, 0, 1). NaN outside the grid's mask.
            A kernel without a Hessian yields first-order variables only, and warns.

        Raises
        ------
        ValueError
            If an argument is unknown or the grid is in another CRS.
        """
        import warnings

        from womble import surface

        self._require_plane("surface()")
        _require_marginal_rule(rule, alpha)
        if scale not in ("link", "response"):
            raise ValueError(f"`scale` must be 'link' or 'response'; got {scale!r}.")
        if self.order < 2:
            warnings.warn(
                f"{self.kernel!r} has no Hessian: second-order variables are left out. Use "
                "Matern(nu) with nu > 2 to have them.",
                stacklevel=2,
            )
        grid = self._grid(grid)
        rng = np.random.default_rng(rng)
        transformed = self.data.transform == "log" and scale == "response"
        return surface.surface(
            self.ensemble(target, samples, rng),
            grid,
            order=self.order,
            scale="response" if transformed else "link",
            rule=rule,
            alpha=alpha,
            attributes={
                "name": self._field_name(transformed),
                "units": self.data.units if transformed else self.data.link_units,
                "difference_units": self.data.units if transformed else self.data.difference_units,
                "coordinate_units": self.data.coordinate_units,
                "source": self._source(),
            },
            rng=rng,
            progress=progress,
        )

    def womble(
        self,
        curves: Any,
        *,
        by: Literal["segment", "curve"] = "segment",
        segment_length: float | None = None,
        target: Target = "surface",
        samples: int | None = None,
        rule: Literal["interval", "fdr"] = "interval",
        alpha: float = 0.05,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """Wombling measures along curves: integrals of slope and curvature across them.

        The gradient measure of a piece is the integral of grad f . n, the curvature measure that
        of n' Hess f n, with n the unit normal to the right of travel (outward on polygons).

        Parameters
        ----------
        curves : GeoDataFrame, GeoSeries, geometry or sequence of geometries
            LineStrings and Polygons; multi-part ones are exploded.
        by : {"segment", "curve"}
            A row a straight segment, or a row a curve from the joint law of its segments.
        segment_length : float, optional
            Longest segment, in coordinate units.
        target, samples, rng, progress
            As in `surface`.
        rule : {"interval", "fdr"}
        alpha : float

        Returns
        -------
        GeoDataFrame
            The curve's own columns; curve_id, segment_id, length; for gradient and curvature
            <q>_mean, _sd, _q025, _q50, _q975, _p_positive, _significant_raw (interval rule) and
            _significant (the stated rule), and average_<q>_* per length; rule; geometry.

        Raises
        ------
        ValueError
            If the curves are in another CRS, empty or without length, or an argument is unknown.
        TypeError
            If a geometry is no line and no polygon.

        References
        ----------
        Banerjee and Gelfand (2006); Halder, Banerjee and Dey (2023).
        """
        from womble.vector import read_curves, segment_frame

        self._require_plane("womble()")
        _require_marginal_rule(rule, alpha)
        if by not in ("segment", "curve"):
            raise ValueError(f"`by` must be 'segment' or 'curve'; got {by!r}.")
        from womble.curve import segments
        from womble.measure import wombling_table

        frame = read_curves(curves, self.data.crs)
        pieces = segments(frame.geometry.array, segment_length)
        rng = np.random.default_rng(rng)
        table = wombling_table(
            self.ensemble(target, samples, rng),
            pieces,
            by=by,
            order=self.order,
            rule=rule,
            alpha=alpha,
            rng=rng,
            progress=progress,
        )
        return segment_frame(frame, pieces, table, by, self.data)

    def boundaries(
        self,
        grid: Grid | None = None,
        *,
        kind: Literal["gradient", "level"] = "gradient",
        levels: Sequence[float] | None = None,
        min_length: float | None = None,
        min_steepness: float = 0.0,
        prominence: float = 0.95,
        target: Target = "surface",
        samples: int | None = None,
        rule: Literal["interval", "fdr"] = "fdr",
        alpha: float = 0.05,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """Boundary lines of the posterior mean surface, on the link scale, steepest first.

        `gradient` finds crests of the slope: where the slope is highest along its own direction,
        and prominent, that is, steeper than at probes on both sides. `level` finds contours that
        the surface passes with certainty.

        Parameters
        ----------
        grid : Grid, optional
            Its cells set the resolution, its mask the region; by default a grid over the convex
            hull of the data.
        kind : {"gradient", "level"}
        levels : sequence of float
            On the link scale (after the transform); for `level` only.
        min_length : float, optional
            Shortest line, in coordinate units; by default 5% of the largest distance between data.
        min_steepness : float
            Least posterior mean slope along a line, in link units per coordinate unit.
        prominence : float
            Probability that each vertex of a line must have.
        target : {"surface", "process"}
        samples : int, optional
            Posterior draws; None takes 200, or all if there are fewer.
        rule : {"fdr", "interval"}
            Which lines are kept: with `fdr` the expected share of false ones is at most `alpha`;
            with `interval` each has a probability of at least 1 - alpha / 2.
        alpha : float
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        GeoDataFrame
            boundary_id; kind; level; length; probability (mean over vertices that the crest is
            prominent, or that the level is passed); steepness_mean, _q025 and _q975 (slope
            averaged along the line); position_sd (across the line); rule; geometry. Vertices
            without a probe on both sides are undecidable and not part of any line.

        Raises
        ------
        ValueError
            If an argument is out of range, the kernel has no Hessian (kind="gradient") or a
            level lies outside the mean surface.
        """
        from womble.boundary import boundary_tables
        from womble.mean_field import MeanField
        from womble.priors import domain_diameter
        from womble.vector import boundary_frame

        self._require_plane("boundaries()")
        _require_marginal_rule(rule, alpha)
        order = {"gradient": 2, "level": 1}.get(kind)
        if order is None:
            raise ValueError(f"`kind` must be 'gradient' or 'level'; got {kind!r}.")
        self.kernel.require_derivatives(order)
        if (kind == "level") != (levels is not None):
            raise ValueError(
                f"`levels` goes with kind='level', and only with it; got kind={kind!r} and "
                f"levels={levels!r}."
            )
        if not 0.5 <= prominence < 1:
            raise ValueError(f"`prominence` must lie in [0.5, 1); got {prominence!r}.")
        if grid is None:
            grid = Grid.from_data(self.data, mask="hull")
        rng = np.random.default_rng(rng)
        if samples is None:
            samples = 200 if self.given else min(200, self.draws["lengthscale"].size)
        ensemble = self.ensemble(target, samples, rng)
        table, lines = boundary_tables(
            MeanField(ensemble, self._grid(grid), order, progress),
            levels=levels,
            min_length=0.05 * domain_diameter(self.data.coords)
            if min_length is None
            else min_length,
            min_steepness=min_steepness,
            least=prominence,
            rule=rule,
            alpha=alpha,
            rng=rng,
        )
        return boundary_frame(table, lines, self.data)

    def paths(
        self,
        *,
        samples: int = 200,
        target: Target = "surface",
        domain: Sequence[float] | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Paths:
        """Posterior draws of the field as functions: jets at any points, again and again.

        Parameters
        ----------
        samples : int
            Number of draws.
        target : {"surface", "process"}
        domain : (xmin, ymin, xmax, ymax), optional
            Box in which the paths will be asked, in coordinate units; by default the data's with
            a margin of 10% of its longer side. It is widened to hold the data.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        Paths
            `paths.jets(points)` has shape (samples, p, c); `len(paths)` is the number of draws.

        Raises
        ------
        ValueError
            If the target or the domain is malformed, there are fewer posterior draws, or the
            kernel has no closed form for paths.

        References
        ----------
        Wilson et al. (2021), Pathwise conditioning of Gaussian processes.
        """
        from womble.paths import draw_paths, path_domain

        rng = np.random.default_rng(rng)
        box = path_domain(self.data.coords, domain)
        return draw_paths(self.ensemble(target, samples, rng), self.kernel, box, rng, progress)

    # -- files ----------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write data, model and draws to a NetCDF file that `womble.load` reads."""
        from womble.storage import save

        save(self, path)

    # -- helpers --------------------------------------------------------------------------------

    def _grid(self, grid: Grid | None) -> Grid:
        if grid is None:
            return Grid.from_data(self.data)
        if not isinstance(grid, Grid):
            raise TypeError(f"`grid` must be a womble.Grid; got {type(grid).__name__}.")
        require_same_crs(grid.crs, self.data.crs, "grid")
        return grid

    def _field_name(self, response: bool) -> str:
        name = self.data.name
        return f"log {name}" if self.data.transform == "log" and not response else name

    def _source(self) -> str:
        how = "given hyperparameters" if self.given else "NUTS"
        return f"womble: {self.kernel!r}, {self.trend} trend, {how}, n = {len(self.data.values)}"


def _require_marginal_rule(rule: str, alpha: float) -> None:
    """Refuse rules that need draws over the whole map."""
    decision.check_rule(rule, alpha)
    if rule == "simultaneous":
        raise ValueError("`rule` must be 'interval' or 'fdr' here; got 'simultaneous'.")
