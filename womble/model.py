"""FieldModel: what is assumed about a field, and its fit to data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from womble.engines import choose_engine
from womble.hyperparameters import Layout, given_hyperparameters
from womble.kernels import Kernel, Matern
from womble.measured import read_measurement_sd, read_slopes
from womble.posterior import Posterior
from womble.spatial_data import SpatialData, spatial_data
from womble.trend import Trend

if TYPE_CHECKING:
    import pandas as pd
    from pytensor.tensor import TensorVariable

    from womble.grid import Grid
    from womble.sampling import Method


@dataclass(frozen=True, kw_only=True)
class FieldModel:
    r"""A Gaussian process with trend, observed with Gaussian noise.

    .. math:: y_i = H(s_i) b + Z(s_i) + \epsilon_i, \quad
              Z \sim GP(0, \sigma^2 \rho(r / \ell)), \quad \epsilon_i \sim N(0, \tau^2)

    The field Z and the trend's coefficients b are integrated out exactly; the lengthscale
    :math:`\ell`, the amplitude :math:`\sigma` and the noise :math:`\tau` are sampled.

    Parameters
    ----------
    kernel : Kernel
        Correlation of Z; decides which derivatives exist.
    trend : {"none", "constant", "linear", "quadratic"}
        Polynomial in the coordinates; its coefficients have wide Gaussian priors. `none` is a field
        of mean 0: take a known mean off the values first.
    anisotropic : bool
        Whether the lengthscale depends on the direction, in the plane: geometric anisotropy, with
        hyperparameters `anisotropy_1`, `anisotropy_2` (see `womble.anisotropy`) around isotropy.
        `lengthscale` is then the geometric mean of the longest and the shortest.
    priors : mapping of str to PyMC distributions, optional
        For `lengthscale` (coordinate units), `amplitude` and `noise_sd` (link units), for example
        ``{"lengthscale": pm.InverseGamma.dist(alpha=3, beta=500)}``; numbered from 1 for a sum of
        kernels, in its order: `lengthscale_1`, .. Those not named keep their
        defaults (`womble.priors.DefaultPriors`).

    Raises
    ------
    ValueError
        If the trend is unknown.
    TypeError
        If the kernel is not a Kernel.
    """

    kernel: Kernel = field(default_factory=lambda: Matern(nu=3.5))
    trend: Literal["none", "constant", "linear", "quadratic"] = "constant"
    priors: Mapping[str, TensorVariable] | None = None
    anisotropic: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, Kernel):
            raise TypeError(
                "`kernel` must be a womble kernel, such as Matern(nu=3.5) or "
                f"SquaredExponential(); got {self.kernel!r}."
            )
        Trend(self.trend)

    def _checked(
        self,
        data: Any,
        value: str | None,
        measurement_sd: Any,
        gradient_data: tuple | None,
        **about: Any,
    ) -> SpatialData:
        """The data, centred unless the field has mean 0."""
        checked = spatial_data(data, value, **about)
        checked = replace(checked, centred=self.trend != "none")
        if measurement_sd is not None:
            sd = read_measurement_sd(measurement_sd, data, checked)
            checked = replace(checked, measurement_sd=sd)
        if gradient_data is not None:
            checked = replace(checked, slopes=read_slopes(gradient_data, checked))
        return checked

    def fit(
        self,
        data: Any,
        value: str | None = None,
        *,
        covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
        covariate_fields: Mapping[str, Any] | None = None,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        measurement_sd: Any = None,
        gradient_data: tuple | None = None,
        engine: Literal["auto", "dense", "spectral"] = "auto",
        inference: Method = "nuts",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Posterior:
        """The posterior of the hyperparameters, by NUTS unless told otherwise.

        Parameters
        ----------
        data : GeoDataFrame, (coords, values), DataArray or Series
            Points with a column of values; arrays of shape (n, d) and (n,); a 2-D raster. On a line
            or in time also a Series by its index or a 1-D DataArray, at numbers or dates.
        value : str, optional
            Column of the GeoDataFrame; otherwise the name of the response.
        covariates : sequence of str, DataFrame or mapping of str to arrays
            Columns of the GeoDataFrame; or the columns themselves, a row for each of the data.
            Numbers enter linearly, categories (text, booleans, pandas categories) by level. Their
            coefficients have wide Gaussian priors and are integrated out: `Posterior.coefficients`.
        covariate_fields : mapping of str to DataArray or function, optional
            Covariates that are known everywhere, so that targets `total` and `covariates` have
            their gradient: a raster (dimensions x, y; the cubic spline through its cell centres) or
            a function of points (p, 2) that returns value, gradient and Hessian (p, 6). Those that
            `covariates` does not name are read off at the data.
        transform : "log" or None
            The link scale on which the field is Gaussian.
        units : str, optional
            Units of the response; by default those that the data carry.
        measurement_sd : number, column of the GeoDataFrame or array with an entry a row, optional
            Known standard deviation of each measurement, on the link scale: after
            transform="log" of the logarithm (about the relative error). Its square is added to
            that of `noise_sd`, which then is what varies below the sampling scale.
        gradient_data : tuple, optional
            Measured slopes of the surface, on the link scale per coordinate unit:
            ``(coords (m, d), gradients (m, d), noise_sd)`` with NaN for components that were not
            measured, or ``(coords, directions (m, d), slopes (m,), noise_sd)`` for slopes along
            directions. Their noise_sd is known: a number, one a location, or one a slope.
        engine : {"auto", "dense", "spectral"}
            `dense` has exact closed forms for up to some 2,000 data, `spectral` a Fourier series
            for any number; `auto` chooses by the number of data.
        inference : {"nuts", "importance", "map"}
            `importance`: weighted points from Student-t distributions at the posterior's modes,
            resampled to draws that count alike; many times faster, with a diagnostic (k-hat) of
            its own, and replaced by NUTS where that fails. `map`: the highest mode of the density
            on logarithms (with your own priors, on PyMC's coordinates without bounds), and nothing
            of its uncertainty; as with `condition`, the field can be sampled any number of times.
        draws : int
            Kept draws a chain; of `importance` in all, some of them repeated
            (`post.inference` says how many are distinct).
        tune, chains : int
            Of NUTS: tuning steps a chain, and chains.
        rng : int or numpy.random.Generator, optional
            The same seed gives the same draws.
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError, TypeError
            If the data or an argument cannot be used; the message says why and what to do.

        Warns
        -----
        UserWarning
            On divergences, R-hat above 1.01 or fewer than 400 effective draws; where importance
            sampling fails and NUTS is run instead; where the lengthscale is short beside the
            spacing of the sites.

        References
        ----------
        Hoffman and Gelman (2014), JMLR 15; Vehtari et al. (2024), Pareto smoothed importance
        sampling, JMLR 25.
        """
        from womble.inference import hyperparameter_density, plausible_thetas
        from womble.sampling import check_method, sample, warn_of_short_lengthscale

        check_method(inference)
        for name, count, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
            if count < least:
                raise ValueError(f"`{name}` must be at least {least}; got {count}.")
        checked = self._checked(
            data,
            value,
            measurement_sd,
            gradient_data,
            transform=transform,
            units=units,
            covariates=covariates,
            covariate_fields=covariate_fields,
        )
        chosen, reason = choose_engine(
            engine,
            self.kernel,
            Trend(self.trend),
            checked,
            self.anisotropic,
            lambda part: plausible_thetas(part, Layout.of(self.kernel), checked, self.priors),
        )
        layout = Layout.of(self.kernel, self.anisotropic)
        found = sample(
            hyperparameter_density(chosen, layout, checked, self.priors),
            inference,
            draws=draws,
            tune=tune,
            chains=chains,
            rng=np.random.default_rng(rng),
            progress=progress,
        )
        warn_of_short_lengthscale(found.draws, checked.coords)
        stats, how = found.sample_stats, found.how
        return Posterior(checked, self.kernel, self.trend, found.draws, stats, reason, chosen, how)

    def prior_predictive(
        self,
        data: Any,
        value: str | None = None,
        *,
        grid: Grid | None = None,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        samples: int = 20,
        rng: int | np.random.Generator | None = None,
    ) -> xr.Dataset:
        """Surfaces drawn from the priors: how smooth, steep and high fields are beforehand.

        Parameters
        ----------
        data, value, transform, units
            As in `fit`: default priors take their scales from the data, and nothing else.
        grid : Grid, optional
            By default `Grid.from_data(data)`.
        samples : int
            Number of draws.
        rng : int or Generator, optional

        Returns
        -------
        xarray.Dataset
            Dimensions (draw, y, x), link scale: `process`, and `surface` with the trend, whose
            prior is very wide; `lengthscale`, `amplitude` and `noise_sd` of each draw. NaN outside
            the grid's mask.

        Raises
        ------
        ValueError, TypeError
            If the data are not in the plane, or an argument cannot be used.
        """
        from womble.grid import Grid
        from womble.prior_predictive import prior_surfaces
        from womble.spatial_data import require_same_crs

        if samples < 1:
            raise ValueError(f"`samples` must be at least 1; got {samples}.")
        checked = self._checked(data, value, None, None, transform=transform, units=units)
        if checked.coords.shape[1] != 2:
            raise ValueError(
                "prior_predictive() needs data in the plane; these have "
                f"{checked.coords.shape[1]} coordinate(s)."
            )
        grid = Grid.from_data(checked) if grid is None else grid
        require_same_crs(grid.crs, checked.crs, "grid")
        rng, trend = np.random.default_rng(rng), Trend(self.trend)
        layout = Layout.of(self.kernel, self.anisotropic)
        return prior_surfaces(checked, self.kernel, trend, layout, self.priors, grid, samples, rng)

    def condition(
        self,
        data: Any,
        value: str | None = None,
        *,
        lengthscale: float | Sequence[float],
        amplitude: float | Sequence[float],
        noise_sd: float,
        anisotropy: tuple[float, float] | None = None,
        covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
        covariate_fields: Mapping[str, Any] | None = None,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        measurement_sd: Any = None,
        gradient_data: tuple | None = None,
        engine: Literal["auto", "dense", "spectral"] = "auto",
    ) -> Posterior:
        """The field at given hyperparameters: simple kriging with an integrated trend.

        Parameters
        ----------
        data, value, covariates, covariate_fields, transform, units, measurement_sd
            As in `fit`.
        gradient_data, engine
            As in `fit`.
        lengthscale : float, or one for each component of a sum
            In coordinate units; positive.
        amplitude : float, or one for each component of a sum
            Standard deviation of Z, in link units; positive.
        noise_sd : float
            Standard deviation of the noise, in link units; at least 0.
        anisotropy : (ratio, angle), optional
            Of an anisotropic model, and only of one: longest over shortest lengthscale, at least
            1, and the direction of the longest in degrees counter-clockwise from the x axis.

        Returns
        -------
        Posterior
            With a single draw of the hyperparameters; its field can be sampled any number of
            times.

        Raises
        ------
        ValueError
            If a hyperparameter is out of range, or the data cannot be used.
        """
        given = given_hyperparameters(
            Layout.of(self.kernel, self.anisotropic),
            lengthscale=lengthscale,
            amplitude=amplitude,
            noise_sd=noise_sd,
            anisotropy=anisotropy,
        )
        checked = self._checked(
            data,
            value,
            measurement_sd,
            gradient_data,
            transform=transform,
            units=units,
            covariates=covariates,
            covariate_fields=covariate_fields,
        )
        layout = Layout.of(self.kernel, self.anisotropic)
        scaled = np.array(list(given.values())) / layout.units(checked.scaling)
        chosen, reason = choose_engine(
            engine,
            self.kernel,
            Trend(self.trend),
            checked,
            self.anisotropic,
            lambda _: [layout.theta(scaled)],
        )
        draws = xr.Dataset({name: (("chain", "draw"), [[x]]) for name, x in given.items()})
        return Posterior(checked, self.kernel, self.trend, draws, None, reason, chosen)
