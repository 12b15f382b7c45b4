"""Answers on a grid."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from womble.engines.base import Target
from womble.grid import Grid
from womble.posterior.fitted import Fitted, require_marginal_rule
from womble.warn import warn


class Maps(Fitted):
    """The methods of a Posterior whose answers are grids."""

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
        from womble import surface

        self._require_plane("surface()")
        require_marginal_rule(rule, alpha)
        if scale not in ("link", "response"):
            raise ValueError(f"`scale` must be 'link' or 'response'; got {scale!r}.")
        if self.order < 2:
            warn(
                f"{self.kernel!r} has no Hessian: second-order variables are left out. Use "
                "Matern(nu) with nu > 2 to have them."
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
