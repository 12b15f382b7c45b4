"""FieldModel: what is assumed about a field, and its fit to data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from womble.engines import choose_engine
from womble.engines.base import Theta
from womble.kernels import Kernel, Matern
from womble.posterior import Posterior
from womble.spatial_data import SpatialData, spatial_data
from womble.trend import Trend

if TYPE_CHECKING:
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
    priors : mapping of str to PyMC distributions, optional
        For `lengthscale` (coordinate units), `amplitude` and `noise_sd` (link units), for example
        ``{"lengthscale": pm.InverseGamma.dist(alpha=3, beta=500)}``. Those not named keep their
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

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, Kernel):
            raise TypeError(
                "`kernel` must be a womble kernel, such as Matern(nu=3.5) or "
                f"SquaredExponential(); got {self.kernel!r}."
            )
        Trend(self.trend)

    def _checked(
        self, data: Any, value: str | None, transform: Literal["log"] | None, units: str | None
    ) -> SpatialData:
        """The data, centred unless the field has mean 0."""
        checked = spatial_data(data, value, transform=transform, units=units)
        return replace(checked, centred=self.trend != "none")

    def fit(
        self,
        data: Any,
        value: str | None = None,
        *,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        engine: Literal["auto", "dense"] = "auto",
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
        data : GeoDataFrame, (coords, values) or DataArray
            Points with a column of values; arrays of shape (n, d) and (n,); a 2-D raster.
        value : str, optional
            Column of the GeoDataFrame; otherwise the name of the response.
        transform : "log" or None
            The link scale on which the field is Gaussian.
        units : str, optional
            Units of the response; by default those that the data carry.
        engine : {"auto", "dense"}
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
        from womble.inference import hyperparameter_density
        from womble.sampling import check_method, sample, warn_of_short_lengthscale

        check_method(inference)
        for name, count, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
            if count < least:
                raise ValueError(f"`{name}` must be at least {least}; got {count}.")
        checked = self._checked(data, value, transform, units)
        chosen, reason = choose_engine(engine, self.kernel, Trend(self.trend), checked)
        found = sample(
            hyperparameter_density(chosen, checked, self.priors),
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
        checked = self._checked(data, value, transform, units)
        if checked.coords.shape[1] != 2:
            raise ValueError(
                "prior_predictive() needs data in the plane; these have "
                f"{checked.coords.shape[1]} coordinate(s)."
            )
        grid = Grid.from_data(checked) if grid is None else grid
        require_same_crs(grid.crs, checked.crs, "grid")
        rng, trend = np.random.default_rng(rng), Trend(self.trend)
        return prior_surfaces(checked, self.kernel, trend, self.priors, grid, samples, rng)

    def condition(
        self,
        data: Any,
        value: str | None = None,
        *,
        lengthscale: float,
        amplitude: float,
        noise_sd: float,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        engine: Literal["auto", "dense"] = "auto",
    ) -> Posterior:
        """The field at given hyperparameters: simple kriging with an integrated trend.

        Parameters
        ----------
        data, value, transform, units, engine
            As in `fit`.
        lengthscale : float
            In coordinate units; positive.
        amplitude : float
            Standard deviation of Z, in link units; positive.
        noise_sd : float
            Standard deviation of the noise, in link units; at least 0.

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
        given = Theta(lengthscale, amplitude, noise_sd)
        for name, number in given._asdict().items():
            least = "at least 0" if name == "noise_sd" else "positive"
            if not (np.isfinite(number) and (number > 0 or (name == "noise_sd" and number == 0))):
                raise ValueError(f"`{name}` must be {least} and finite; got {number!r}.")
        checked = self._checked(data, value, transform, units)
        chosen, reason = choose_engine(engine, self.kernel, Trend(self.trend), checked)
        draws = xr.Dataset(
            {name: (("chain", "draw"), [[float(x)]]) for name, x in given._asdict().items()}
        )
        return Posterior(checked, self.kernel, self.trend, draws, None, reason, chosen)
