"""Surfaces of the priors have the priors' hyperparameters and law."""

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
import xarray as xr
from scipy.stats import invgamma, kstest

import womble as wb
from womble.hyperparameters import PLAIN
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
    x = np.linspace(0, 1, 20)
    with pytest.raises(ValueError, match=r"needs data in the plane; these have 1 coordinate"):
        wb.FieldModel().prior_predictive((x, x**2))


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
