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
from womble.posterior import Posterior
from womble.spatial_data import SpatialData, spatial_data
from womble.trend import Trend

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


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
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Posterior:
        """Sample the posterior of the hyperparameters by NUTS.

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
        draws, tune, chains : int
            Kept draws and tuning steps a chain, and chains.
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
            On divergences, R-hat above 1.01 or fewer than 400 effective draws.
        """
        from womble import inference

        for name, count, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
            if count < least:
                raise ValueError(f"`{name}` must be at least {least}; got {count}.")
        checked = self._checked(data, value, transform, units)
        chosen, reason = choose_engine(engine, self.kernel, Trend(self.trend), checked)
        posterior, stats = inference.nuts(
            inference.hyperparameter_density(chosen, Layout.of(self.kernel), checked, self.priors),
            draws=draws,
            tune=tune,
            chains=chains,
            rng=np.random.default_rng(rng),
            progress=progress,
        )
        inference.warn_of_trouble(posterior, stats)
        return Posterior(checked, self.kernel, self.trend, posterior, stats, reason, chosen)

    def condition(
        self,
        data: Any,
        value: str | None = None,
        *,
        lengthscale: float | Sequence[float],
        amplitude: float | Sequence[float],
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
        lengthscale : float, or one for each component of a sum
            In coordinate units; positive.
        amplitude : float, or one for each component of a sum
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
        given = given_hyperparameters(
            Layout.of(self.kernel), lengthscale=lengthscale, amplitude=amplitude, noise_sd=noise_sd
        )
        checked = self._checked(data, value, transform, units)
        chosen, reason = choose_engine(engine, self.kernel, Trend(self.trend), checked)
        draws = xr.Dataset({name: (("chain", "draw"), [[x]]) for name, x in given.items()})
        return Posterior(checked, self.kernel, self.trend, draws, None, reason, chosen)
