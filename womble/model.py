"""FieldModel: what is assumed about a field, and its fit to data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from womble.arguments import checked
from womble.hyperparameters import Layout, given_hyperparameters
from womble.kernels import Kernel, Matern
from womble.model_choice import ModelChoice
from womble.posterior import Posterior
from womble.response import LikelihoodName, check_likelihood, require_inference
from womble.spatial_data import SpatialData
from womble.trend import Trend

if TYPE_CHECKING:
    import pandas as pd

    from womble.latent_model import Inference
    from womble.priors import Priors
    from womble.sampling import Method


@checked
@dataclass(frozen=True, kw_only=True)
class FieldModel(ModelChoice):
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
    priors : mapping of str to PyMC distributions, PenalisedComplexity or str, optional
        For `lengthscale` (coordinate units), `amplitude` and `noise_sd` (link units), or the
        likelihood's parameters named above, for example
        ``{"lengthscale": pm.InverseGamma.dist(alpha=3, beta=500)}``; numbered from 1 for a sum of
        kernels, in its order: `lengthscale_1`, .. Those not named keep their
        defaults (`womble.priors.DefaultPriors`). `PenalisedComplexity` states lengthscale and
        amplitude by a tail of each; "penalised_complexity" takes the tails from the data: 5% for a
        lengthscale below the spacing of neighbours, 5% for an amplitude above three standard
        deviations of the data (above 3 where the link is log or logit).

    Raises
    ------
    ValueError
        If the trend or the likelihood is unknown.
    TypeError
        If the kernel is not a Kernel.

    Examples
    --------
    >>> import womble as wb
    >>> wb.FieldModel(kernel=wb.Matern(nu=2.5), trend="linear").kernel
    Matern(nu=2.5)
    >>> wb.FieldModel(trend="cubic")
    Traceback (most recent call last):
    ValueError: ...
    """

    kernel: Kernel = field(default_factory=lambda: Matern(nu=3.5))
    trend: Literal["none", "constant", "linear", "quadratic"] = "constant"
    priors: Priors = None
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

    def _checked(self, data: Any, value: str | None, **given: Any) -> SpatialData:
        """The data, centred unless the field has mean 0."""
        from womble.measured import observed_data

        return observed_data(self.likelihood, data, value, centred=self.trend != "none", **given)

    @checked
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
        weights: Any = None,
        left_censored: Any = None,
        right_censored: Any = None,
        gradient_data: tuple | None = None,
        exposure: Any = None,
        trials: Any = None,
        engine: Literal["auto", "dense", "spectral"] = "auto",
        inference: Method | Inference = "nuts",
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Posterior:
        """The posterior of the hyperparameters, and of the field where it is not Gaussian.

        Parameters
        ----------
        data : GeoDataFrame, (coords, values), DataArray, Series, Points or dask DataFrame
            Points with a column of values, in memory or, by `womble.open_points` or as a dask
            DataFrame, in parts that are never held together; arrays of shape (n, d) and (n,); a 2-D
            raster. On a line or in time also a Series by its index or a 1-D DataArray, at numbers
            or dates.
        value : str, optional
            Column of the table; otherwise the name of the response.
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
        weights : number, column of the GeoDataFrame or array with an entry a row, optional
            Number m of measurements that each value is the mean of (on the link scale): the
            variance of its noise is noise_sd^2 / m, before `measurement_sd`. Repeats at one
            location may as well be given as rows of their own.
        left_censored, right_censored : column or array with an entry a row, true or false, optional
            Where true, the value is a limit, on the scale of the values, that the measurement was
            below (a detection limit) or above (a gauge's range). With likelihood="gaussian"; the
            field then has no closed form, and `inference` is "nuts" or "laplace".
        gradient_data : tuple, optional
            Measured slopes of the surface, on the link scale per coordinate unit:
            ``(coords (m, d), gradients (m, d), noise_sd)`` with NaN for components that were not
            measured, or ``(coords, directions (m, d), slopes (m,), noise_sd)`` for slopes along
            directions. Their noise_sd is known: a number, one a location, or one a slope.
        exposure : column of the GeoDataFrame or array with an entry a row, optional
            What Poisson and negative binomial counts are proportional to, positive; the field is
            then of rates per unit of it.
        trials : column of the GeoDataFrame or array with an entry a row, optional
            What binomial counts are out of.
        engine : {"auto", "dense", "spectral"}
            Of Gaussian noise: `dense` has exact closed forms for up to some 2,000 data, `spectral`
            a Fourier series for any number; `auto` chooses by the number of data. Other likelihoods
            have an engine of their own: `auto`.
        inference : {"nuts", "importance", "map", "laplace"}
            With Gaussian noise `importance`: weighted points from Student-t distributions at the
            posterior's modes, around the prior and wherever they lack mass, resampled to draws that
            count alike; many times faster, with a diagnostic (k-hat) of its own, and replaced by
            NUTS where that fails. `map`: the highest mode of the density on logarithms (with your
            own priors, on PyMC's coordinates without bounds), and nothing of its uncertainty; as
            with `condition`, the field can be sampled any number of times. With other likelihoods
            `nuts` is over hyperparameters and field together; `laplace` takes Laplace's
            approximation of the field and importance sampling of the hyperparameters, which is
            quick and errs most with few counts or binary responses. Censored values count as
            another likelihood.
        draws : int
            Kept draws a chain; of `importance` and `laplace` in all, some of them repeated
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
            sampling fails (with Gaussian noise NUTS is then run instead); where the lengthscale is
            short beside the spacing of the sites.

        References
        ----------
        Hoffman and Gelman (2014), JMLR 15; Raftery and Bao (2010), Biometrics 66; Vehtari et al.
        (2024), Pareto smoothed importance sampling, JMLR 25.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().fit(
        ...     zinc, "zinc", transform="log", inference="map", rng=1, progress=False
        ... )
        >>> round(float(post.summary().loc["lengthscale", "mean"]), -1)  # metres
        570.0
        """
        from womble import gaussian_model, latent_model
        from womble.diagnostics import warn_of_short_lengthscale
        from womble.origin import with_origin
        from womble.sampling import Method

        for name, count, least in (("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
            if count < least:
                raise ValueError(f"`{name}` must be at least {least}; got {count}.")
        checked = self._checked(
            data,
            value,
            transform=transform,
            units=units,
            covariates=covariates,
            covariate_fields=covariate_fields,
            measurement_sd=measurement_sd,
            weights=weights,
            left_censored=left_censored,
            right_censored=right_censored,
            gradient_data=gradient_data,
            exposure=exposure,
            trials=trials,
        )
        require_inference(checked.response, inference, engine, of_gaussian=get_args(Method))
        settings = {"inference": inference, "draws": draws, "tune": tune, "chains": chains}
        settings |= {"rng": np.random.default_rng(rng), "progress": progress}
        if checked.response is None:
            post = gaussian_model.fit(self, checked, engine, **settings)
        else:
            model = latent_model.Latent(self.kernel, self.trend, checked)
            post = latent_model.fit(model, self.priors, **settings)
        if checked.whole is None:  # neighbours in a sample are farther apart than in the data
            warn_of_short_lengthscale(post.draws, checked.coords)
        return replace(post, draws=with_origin(post.draws, post.layout, checked, self.priors, rng))

    @checked
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
        covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
        covariate_fields: Mapping[str, Any] | None = None,
        transform: Literal["log"] | None = None,
        units: str | None = None,
        measurement_sd: Any = None,
        weights: Any = None,
        left_censored: Any = None,
        right_censored: Any = None,
        gradient_data: tuple | None = None,
        exposure: Any = None,
        trials: Any = None,
        engine: Literal["auto", "dense", "spectral"] = "auto",
        inference: Inference | None = None,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Posterior:
        """The field at given hyperparameters: with Gaussian noise kriging with integrated trend.

        Parameters
        ----------
        data, value, covariates, covariate_fields, transform, units
            As in `fit`.
        measurement_sd, weights, left_censored, right_censored, gradient_data, exposure, trials
            As in `fit`.
        engine
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
        inference : {"laplace", "nuts"}, optional
            Of the field with other likelihoods than "gaussian", for which it is exact, and with
            censored values; by default "laplace".
        draws, tune, chains, rng, progress
            As in `fit`, of "nuts".

        Returns
        -------
        Posterior
            With a single draw of the hyperparameters, whose field can be sampled any number of
            times; from NUTS with a draw of the field each.

        Raises
        ------
        ValueError
            If a hyperparameter is missing or out of range, or the data cannot be used.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> print(post)
        Posterior of log zinc, n = 155: Matern(nu=3.5), constant trend
          engine: dense (exact Cholesky factors): n = 155 is at most 2000
          inference: given hyperparameters
          medians: lengthscale 590, amplitude 1.2, noise_sd 0.33
        """
        from womble import gaussian_model, latent_model

        checked = self._checked(
            data,
            value,
            transform=transform,
            units=units,
            covariates=covariates,
            covariate_fields=covariate_fields,
            measurement_sd=measurement_sd,
            weights=weights,
            left_censored=left_censored,
            right_censored=right_censored,
            gradient_data=gradient_data,
            exposure=exposure,
            trials=trials,
        )
        require_inference(checked.response, inference, engine, of_gaussian=(None,))
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
            model = latent_model.Latent(self.kernel, self.trend, checked)
            return latent_model.condition(
                model,
                given,
                inference=inference or "laplace",
                draws=draws,
                tune=tune,
                chains=chains,
                rng=np.random.default_rng(rng),
                progress=progress,
            )
        return gaussian_model.condition(self, checked, given, engine)
