"""Fields of sampled PyMC models: PyMC's own predictions, draw by draw."""

import warnings

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr

import womble as wb
from womble.interop.pymc import NAMES

RNG = np.random.default_rng(3)
COORDS = RNG.uniform(0, 10, (25, 2))
VALUES = np.sin(COORDS[:, 0]) + 0.3 * COORDS[:, 1] - 1 + 0.2 * RNG.standard_normal(25)
POINTS = np.array([[2.0, 3.0], [5.5, 7.0], [9.9, 0.1], COORDS[0]])


def model_of(covariance, coords=COORDS, values=VALUES):
    """A model as a user would write it, and its Gaussian process."""
    import pymc as pm

    with pm.Model() as model:
        ls = pm.InverseGamma("ls", alpha=5, beta=10)
        eta = pm.HalfNormal("eta", sigma=2)
        sigma = pm.HalfNormal("sigma", sigma=0.5)
        gp = pm.gp.Marginal(cov_func=eta**2 * getattr(pm.gp.cov, covariance)(coords.shape[1], ls))
        gp.marginal_likelihood("y", X=coords, y=values, sigma=sigma)
    return model, gp


def prediction(model, gp, points):
    """PyMC's mean and covariance of the field at `points`, as a function of ls, eta and sigma."""
    import pytensor
    from pytensor.compile.mode import Mode

    with model:
        # Without the 1e-6 that it adds to the variances of the data by default.
        f = gp.conditional("f", points, jitter=0.0)
    inputs, outputs = [model[name] for name in NAMES.values()], f.owner.op.dist_params(f.owner)
    return pytensor.function(inputs, outputs, mode=Mode(linker="py", optimizer=None))


def draws_of(seed=0, **replaced):
    rng = np.random.default_rng(seed)
    numbers = {"ls": (1.0, 4.0), "eta": (0.5, 2.0), "sigma": (0.1, 0.4)}
    drawn = {
        name: (("chain", "draw"), rng.uniform(*ends, (2, 3))) for name, ends in numbers.items()
    }
    axes = {"chain": np.arange(2), "draw": np.arange(3)}
    return xr.Dataset(drawn | replaced, axes)


def container(**groups):
    """What pm.sample returns with the installed PyMC."""
    import arviz

    if int(arviz.__version__.split(".")[0]) < 1:
        return arviz.InferenceData(**groups)
    return xr.DataTree.from_dict(groups)


@pytest.mark.parametrize(
    ("covariance", "kernel", "d"),
    [
        ("Matern32", wb.Matern(1.5), 2),
        ("Matern52", wb.Matern(2.5), 2),
        ("ExpQuad", wb.SquaredExponential(), 2),
        ("Matern52", wb.Matern(2.5), 1),
    ],
)
def test_each_draw_predicts_as_pymc_does(covariance, kernel, d):
    coords, points = COORDS[:, :d], POINTS[:, :d]
    predict = prediction(*model_of(covariance, coords), points)
    ds = draws_of()
    post = wb.from_pymc(ds, coords, VALUES, kernel=kernel)
    ensemble = post.ensemble("surface", None, np.random.default_rng(0))
    means, variances = [], []
    for i, theta in enumerate(ensemble.thetas):
        mean, theirs = predict(*(float(ds[name].to_numpy().ravel()[i]) for name in ds))
        ours, spread = ensemble.condition(theta).groups(points[None], 0)
        npt.assert_allclose(ours[0], mean, rtol=1e-6, atol=1e-6)
        npt.assert_allclose(spread[0], theirs, rtol=1e-6, atol=1e-6)
        means.append(mean)
        variances.append(np.diag(theirs))
    mean, spread = post.jet_moments(points, order=0)
    npt.assert_allclose(mean[:, 0], np.mean(means, axis=0), rtol=1e-6, atol=1e-6)
    total = np.mean(variances, axis=0) + np.var(means, axis=0)
    npt.assert_allclose(spread[:, 0, 0], total, rtol=1e-6, atol=1e-6)


def test_a_sampled_model_answers_with_gradients(tmp_path):
    import pymc as pm
    import pytensor

    model, _ = model_of("Matern52")
    with warnings.catch_warnings(), pytensor.config.change_flags(mode="FAST_COMPILE"), model:
        warnings.simplefilter("ignore")  # of so few draws
        # Without gradients, which take PyMC a minute to compile.
        sampled = pm.sample(
            draws=10, tune=10, chains=2, cores=1, step=pm.Metropolis(), random_seed=1,
            progressbar=False, compute_convergence_checks=False,
        )  # fmt: skip
    post = wb.from_pymc(sampled, COORDS, VALUES, kernel=wb.Matern(2.5), units="K")
    assert not post.given
    theirs = sampled["posterior"]["ls"].to_numpy()
    npt.assert_array_equal(post.draws["lengthscale"], theirs)
    assert list(post.summary()["units"]) == ["", "K", "K"]
    assert "hyperparameters from 2 x 10 draws of a PyMC model (ls, eta, sigma)" in post.engine
    assert "accepted" in post.sample_stats
    post.save(tmp_path / "post.nc")
    again = wb.load(tmp_path / "post.nc")
    assert again.engine == post.engine
    for ours, loaded in zip(post.jet_moments(POINTS), again.jet_moments(POINTS), strict=True):
        npt.assert_array_equal(ours, loaded)


def test_every_container_gives_the_same(tmp_path):
    ds = draws_of()
    inputs = [ds, container(posterior=ds)]
    if hasattr(xr, "DataTree"):
        inputs += [xr.DataTree.from_dict({"posterior": ds}), xr.DataTree(ds)]
    posts = [wb.from_pymc(x, COORDS, VALUES, kernel=wb.Matern(2.5)) for x in inputs]
    for post in posts[1:]:
        xr.testing.assert_equal(post.draws, posts[0].draws)
    # Draws without a sampler's statistics are draws still, and keep when saved.
    assert not posts[0].given
    posts[0].save(tmp_path / "post.nc")
    again = wb.load(tmp_path / "post.nc")
    assert again.sample_stats is None
    assert not again.given
    npt.assert_array_equal(again.jet_moments(POINTS)[0], posts[0].jet_moments(POINTS)[0])


def test_a_constant_and_other_names():
    ds = draws_of().rename(ls="rho")
    names = NAMES | {"lengthscale": "rho"}
    options = {"kernel": wb.Matern(2.5), "names": names}
    zero = wb.from_pymc(ds, COORDS, VALUES + 50, **options)
    constant = wb.from_pymc(ds, COORDS, VALUES + 50, trend="constant", **options)
    plain = wb.from_pymc(ds, COORDS, VALUES, trend="constant", **options)
    far = np.array([[100.0, 100.0]])  # there only the mean function is left
    npt.assert_allclose(zero.jet_moments(far, order=0)[0], 0, atol=1e-6)
    npt.assert_allclose(
        constant.jet_moments(POINTS, order=0)[0], plain.jet_moments(POINTS, order=0)[0] + 50
    )


def test_points_bring_their_crs():
    points = gpd.GeoSeries(gpd.points_from_xy(*COORDS.T), crs="EPSG:28992")
    post = wb.from_pymc(draws_of(), points, VALUES, kernel=wb.Matern(2.5))
    assert post.data.crs == points.crs
    assert post.data.coordinate_units == "m"


@pytest.mark.parametrize(
    ("ds", "options", "error", "message"),
    [
        ({"ls": [1.0]}, {}, TypeError, "must be what pm.sample returned .* got dict"),
        (draws_of().drop_vars("eta"), {}, ValueError, "amplitude 'eta' is not .* has ls, sigma"),
        (draws_of(), {"names": {"lengthscale": "ls"}}, ValueError, "`names` must name lengthscale"),
        (
            draws_of(ls=(("chain", "draw", "axis"), np.ones((2, 3, 2)))),
            {},
            ValueError,
            r"must have dimensions \(chain, draw\).*'axis'.* each coordinate is not supported",
        ),
        (
            draws_of(sigma=(("chain", "draw"), np.array([[1, 1, -1], [np.nan, 1, 0]]))),
            {},
            ValueError,
            "noise_sd 'sigma' must be positive and finite; 3 of 6 draws .* a logarithm",
        ),
        (draws_of(), {"trend": "linear"}, ValueError, "`trend` must be 'none' or 'constant'"),
    ],
)
def test_what_cannot_be_used_is_refused(ds, options, error, message):
    with pytest.raises(error, match=message):
        wb.from_pymc(ds, COORDS, VALUES, **({"kernel": wb.Matern(2.5)} | options))


def test_a_container_without_a_posterior_is_refused():
    empty = container(sample_stats=draws_of())
    with pytest.raises(ValueError, match="must have a group 'posterior'; it has none"):
        wb.from_pymc(empty, COORDS, VALUES, kernel=wb.Matern(2.5))
