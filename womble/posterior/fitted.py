"""What every answer starts from: hyperparameter draws, the data and the engine that has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from womble.arrays import FloatArray
from womble.engines.base import Engine, Target
from womble.engines.ensemble import Ensemble
from womble.grid import Grid
from womble.hyperparameters import IN_LINK_UNITS, Layout
from womble.kernels import Kernel
from womble.spatial_data import SpatialData, require_same_crs

if TYPE_CHECKING:
    import pandas as pd

# Draws that summaries use unless told otherwise: Monte Carlo error of a quantile about 3% of an sd.
DEFAULT_SAMPLES = 1000
# Draws that lines use unless told otherwise: Monte Carlo sd of a probability of 0.95 is 0.015.
LINE_SAMPLES = 200


@dataclass(frozen=True, eq=False)
class Fitted:
    """Hyperparameter draws with the data; its attributes are described in `Posterior`."""

    data: SpatialData
    kernel: Kernel
    trend: str
    draws: xr.Dataset
    sample_stats: xr.Dataset | None
    engine: str
    _engine: Engine

    @property
    def given(self) -> bool:
        """Whether the hyperparameters were given and not sampled."""
        return self.sample_stats is None

    @cached_property
    def layout(self) -> Layout:
        """Names and order of the hyperparameters."""
        if self.data.response is not None:
            return self.data.response.layout(self.kernel)
        return Layout.of(self.kernel, anisotropic="anisotropy_1" in self.draws)

    @property
    def inference_data(self) -> Any:
        """The hyperparameters for ArviZ: InferenceData (ArviZ 0.x) or DataTree (1.0 and later)."""
        from womble.inference import as_arviz

        return as_arviz(self.draws, self.sample_stats)

    def summary(self) -> pd.DataFrame:
        """Hyperparameters: mean, sd, 2.5, 50 and 97.5 % quantiles, units, ESS and R-hat.

        An anisotropic model has rows of its ratio and angle (degrees) too. ESS and R-hat are NaN
        where the hyperparameters were given; of importance samples ESS is that of the weights, and
        R-hat NaN.
        """
        from womble.posterior.summary import hyperparameter_table

        link, length = self.data.difference_units, self.data.coordinate_units
        units = {"lengthscale": length} | dict.fromkeys(IN_LINK_UNITS, link)
        plain = self.draws[[*self.layout.names]]
        return hyperparameter_table(plain, self.layout, units, self.sample_stats)

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
        layout, units = self.layout, self.layout.units(scaling)
        table = np.stack([self.draws[name].to_numpy().ravel() for name in layout.names], axis=1)
        repeats = 1
        if self.given:
            chosen, repeats = np.arange(len(table)), samples or DEFAULT_SAMPLES
        elif samples is None:
            every = np.linspace(0, len(table) - 1, min(len(table), DEFAULT_SAMPLES))
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
        return Ensemble(self._engine, scaling, thetas, repeats, target)

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

    def _require_plane(self, what: str) -> None:
        if self.data.coords.shape[1] != 2:
            raise ValueError(
                f"{what} needs data in the plane; these have {self.data.coords.shape[1]} "
                "coordinate(s). Use jet_moments(points) for derivatives at points."
            )

    def _grid(self, grid: Grid | None) -> Grid:
        if grid is None:
            return Grid.from_data(self.data)
        if not isinstance(grid, Grid):
            raise TypeError(f"`grid` must be a womble.Grid; got {type(grid).__name__}.")
        require_same_crs(grid.crs, self.data.crs, "grid")
        return grid

    def _line_grid(self, grid: Grid | None) -> Grid:
        """The grid to find lines on; by default over the hull, as beyond it nothing is known."""
        return self._grid(Grid.from_data(self.data, mask="hull") if grid is None else grid)

    def _line_samples(self, samples: int | None) -> int:
        """200 by default, or all draws if there are fewer."""
        most = LINE_SAMPLES if self.given else min(LINE_SAMPLES, self._count)
        return most if samples is None else samples

    def _box(self, grid: Grid) -> FloatArray:
        """Box for paths, shape (2, 2): the data and all cells, and half a cell for rounding."""
        from womble.paths import path_domain

        dx, dy = grid.spacing
        low, high = (grid.x.min() - dx, grid.y.min() - dy), (grid.x.max() + dx, grid.y.max() + dy)
        return path_domain(self.data.coords, (*low, *high))

    def _shortest(self, min_length: float | None) -> float:
        """Shortest line; by default 5% of the largest distance between data."""
        from womble.priors import domain_diameter

        return 0.05 * domain_diameter(self.data.coords) if min_length is None else min_length

    def _source(self) -> str:
        sampled = "NUTS" if "diverging" in (self.sample_stats or ()) else "importance sampling"
        how = "given hyperparameters" if self.given else sampled
        kernel = f"{self.kernel!r}{', anisotropic' if self.layout.anisotropic else ''}"
        return f"womble: {kernel}, {self.trend} trend, {how}, n = {len(self.data.values)}"
