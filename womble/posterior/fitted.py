"""What every answer starts from: hyperparameter draws, the data and the engine that has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.crs import require_same_crs
from womble.engines.base import Engine, Target
from womble.engines.ensemble import Ensemble
from womble.engines.latent import LatentEngine
from womble.engines.spectral import SpectralEngine
from womble.grid import Grid
from womble.hyperparameters import IN_LINK_UNITS, Layout
from womble.kernels import Kernel
from womble.spatial_data import SpatialData
from womble.transect import Transect

if TYPE_CHECKING:
    import pandas as pd

# Draws that summaries use unless told otherwise: Monte Carlo error of a quantile about 3% of an sd.
DEFAULT_SAMPLES = 1000
# Draws that lines use unless told otherwise: Monte Carlo sd of a probability of 0.95 is 0.015.
LINE_SAMPLES = 200


@dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """Hyperparameter draws with the data; its attributes are described in `Posterior`."""

    data: SpatialData
    kernel: Kernel
    trend: str
    draws: xr.Dataset
    sample_stats: xr.Dataset | None
    engine: str
    _engine: Engine
    inference: str = "given hyperparameters"

    def __repr__(self) -> str:
        name, n = self.data.field_name(), self.data.count
        lines = [f"{type(self).__name__} of {name}, n = {n}: {self.kernel!r}, {self.trend} trend"]
        medians = self.draws[[*self.layout.names]].median()
        numbers = (f"{label} {float(medians[label]):.4g}" for label in self.layout.names)
        lines += [f"engine: {self.engine}", f"inference: {self.inference}"]
        return "\n  ".join([*lines, f"medians: {', '.join(numbers)}"])

    @property
    def given(self) -> bool:
        """Whether there is one point of the hyperparameters, given or the mode, and no sample."""
        return self.sample_stats is None and self._count == 1

    @cached_property
    def layout(self) -> Layout:
        """Names and order of the hyperparameters."""
        if self.data.response is not None:
            return self.data.response.layout(self.kernel)
        return Layout.of(self.kernel, anisotropic="anisotropy_1" in self.draws)

    @property
    def inference_data(self) -> Any:
        """The hyperparameters for ArviZ: InferenceData (ArviZ 0.x) or DataTree (1.0 and later)."""
        from womble.diagnostics import as_arviz

        return as_arviz(self.draws, self.sample_stats)

    def summary(self) -> pd.DataFrame:
        """Hyperparameters: mean, sd, 2.5, 50 and 97.5 % quantiles, units, ESS and R-hat.

        An anisotropic model has rows of its ratio and angle (degrees) too. ESS and R-hat are NaN
        where the hyperparameters were given or are the mode; after importance sampling ESS is that
        of the weights and R-hat NaN.
        """
        from womble.posterior.summary import hyperparameter_table

        link, length = self.data.difference_units, self.data.coordinate_units
        units = {"lengthscale": length} | dict.fromkeys(IN_LINK_UNITS, link)
        plain = self.draws[[*self.layout.names]]
        return hyperparameter_table(plain, self.sample_stats, self.layout, units, self.given)

    @checked
    def coefficients(
        self, *, samples: int | None = None, rng: int | np.random.Generator | None = None
    ) -> pd.DataFrame:
        """Coefficients of the covariates: mean, sd and 2.5, 50 and 97.5 % quantiles.

        Given the hyperparameters they are normal, with moments in closed form; these are mixed
        over the posterior draws.

        Parameters
        ----------
        samples : int, optional
            Posterior draws to average over; None takes all up to 1,000.
        rng : int or Generator, optional
            Chooses the samples.

        Returns
        -------
        pandas.DataFrame
            A row a number (the change of the link-scale response for one unit of the covariate) or
            category (the difference from the first category).

        Raises
        ------
        ValueError
            If the model has no covariates.

        References
        ----------
        Rasmussen and Williams (2006), eq. (2.41) and (2.42).
        """
        from womble.coefficients import coefficients

        if self.data.covariates is None:
            raise ValueError("the model has no covariates. Fit with covariates=[...].")
        ensemble = self.ensemble("process", samples, np.random.default_rng(rng))
        return coefficients(ensemble, self.data.covariates)

    def ensemble(self, target: Target, samples: int | None, rng: np.random.Generator) -> Ensemble:
        """Draws of the hyperparameters with the engine that conditions on each.

        Parameters
        ----------
        target : {"surface", "process", "total", "covariates"}
        samples : int, optional
            Taken without replacement from the draws; None takes all up to 1,000, evenly spaced.
            Where the hyperparameters were given it is the number of field draws.

        Raises
        ------
        ValueError
            If the target is unknown, or more samples are asked for than there are draws, or than
            noise was kept for of data that are not in memory.
        """
        self._check_target(target)
        if samples is not None and samples < 2:
            raise ValueError(f"`samples` must be at least 2; got {samples}.")
        most = self._most_samples(samples)
        scaling = self.data.scaling
        layout, units = self.layout, self.layout.units(scaling)
        table = np.stack([self.draws[name].to_numpy().ravel() for name in layout.names], axis=1)
        repeats = 1
        if self.given:
            chosen, repeats = np.arange(len(table)), samples or most
        elif samples is None:
            every = np.linspace(0, len(table) - 1, min(len(table), most))
            chosen = every.round().astype(int)
        elif samples > len(table):
            raise ValueError(
                f"`samples` must be at most the number of posterior draws, {len(table)}; got "
                f"{samples}. Fit with more draws."
            )
        else:
            chosen = rng.choice(len(table), samples, replace=False)
        thetas = [layout.theta(row) for row in table[chosen] / units]
        if "weights" in self.draws:
            weights = self.draws["weights"].to_numpy().reshape(len(table), -1)[chosen]
            thetas = [replace(theta, weights=w) for theta, w in zip(thetas, weights, strict=True)]
        if isinstance(self._engine, SpectralEngine):
            from womble.engines.averages import SpectralEnsemble

            middle = layout.theta(np.median(table, axis=0) / units)
            return SpectralEnsemble(self._engine, scaling, thetas, repeats, target, middle)
        return Ensemble(self._engine, scaling, thetas, repeats, target)

    def _most_samples(self, samples: int | None) -> int:
        """Samples that are taken by default; refuse more than there is noise for."""
        most = None
        if isinstance(self._engine, SpectralEngine):
            most = self._engine.most_paths
        if most is not None and samples is not None and samples > most:
            raise ValueError(
                f"`samples` must be at most {most}, for which the pass over the data summed noise; "
                f"got {samples}. Fit to wb.open_points(..., paths={samples})."
            )
        return DEFAULT_SAMPLES if most is None else min(most, DEFAULT_SAMPLES)

    def _check_target(self, target: Target) -> None:
        if target not in get_args(Target):
            expected = "', '".join(get_args(Target))
            raise ValueError(f"`target` must be one of '{expected}'; got {target!r}.")
        if target in ("surface", "process"):
            return
        if self.data.covariates is None:
            raise ValueError(f"`target` {target!r} needs covariates; the model has none.")
        unknown = self.data.covariates.without_field
        if unknown:
            raise ValueError(
                f"`target` {target!r} needs every number among the covariates as a field; "
                f"{', '.join(unknown)} is known at the data only, and its gradient is never "
                "guessed. Give fit(covariate_fields={name: raster or function})."
            )

    @property
    def _count(self) -> int:
        """Number of posterior draws."""
        return self.draws.sizes["chain"] * self.draws.sizes["draw"]

    @property
    def order(self) -> int:
        """Highest derivative that the kernel offers: 1 or 2."""
        return 2 if self.kernel.differentiability > 2 else 1

    def _check_order(self, order: int) -> None:
        if order not in (0, 1, 2):
            raise ValueError(f"`order` must be 0, 1 or 2; got {order!r}.")
        self.kernel.require_derivatives(order)

    @property
    def _dimension(self) -> int:
        return self.data.coords.shape[1]

    def _require_dense(self, what: str, why: str) -> None:
        if isinstance(self._engine, SpectralEngine):
            raise ValueError(
                f"{what} needs the dense engine, {why}; this posterior has the spectral one. Use "
                "engine='dense' on a subset of at most some 2,000 data."
            )
        if isinstance(self._engine, LatentEngine):
            raise ValueError(
                f"{what} needs the covariance of the sites, {why}; this posterior has waves. Use "
                "inference='laplace' on a subset of at most some 2,000 data."
            )

    def _require_gaussian(self, what: str, why: str) -> None:
        if self.data.response is not None:
            raise ValueError(
                f"{what} needs likelihood='gaussian', {why}; this field was fitted with "
                f"{self.data.response.stated}."
            )

    def _require_in_memory(self, what: str) -> None:
        if self.data.whole is not None:
            raise ValueError(
                f"{what} needs the data in memory; of these {self.data.count} rows only a sample "
                "is. Use it on a fit to a subset."
            )

    def _require_plane(self, what: str) -> None:
        if self._dimension != 2:
            remedy = "Use jet_moments(points) for derivatives at points."
            if self._dimension == 1:
                remedy = "On a line use change_points() for boundaries, surface() for derivatives."
            raise ValueError(
                f"{what} needs data in the plane; these have {self._dimension} coordinate(s). "
                + remedy
            )

    def _require_line(self, what: str) -> None:
        if self._dimension != 1:
            raise ValueError(
                f"{what} needs data on a line (d = 1); these have {self._dimension} coordinates. "
                "In the plane use boundaries()."
            )

    def _grid(self, grid: Grid | Transect | None) -> Grid | Transect:
        """The grid asked for, which must suit the data; by default over the data."""
        if self._dimension > 2:
            raise ValueError(
                f"grids are for data on a line or in the plane; these have {self._dimension} "
                "coordinates. Use jet_moments(points) for derivatives at points."
            )
        if grid is None:
            return Grid.from_data(self.data)
        if self._dimension == 1:
            self._require_transect(grid)
            return grid
        if not isinstance(grid, Grid):
            raise TypeError(f"`grid` must be a womble.Grid; got {type(grid).__name__}.")
        require_same_crs(grid.crs, self.data.crs, "grid")
        return grid

    def _require_transect(self, grid: Any) -> None:
        """Refuse what is no Transect, or one that counts its days from another date."""
        if not isinstance(grid, Transect):
            raise TypeError(
                "`grid` must be a Transect, as the data are on a line; got "
                f"{type(grid).__name__}. Make it with Grid.from_data(data, spacing=...)."
            )
        if grid.axis != self.data.axis:
            raise ValueError(
                f"`grid` must have the data's axis, {self.data.axis}; got {grid.axis}. Make it "
                "with Grid.from_data(post.data, ...)."
            )

    def _line_grid(self, grid: Grid | Transect | None) -> Grid | Transect:
        """The grid to find lines on; by default over the hull, as beyond it nothing is known."""
        return self._grid(Grid.from_data(self.data, mask="hull") if grid is None else grid)

    def _line_samples(self, samples: int | None) -> int:
        """200 by default, or all draws if there are fewer."""
        most = min(LINE_SAMPLES, self._most_samples(None))
        most = most if self.given else min(most, self._count)
        return most if samples is None else samples

    def _box(self, grid: Grid | Transect) -> FloatArray:
        """Box for paths, shape (2, d): the data and all cells, and a cell more for rounding."""
        from womble.paths import path_domain

        return path_domain(self.data.box, grid.box.ravel())

    def _shortest(self, min_length: float | None) -> float:
        """Shortest line; by default 5% of the largest distance between data."""
        from womble.priors import domain_diameter

        return 0.05 * domain_diameter(self.data.coords) if min_length is None else min_length

    def _source(self) -> str:
        how = self.inference.split(":")[0].split(",")[0]
        kernel = f"{self.kernel!r}{', anisotropic' if self.layout.anisotropic else ''}"
        return f"womble: {kernel}, {self.trend} trend, {how}, n = {self.data.count}"
