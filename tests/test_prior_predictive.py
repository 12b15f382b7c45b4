"""Surfaces of the priors have the priors' hyperparameters and law."""

import numpy as np
import numpy.testing as npt
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy.special import expit
from scipy.stats import invgamma, kstest

import womble as wb
from womble.hyperparameters import PLAIN
from womble.likelihoods import LIKELIHOODS
from womble.prior_predictive import draw_hyperparameters
from womble.priors import DefaultPriors
from womble.spatial_data import spatial_data


@pytest.fixture(scope="module")
def surfaces(zinc):
    grid = wb.Grid.from_data(zinc, spacing=20.0)
    model = wb.FieldModel(trend="linear")
    return model.prior_predictive(zinc, "zinc", grid=grid, samples=60, rng=1)


def test_hyperparameters_follow_the_default_priors(zinc):
    data = spatial_data(zinc, "zinc")
    drawn = draw_hyperparameters(data, PLAIN, None, 2000, np.random.default_rng(0))
    laws = DefaultPriors.of(data).laws
    law = laws["lengthscale"]
    assert kstest(drawn["lengthscale"], invgamma(law.alpha, scale=law.beta).cdf).pvalue > 1e-4
    # E x^2 of a half normal is its squared scale, with relative error sqrt(2 / 2000).
    for name in ("amplitude", "noise_sd"):
        npt.assert_allclose(
            np.mean(drawn[name] ** 2), laws[name].scale ** 2, rtol=4 * np.sqrt(2 / 2000)
        )


def test_the_users_priors_are_drawn_from(zinc):
    data = spatial_data(zinc, "zinc")
    own = {"lengthscale": pm.Uniform.dist(70.0, 71.0)}
    drawn = draw_hyperparameters(data, PLAIN, own, 50, np.random.default_rng(0))["lengthscale"]
    assert 70.0 <= drawn.min() < drawn.max() <= 71.0


def test_processes_have_their_amplitudes(surfaces):
    """At any one place Z / amplitude is standard normal, draw by draw."""
    z = (surfaces["process"] / surfaces["amplitude"]).stack(cell=("y", "x")).dropna("cell")
    middle = z[:, z.sizes["cell"] // 2].to_numpy()
    assert kstest(middle, "norm").pvalue > 1e-4


def test_short_lengthscales_are_rough(surfaces):
    """Steps between cells, relative to the amplitude, shrink with the lengthscale."""
    steps = surfaces["process"].diff("x").std(("y", "x")) / surfaces["amplitude"]
    assert np.corrcoef(np.log(steps), np.log(surfaces["lengthscale"]))[0, 1] < -0.5


def test_the_surface_adds_a_plane_about_the_datas_mean(zinc, surfaces):
    trend = (surfaces["surface"] - surfaces["process"]).isel(draw=0)
    for axis in ("x", "y"):
        npt.assert_allclose(trend.diff(axis).diff(axis), 0.0, atol=1e-9)
    offsets = (surfaces["surface"] - surfaces["process"]).mean(("y", "x")) - zinc["zinc"].mean()
    # The constant's prior sd is 10 standard deviations of the data; a mean of 60 of them.
    assert abs(float(offsets.mean())) < 4 * 1.5 * 10 * zinc["zinc"].std() / np.sqrt(60)


def test_attributes_and_seeds(zinc, surfaces):
    assert surfaces.sizes["draw"] == 60
    assert surfaces["process"].attrs["units"] == "mg kg-1"
    assert surfaces["lengthscale"].attrs["units"] == "m"
    assert "priors" in surfaces.attrs["source"]
    again = wb.FieldModel().prior_predictive(zinc, "zinc", samples=2, rng=1)
    xr.testing.assert_identical(
        again, wb.FieldModel().prior_predictive(zinc, "zinc", samples=2, rng=1)
    )


def test_refusals(zinc):
    with pytest.raises(ValueError, match="`samples` must be at least 1; got 0"):
        wb.FieldModel().prior_predictive(zinc, "zinc", samples=0)
    with pytest.raises(ValueError, match="`scale` must be 'link' or 'response'; got 'odds'"):
        wb.FieldModel().prior_predictive(zinc, "zinc", scale="odds")
    line = wb.Grid.from_data((np.linspace(0, 1, 20), np.arange(20.0)))
    with pytest.raises(ValueError, match=r"`grid` must have the data's 2 dimension.*got 1"):
        wb.FieldModel().prior_predictive(zinc, "zinc", grid=line)
    space = np.random.default_rng(0).uniform(size=(20, 3))
    with pytest.raises(ValueError, match=r"on a line or in the plane; these have 3 coordinates"):
        wb.FieldModel().prior_predictive((space, space[:, 0]))


@pytest.mark.parametrize(
    "model",
    [
        wb.FieldModel(kernel=wb.Matern(3.5) + wb.SquaredExponential()),
        wb.FieldModel(anisotropic=True),
    ],
    ids=["sum", "anisotropic"],
)
def test_all_hyperparameters_are_drawn(zinc, model):
    ds = model.prior_predictive(zinc, "zinc", samples=200, rng=2)
    names = [n for n in ds if str(n).startswith(("lengthscale", "amplitude", "anisotropy"))]
    assert len(names) == 4
    # Given the hyperparameters the process has the sum of their variances at every cell.
    variance = sum(ds[n] ** 2 for n in names if str(n).startswith("amplitude"))
    share = (ds.process**2).mean(["y", "x"]) / variance
    assert 0.7 < float(share.mean()) < 1.4


# --- other likelihoods, and lines ------------------------------------------------------------

RNG = np.random.default_rng(4)
SITES = {1: np.sort(RNG.uniform(0, 10, 40)), 2: RNG.uniform(0, 10, (40, 2))}
COUNTS = RNG.poisson(3.0, 40).astype(float)
RESPONSES = {
    "student_t": (COUNTS, {}),
    "poisson": (COUNTS, {"exposure": np.full(40, 2.0)}),
    "negative_binomial": (COUNTS, {}),
    "bernoulli": ((COUNTS > 2).astype(float), {}),
    "binomial": (np.minimum(COUNTS, 5), {"trials": np.full(40, 5.0)}),
    "gamma": (COUNTS + 1, {}),
}
UNLINK = {"identity": lambda f: f, "log": np.exp, "logit": expit}


@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("likelihood", RESPONSES)
def test_other_likelihoods_on_both_scales(likelihood, dimension):
    values, options = RESPONSES[likelihood]
    model, source = wb.FieldModel(likelihood=likelihood), (SITES[dimension], values)
    options = options | {"samples": 4, "rng": 1}
    link = model.prior_predictive(source, **options)
    response = model.prior_predictive(source, scale="response", **options)
    assert link.process.dims == ("draw", "y", "x")[:: 2 if dimension == 1 else 1]
    law = LIKELIHOODS[likelihood]
    assert set(link) == {"surface", "process", "lengthscale", "amplitude", *law.parameters}
    npt.assert_allclose(response.surface, UNLINK[law.link](link.surface), rtol=1e-12)
    if law.link == "identity":
        npt.assert_allclose(response.process, link.process, rtol=1e-12)
        return
    mean = {"log": values.mean(), "logit": values.mean()}[law.link]
    if likelihood == "poisson":
        mean /= 2  # a rate per unit of exposure
    if law.link == "logit":  # half a success and half a failure more
        trials = 40 * (5 if likelihood == "binomial" else 1)
        odds = (values.sum() + 0.5) / (trials - values.sum() + 0.5)
        expected = expit(np.log(odds) + link.process)
    else:
        expected = mean * np.exp(link.process)
    npt.assert_allclose(response.process, expected, rtol=1e-12)


@pytest.mark.parametrize("likelihood", ["gaussian", "student_t"])
def test_logarithms_are_undone(zinc, likelihood):
    options = {"transform": "log", "samples": 2, "rng": 3}
    link, response = (
        wb.FieldModel(likelihood=likelihood).prior_predictive(zinc, "zinc", scale=scale, **options)
        for scale in ("link", "response")
    )
    npt.assert_allclose(response.surface, np.exp(link.surface), rtol=1e-12)
    assert (link.attrs["scale"], response.attrs["scale"]) == ("link", "response")
    assert response.surface.attrs["units"] == "mg kg-1"
    assert link.surface.attrs["units"] == "ln(re 1 mg kg-1)"
    assert response.process.attrs["long_name"] == "zinc with the trend's prior mean"


def test_lines_have_the_kernels_correlation():
    """Fields of one lengthscale, at two positions a lengthscale apart."""
    priors = {"lengthscale": pm.Uniform.dist(1.999, 2.001)}
    grid = wb.Grid.from_data((SITES[1], COUNTS), spacing=2.0)
    model = wb.FieldModel(priors=priors, kernel=wb.Matern(1.5), likelihood="poisson")
    ds = model.prior_predictive((SITES[1], COUNTS), grid=grid, samples=2000, rng=2)
    z = (ds.process / ds.amplitude).to_numpy()
    rho = (1 + np.sqrt(3)) * np.exp(-np.sqrt(3))
    error = (1 + rho**2) / np.sqrt(2000)
    assert abs(np.mean(z[:, 1] * z[:, 2]) - rho) < 4 * error


def test_a_series_keeps_its_dates():
    days = pd.date_range("2024-01-01", periods=30)
    level = pd.Series(np.sin(np.arange(30.0)), index=days, name="level")
    ds = wb.FieldModel().prior_predictive(level, samples=2, rng=1)
    assert ds["time"].dtype.kind == "M"


def test_priors_of_the_likelihoods_own_and_by_name():
    source = (SITES[2], COUNTS)
    own = {"dispersion": pm.Uniform.dist(0.5, 0.6)}
    ds = wb.FieldModel(likelihood="negative_binomial", priors=own).prior_predictive(
        source, samples=20, rng=1
    )
    assert 0.5 < float(ds.dispersion.min()) < float(ds.dispersion.max()) < 0.6
    priors = wb.PenalisedComplexity(lengthscale=(3.0, 0.3), amplitude=(2.0, 0.2))
    ds = wb.FieldModel(likelihood="poisson", priors=priors).prior_predictive(
        source, samples=500, rng=1
    )
    for found, p in ((ds.lengthscale < 3.0, 0.3), (ds.amplitude > 2.0, 0.2)):
        assert abs(float(found.mean()) - p) < 4 * np.sqrt(p * (1 - p) / 500)
