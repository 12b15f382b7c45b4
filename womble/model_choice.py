"""What a model says before a fit, and what data say of its smoothness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from womble.arguments import checked
from womble.hyperparameters import Layout
from womble.trend import Trend

if TYPE_CHECKING:
    import pandas as pd

    from womble.grid import Grid
    from womble.sampling import Method
    from womble.transect import Transect


class ModelChoice:
    """Methods of a `FieldModel`, which has the attributes, that help to choose it."""

    @checked
    def compare_smoothness(
        self,
        data: Any,
        value: str | None = None,
        *,
        nu: Sequence[float] = (1.5, 2.5, 3.5, 4.5, np.inf),
        covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
        transform: Literal["log"] | None = None,
        units: str | None = None,
        measurement_sd: Any = None,
        weights: Any = None,
        gradient_data: tuple | None = None,
        inference: Method = "importance",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """This model with other smoothness, compared by leave-one-out: what data tell of nu.

        Usually little: nu is about distances below the spacing of the sites, and noise hides what
        happens there. Smoothness that the table does not tell apart is a choice, by what is known
        of the field and by the derivatives that are asked for; conclusions should hold with each.
        Fits are by the dense engine, which leaves observations out exactly; its cost grows with the
        cube of their number.

        Parameters
        ----------
        data, value, covariates, transform, units, measurement_sd, weights, gradient_data
            As in `fit`.
        nu : sequence of float
            At least two, different; each makes a `Matern(nu)` in place of the model's kernel,
            infinity the squared exponential.
        inference, draws, tune, chains, progress
            As in `fit`, for each.
        rng : int or Generator, optional
            All fits have the same seed.

        Returns
        -------
        DataFrame
            A row for each nu, the best first, with the columns of `wb.compare` (elpd and its
            difference from the best, with standard errors), `lengthscale` and `lengthscale_sd` of
            the posterior, `k_hat` of the importance sampling, and which derivatives exist:
            `gradient`, `hessian`, and `crest_lines_of_draws` of finite length (nu > 3).
            `attrs["advice"]` says in words which nu the data do not tell apart.

        Raises
        ------
        ValueError, TypeError
            If the kernel is neither Matern nor SquaredExponential, the likelihood not Gaussian,
            `nu` not two different smoothnesses, or the data cannot be used.

        Warns
        -----
        UserWarning
            As `fit` and `Posterior.check`.

        References
        ----------
        Stein (1999), Interpolation of Spatial Data, ch. 6; Sivula, Magnusson and Vehtari (2020),
        Uncertainty in Bayesian leave-one-out cross-validation based model comparison.
        """
        from womble.smoothness import compare_smoothness

        return compare_smoothness(
            self,
            data,
            value,
            nu,
            int(rng)
            if isinstance(rng, int | np.integer)
            else int(np.random.default_rng(rng).integers(2**31)),
            covariates=covariates,
            transform=transform,
            units=units,
            measurement_sd=measurement_sd,
            weights=weights,
            gradient_data=gradient_data,
            engine="dense",
            inference=inference,
            draws=draws,
            tune=tune,
            chains=chains,
            progress=progress,
        )

    @checked
    def prior_predictive(
        self,
        data: Any,
        value: str | None = None,
        *,
        grid: Grid | Transect | None = None,
        scale: Literal["link", "response"] = "link",
        transform: Literal["log"] | None = None,
        units: str | None = None,
        exposure: Any = None,
        trials: Any = None,
        samples: int = 20,
        rng: int | np.random.Generator | None = None,
    ) -> xr.Dataset:
        """Surfaces drawn from the priors: how smooth, steep and high fields are beforehand.

        Parameters
        ----------
        data, value, transform, units, exposure, trials
            As in `fit`: default priors take their scales from the data, and nothing else.
        grid : Grid or Transect, optional
            By default `Grid.from_data(data)`.
        scale : {"link", "response"}
            Whether fields are as they are, or back-transformed to rates (per unit of exposure),
            probabilities or values.
        samples : int
            Number of draws.
        rng : int or Generator, optional

        Returns
        -------
        xarray.Dataset
            Dimensions (draw, y, x), on a line draw and position: `process`, and `surface` with the
            trend, whose prior is very wide; on the response scale the process about the trend's
            prior mean. The hyperparameters of each draw by name. NaN outside the grid's mask.

        Raises
        ------
        ValueError, TypeError
            If the data are neither in the plane nor on a line, or an argument cannot be used.
        """
        from womble.grid import Grid
        from womble.prior_predictive import prior_surfaces, require_grid

        if samples < 1:
            raise ValueError(f"`samples` must be at least 1; got {samples}.")
        if scale not in ("link", "response"):
            raise ValueError(f"`scale` must be 'link' or 'response'; got {scale!r}.")
        checked = self._checked(
            data, value, transform=transform, units=units, exposure=exposure, trials=trials
        )
        if checked.coords.shape[1] > 2:
            raise ValueError(
                "prior_predictive() needs data on a line or in the plane; these have "
                f"{checked.coords.shape[1]} coordinates."
            )
        grid = Grid.from_data(checked) if grid is None else grid
        require_grid(grid, checked)
        layout = Layout.of(self.kernel, self.anisotropic)
        if checked.response is not None:
            layout = checked.response.layout(self.kernel)
        return prior_surfaces(
            checked,
            self.kernel,
            Trend(self.trend),
            layout,
            self.priors,
            grid,
            scale,
            samples,
            np.random.default_rng(rng),
        )
