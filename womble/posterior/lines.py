"""Answers about lines: curves that are given, and boundaries that are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble import decision
from womble.arguments import checked
from womble.engines.base import Target
from womble.feature import Kind
from womble.grid import Grid
from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    import geopandas as gpd


class Lines(Fitted):
    """The methods of a Posterior whose answers are lines with a table."""

    @checked
    def womble(
        self,
        curves: Any,
        *,
        by: Literal["segment", "curve"] = "segment",
        segment_length: float | None = None,
        target: Target = "surface",
        samples: int | None = None,
        rule: Literal["interval", "fdr", "simultaneous"] = "interval",
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
        rule : {"interval", "fdr", "simultaneous"}
            How <q>_significant is decided, see `womble.decision`. `simultaneous`: a band
            mean -+ c sd covers a measure in all rows at once with probability 1 - alpha, from
            integrals of one path a sample; a sign is significant where the band excludes 0.
        alpha : float

        Returns
        -------
        GeoDataFrame
            The curve's own columns; curve_id, segment_id, length; for gradient and curvature
            <q>_mean, _sd, _q025, _q50, _q975, _p_positive, _significant_raw (interval rule) and
            _significant (the stated rule), and average_<q>_* per length; rule; geometry. Under
            `simultaneous` also <q>_band_lower and _band_upper, and c in `attrs["critical_value"]`.

        Raises
        ------
        ValueError
            If the curves are in another CRS, empty or without length, an argument is unknown, or
            there are too few samples for a simultaneous band.
        TypeError
            If a geometry is no line and no polygon.

        References
        ----------
        Banerjee and Gelfand (2006); Halder, Banerjee and Dey (2023).

        Examples
        --------
        >>> import shapely
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> bank = shapely.LineString([(178800, 330600), (179600, 331600)])
        >>> table = post.womble(bank, segment_length=500.0, rng=1, progress=False)
        >>> table["average_gradient_mean"].round(4).to_list()  # log zinc a metre, to the right
        [-0.0028, -0.0035, -0.0039]
        >>> table["gradient_significant"].to_list()
        [-1, -1, -1]
        """
        from womble.vector import read_curves, segment_frame

        self._require_plane("womble()")
        decision.check_rule(rule, alpha)
        if by not in ("segment", "curve"):
            raise ValueError(f"`by` must be 'segment' or 'curve'; got {by!r}.")
        from womble.curve import segments
        from womble.measure import wombling_table
        from womble.paths import path_domain

        frame = read_curves(curves, self.data.crs)
        pieces = segments(frame.geometry.array, segment_length)
        rng = np.random.default_rng(rng)
        ensemble = self.ensemble(target, samples, rng)
        if rule == "simultaneous":
            decision.require_draws(ensemble.size, alpha)
        ends = np.concatenate([pieces.start, pieces.stop])
        table = wombling_table(
            ensemble,
            pieces,
            by=by,
            order=self.order,
            rule=rule,
            alpha=alpha,
            domain=path_domain(self.data.box, (*ends.min(axis=0), *ends.max(axis=0))),
            rng=rng,
            progress=progress,
        )
        found = segment_frame(frame, pieces, table, by, self.data)
        found.attrs |= table.attrs
        return found

    @checked
    def boundaries(
        self,
        grid: Grid | None = None,
        *,
        kind: Kind = "gradient",
        levels: Sequence[float] | None = None,
        min_length: float | None = None,
        min_steepness: float = 0.0,
        prominence: float = 0.95,
        target: Target = "surface",
        samples: int | None = None,
        rule: Literal["interval", "fdr", "simultaneous"] = "fdr",
        alpha: float = 0.05,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """Boundary lines of the posterior mean surface, on the link scale, steepest first.

        `gradient` finds crests of the slope: where the slope is highest along its own direction,
        and prominent, that is, steeper than at probes on both sides. `level` finds contours that
        the surface passes with certainty. `ridge` and `valley` are where the value is highest or
        lowest along the axis of the strongest curvature, `zero_curvature` where the Laplacian
        changes sign: the edges of Marr and Hildreth. Lines end where the evidence does; gaps are
        not bridged.

        Parameters
        ----------
        grid : Grid, optional
            Its cells set the resolution, its mask the region; by default a grid over the convex
            hull of the data.
        kind : {"gradient", "level", "ridge", "valley", "zero_curvature"}
            The last three need a kernel of differentiability above 3, such as Matern(nu=3.5).
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
        rule : {"fdr", "interval", "simultaneous"}
            Which lines are kept: with `fdr` the expected share of false ones is at most `alpha`;
            with `interval` each has a probability of at least 1 - alpha / 2.
        alpha : float
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        GeoDataFrame
            boundary_id; kind; level; length; probability (mean over vertices that the crest or
            ridge is prominent, or that the level or zero is passed); steepness_mean, _q025 and
            _q975 (slope averaged along the line); position_sd (across the line); rule; geometry.
            Vertices without a probe on both sides are undecidable and not part of any line.
            `attrs["womble"]` holds all settings, for methods that take the lines up again.

        Raises
        ------
        ValueError
            If an argument is out of range, the kernel is too rough for the kind or a level lies
            outside the mean surface.

        Examples
        --------
        >>> import numpy as np
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> grid = wb.Grid.from_data(zinc, spacing=100.0, mask="hull")
        >>> lines = post.boundaries(
        ...     grid, kind="level", levels=[np.log(720)], samples=50, rng=1, progress=False
        ... )
        >>> lines["length"].round(-1).to_list(), lines["probability"].round(2).to_list()
        ([1720.0, 710.0], [0.99, 0.99])
        """
        from womble.boundary import boundary_tables
        from womble.kinds import features
        from womble.mean_field import MeanField
        from womble.vector import boundary_frame

        self._require_plane("boundaries()")
        decision.check_rule(rule, alpha)
        kinds = features(kind, levels)
        for feature in kinds:
            feature.require(self.kernel)
        if not 0.5 <= prominence < 1:
            raise ValueError(f"`prominence` must lie in [0.5, 1); got {prominence!r}.")
        grid = self._line_grid(grid)
        rng = np.random.default_rng(rng)
        ensemble = self.ensemble(target, self._line_samples(samples), rng)
        settings = {
            "kind": kind,
            "levels": None if levels is None else [float(level) for level in levels],
            "min_length": self._shortest(min_length),
            "min_steepness": min_steepness,
            "rule": rule,
            "alpha": alpha,
        }
        table, lines = boundary_tables(
            MeanField(ensemble, grid, kinds[0].search_order, progress),
            least=prominence,
            rng=rng,
            **settings,
        )
        asked = {"prominence": prominence, "target": target, "samples": ensemble.size}
        return boundary_frame(table, lines, self.data, settings | asked | {"grid": grid.to_dict()})

    @checked
    def null_test(
        self,
        lines: gpd.GeoDataFrame,
        *,
        replicates: int = 200,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame:
        """Could a smooth field without boundaries, observed like this one, give such lines?

        Each replicate simulates data at the same sites: the trend, a stationary field and noise,
        with one posterior draw of the hyperparameters and one of the trend's coefficients given
        them. The field is conditioned on these data at the same hyperparameters, without a new
        fit, and lines are sought on its mean with the settings that `boundaries` had. The null so
        keeps a linear or quadratic trend with its uncertainty, whose slope is part of every
        line's: a trend makes no boundary significant. A constant matters for level lines only.

        Hyperparameters fitted to data with a boundary explain some of it as roughness of the
        field: the test then errs towards no boundary.

        Parameters
        ----------
        lines : GeoDataFrame
            As `boundaries` returned it, or some of its rows; kind `gradient` or `level`.
        replicates : int
            At least 19, without which no p-value reaches 0.05.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        GeoDataFrame
            A copy of `lines` with the columns `statistic`, the integral along the line of the
            posterior mean's slope across it (its gradient measure without sign, in link units),
            and `p_null`, (1 + number of replicates whose largest statistic is as large) /
            (replicates + 1). The largest over all lines of a replicate makes `p_null`
            family-wise: in a field without boundaries and known hyperparameters, one of 0.05 or
            less appears on at most 5% of maps.

        Raises
        ------
        ValueError
            If `lines` has lost its settings (files do not keep them), is in another CRS or of
            another kind, or there are too few replicates.
        TypeError
            If `lines` is no GeoDataFrame.

        References
        ----------
        Westfall and Young (1993), Resampling-based multiple testing, ch. 2.
        """
        from womble.null import Search, line_statistics, null_frame, null_maxima
        from womble.vector import line_settings

        self._require_plane("null_test()")
        self._require_gaussian("null_test()", "which it simulates data with")
        self._require_dense("null_test()", "to simulate data at its sites")
        if replicates < 19:
            raise ValueError(
                f"`replicates` must be at least 19, for p-values down to 0.05; got {replicates}."
            )
        search = Search.of(line_settings(lines, self.data.crs))
        rng = np.random.default_rng(rng)
        ensemble = self.ensemble(search.target, search.samples, rng)
        statistics = line_statistics(ensemble, lines.geometry.array, progress)
        maxima = np.empty(0)
        if len(lines):
            every = self.ensemble(search.target, None, rng)
            maxima = null_maxima(every, search, replicates=replicates, rng=rng, progress=progress)
        return null_frame(lines, statistics, maxima, self.data.difference_units)
