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
from womble.response import (
    LikelihoodName,
    check_likelihood,
    per_row,
    require_inference,
    require_no_transform,
    response,
)
from womble.spatial_data import SpatialData, spatial_data
from womble.trend import Trend

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


@dataclass(frozen=True, kw_only=True)
class FieldModel:
    r"""A Gaussian process with trend, observed with noise or through another likelihood.

    .. math:: y_i | \eta_i \sim p(y_i | \eta_i), \quad \eta_i = H(s_i) b + Z(s_i), \quad
              Z \sim GP(0, \sigma^2 \rho(r / \ell))

    With Gaussian noise :math:`y_i = \eta_i + \epsilon_i, \epsilon_i \sim N(0, \tau^2)` the field Z
    and the trend's coefficients b are integrated out exactly; the lengthscale :math:`\ell`, the
    amplitude :math:`\sigma` and the noise :math:`\tau` are sampled. With other likelihoods the
    field is sampled with them, or integrated out by Laplace's approximation.

    Parameters
    ----------
    kernel : Kernel
        Correlation of Z; decides which derivatives exist.
    trend : {"none", "constant", "linear", "quadratic"}
        Polynomial in the coordinates; its coefficients have wide Gaussian priors. `none` is a field
        of mean 0: take a known mean off the values first.
    likelihood : str
        "gaussian"; "student_t" (`noise_scale`, `degrees_of_freedom`); "poisson";
        "negative_binomial" (`dispersion` a: variance m + a m^2); "bernoulli"; "binomial"; "gamma"
        (`shape` a: variance m^2 / a). The mean is the field itself ("gaussian", "student_t"), its
        exponential (counts, "gamma") or its inverse logit ("bernoulli", "binomial").
    anisotropic : bool
        Whether the lengthscale depends on the direction, in the plane: geometric anisotropy, with
        hyperparameters `anisotropy_1`, `anisotropy_2` (see `womble.anisotropy`) around isotropy.
        `lengthscale` is then the geometric mean of the longest and the shortest. With
        likelihood="gaussian" only.
    priors : mapping of str to PyMC distributions, optional
        For `lengthscale` (coordinate units), `amplitude` and `noise_sd` (link units), or the
        likelihood's parameters named above, for example
        ``{"lengthscale": pm.InverseGamma.dist(alpha=3, beta=500)}``; numbered from 1 for a sum of
        kernels, in its order: `lengthscale_1`, .. Those not named keep their
        defaults (`womble.priors.DefaultPriors`).

    Raises
    ------
    ValueError
        If the trend or the likelihood is unknown.
    TypeError
        If the kernel is not a Kernel.
    """

    kernel: Kernel = field(default_factory=lambda: Matern(nu=3.5))
    trend: Literal["none", "constant", "linear", "quadratic"] = "constant"
    priors: Mapping[str, TensorVariable] | None = None
    likelihood: LikelihoodName = "gaussian"
    anisotropic: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, Kernel):
            raise TypeError(
                "`kernel` must be a womble kernel, such as Matern(nu=3.5) or "
                f"SquaredExponential(); got {self.kernel!r}."
            )
        Trend(self.trend)
        check_likelihood(self.likelihood, self.anisotropic)

    def _checked(
        self,
        data: Any,
        value: str | None,
        transform: Literal["log"] | None,
        units: str | None,
        exposure: Any,
        trials: Any,
    ) -> SpatialData:
        """The data, centred unless the field has mean 0."""
        require_no_transform(self.likelihood, transform)
        checked = spatial_data(data, value, transform=transform, units=units)
        amounts = {
            name: per_row(data, given, checked.rows, name)
            for name, given in (("exposure", exposure), ("trials", trials))
        }
        of = response(self.likelihood, checked.values, checked.name, **amounts)
        return replace(checked, centred=self.trend != "none", response=of)

    def fit(
        self,
        data: Any,
        value: str | None = None,
        *,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        exposure: Any = None,
        trials: Any = None,
        inference: Literal["nuts", "laplace"] = "nuts",
        engine: Literal["auto", "dense"] = "auto",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Posterior:
        """Sample the posterior of the hyperparameters, and of the field where it is not Gaussian.

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
        exposure : str or array, optional
            Column, or a positive number for each row, that Poisson and negative binomial counts
            are proportional to; the field is then of rates per unit of it.
        trials : str or array, optional
            Column, or a number for each row, that binomial counts are out of.
        inference : {"nuts", "laplace"}
            With other likelihoods than "gaussian": NUTS over hyperparameters and field together,
            or Laplace's approximation of the field with importance sampling of the
            hyperparameters, which is quick and errs most with few counts or binary responses.
        engine : {"auto", "dense"}
            Of the Gaussian likelihood.
        draws, tune, chains : int
            Kept draws and tuning steps a chain, and chains; with "laplace" draws in all.
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
        from womble import inference as sampling

        for name, count, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
            if count < least:
                raise ValueError(f"`{name}` must be at least {least}; got {count}.")
        checked = self._checked(data, value, transform, units, exposure, trials)
        require_inference(self.likelihood, inference, engine, exact="nuts")
        rng = np.random.default_rng(rng)
        if checked.response is not None:
            from womble import latent_model

            return latent_model.fit(
                latent_model.Latent(self.kernel, self.trend, checked),
                self.priors,
                inference=inference,
                draws=draws,
                tune=tune,
                chains=chains,
                rng=rng,
                progress=progress,
            )
        chosen, reason = choose_engine(
            engine, self.kernel, Trend(self.trend), checked, self.anisotropic
        )
        posterior, stats = sampling.nuts(
            sampling.hyperparameter_density(
                chosen, Layout.of(self.kernel, self.anisotropic), checked, self.priors
            ),
            draws=draws,
            tune=tune,
            chains=chains,
            rng=rng,
            progress=progress,
        )
        sampling.warn_of_trouble(posterior, stats)
        return Posterior(checked, self.kernel, self.trend, posterior, stats, reason, chosen)

    def condition(
        self,
        data: Any,
        value: str | None = None,
        *,
        lengthscale: float | Sequence[float],
        amplitude: float | Sequence[float],
        noise_sd: float | None = None,
        noise_scale: float | None = None,
        degrees_of_freedom: float | None = None,
        dispersion: float | None = None,
        shape: float | None = None,
        anisotropy: tuple[float, float] | None = None,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        exposure: Any = None,
        trials: Any = None,
        inference: Literal["nuts", "laplace"] = "laplace",
        engine: Literal["auto", "dense"] = "auto",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Posterior:
        """The field at given hyperparameters: with Gaussian noise kriging with integrated trend.

        Parameters
        ----------
        data, value, transform, units, exposure, trials, engine
            As in `fit`.
        lengthscale : float, or one for each component of a sum
            In coordinate units; positive.
        amplitude : float, or one for each component of a sum
            Standard deviation of Z, in link units; positive.
        noise_sd : float
            Standard deviation of Gaussian noise, in link units; at least 0.
        noise_scale, degrees_of_freedom, dispersion, shape : float
            Of the other likelihoods that have them; positive.
        anisotropy : (ratio, angle), optional
            Of an anisotropic model, and only of one: longest over shortest lengthscale, at least
            1, and the direction of the longest in degrees counter-clockwise from the x axis.
        inference, draws, tune, chains, rng, progress
            As in `fit`, for other likelihoods than "gaussian"; only "nuts" draws anything.

        Returns
        -------
        Posterior
            With a single draw of the hyperparameters, whose field can be sampled any number of
            times; from NUTS with a draw of the field each.

        Raises
        ------
        ValueError
            If a hyperparameter is missing or out of range, or the data cannot be used.
        """
        checked = self._checked(data, value, transform, units, exposure, trials)
        require_inference(self.likelihood, inference, engine, exact="laplace")
        latent = checked.response is not None
        layout = Layout.of(self.kernel, self.anisotropic)
        if latent:
            layout = checked.response.layout(self.kernel)
        others = {
            "noise_scale": noise_scale,
            "degrees_of_freedom": degrees_of_freedom,
            "dispersion": dispersion,
            "shape": shape,
        }
        given = given_hyperparameters(
            layout,
            lengthscale=lengthscale,
            amplitude=amplitude,
            noise_sd=noise_sd,
            others=others,
            anisotropy=anisotropy,
        )
        if latent:
            from womble import latent_model

            return latent_model.condition(
                latent_model.Latent(self.kernel, self.trend, checked),
                given,
                inference=inference,
                draws=draws,
                tune=tune,
                chains=chains,
                rng=np.random.default_rng(rng),
                progress=progress,
            )
        chosen, reason = choose_engine(
            engine, self.kernel, Trend(self.trend), checked, self.anisotropic
        )
        draws = xr.Dataset({name: (("chain", "draw"), [[x]]) for name, x in given.items()})
        return Posterior(checked, self.kernel, self.trend, draws, None, reason, chosen)
