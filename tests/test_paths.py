"""Posterior paths against the exact joint posterior, and as functions."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pytest
from cases import highest_order, standard_bound

from womble import FieldModel, Matern, RationalQuadratic, SquaredExponential, jet
from womble.engines import fourier, paths
from womble.engines.dense import DenseEngine
from womble.engines.ensemble import Ensemble
from womble.engines.fourier import FourierPrior
from womble.hyperparameters import PLAIN
from womble.paths import draw_paths, path_domain
from womble.trend import Trend

KERNELS = [Matern(1.5), Matern(2.5), Matern(3.5), SquaredExponential()]
every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)

RNG = np.random.default_rng(0)
UNIT_COORDS = RNG.uniform(size=(60, 2))
# Metres, far from the origin.
COORDS = 1000 * UNIT_COORDS + 5e6
VALUES = 40 + 3 * np.sin(6 * UNIT_COORDS[:, 0]) + 4 * UNIT_COORDS[:, 1] + 0.3 * RNG.normal(size=60)
POINTS = 1000 * RNG.uniform(size=(20, 2)) + 5e6
PAIRS = POINTS[:10, None] + np.stack([np.zeros((10, 2)), RNG.normal(size=(10, 2)) * 7], axis=1)
GIVEN = {"lengthscale": 250.0, "amplitude": 3.0, "noise_sd": 0.3}


def posterior(kernel, trend="linear", coords=COORDS, values=VALUES, **given):
    return FieldModel(kernel=kernel, trend=trend).condition((coords, values), **(GIVEN | given))


def exact(post, groups, target="surface"):
    """Joint moments within groups of points, in user units."""
    ensemble = post.ensemble(target, None, np.random.default_rng(0))
    return ensemble.condition(ensemble.thetas[0]).groups(groups, post.order)


def assert_moments(draws, mean, covariance):
    """Draws (S, g, k) have these means (g, k) and covariances (g, k, k)."""
    samples, count = len(draws), mean.size + covariance.size
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    centred = (draws - mean) / sd
    correlation = covariance / (sd[:, :, None] * sd[:, None, :])
    bound = standard_bound(count, samples)
    assert np.abs(centred.mean(axis=0) * np.sqrt(samples)).max() < bound
    found = np.einsum("sgi,sgj->gij", centred, centred) / samples
    assert np.abs((found - correlation) * np.sqrt(samples / (1 + correlation**2))).max() < bound


# -- law -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kernel", "target", "update"),
    [(kernel, "surface", "kernel") for kernel in KERNELS]
    + [(Matern(3.5), "process", "kernel")]
    + [(kernel, "surface", "band") for kernel in KERNELS[:3:2]],
    ids=str,
)
def test_paths_have_the_posterior_law(kernel, target, update, monkeypatch):
    modes, noise_sd, samples = {"kernel": (21, 0.1, 2000), "band": (121, 0.6, 300)}[update]
    monkeypatch.setattr(fourier, "MOST_MODES", modes)
    monkeypatch.setattr(paths, "UPDATE_TOLERANCE", 0.0 if update == "kernel" else np.inf)
    post = posterior(kernel, noise_sd=noise_sd)
    drawn = post.paths(samples=samples, target=target, rng=1, progress=False)
    assert (drawn.paths[0].scaled.components[0].kernel_weights is None) == (update == "band")
    jets = drawn.jets(np.concatenate([POINTS, PAIRS.reshape(-1, 2)]), post.order)
    for groups, found in ((POINTS[:, None], jets[:, :20]), (PAIRS, jets[:, 20:])):
        mean, covariance = exact(post, groups, target)
        assert_moments(found.reshape(samples, *mean.shape), mean, covariance)


@pytest.mark.parametrize("tolerance", [0.0, np.inf], ids=["kernel", "band"])
def test_paths_of_a_sum_have_the_posterior_law(tolerance, monkeypatch):
    monkeypatch.setattr(fourier, "MOST_MODES", 61)
    monkeypatch.setattr(paths, "UPDATE_TOLERANCE", tolerance)
    kernel = Matern(2.5) + SquaredExponential()
    post = posterior(kernel, lengthscale=[400.0, 150.0], amplitude=[3.0, 1.0], noise_sd=0.6)
    drawn = post.paths(samples=800, rng=1, progress=False)
    components = drawn.paths[0].scaled.components
    assert [part.kernel_weights is None for part in components] == [tolerance > 0] * 2
    assert components[0].fourier.torus.period[0] > components[1].fourier.torus.period[0]
    mean, covariance = exact(post, PAIRS)
    jets = drawn.jets(PAIRS.reshape(-1, 2))
    assert_moments(jets.reshape(800, *mean.shape), mean, covariance)


def test_the_rational_quadratic_has_moments_but_no_paths():
    post = posterior(RationalQuadratic(1.5) + Matern(2.5), lengthscale=[300, 99], amplitude=[3, 1])
    assert np.isfinite(post.jet_moments(POINTS)[1]).all()
    with pytest.raises(ValueError, match=r"RationalQuadratic.* no closed form .* Use Matern"):
        post.paths(samples=2, progress=False)


def test_on_a_line():
    x = np.linspace(3.0, 5.0, 30)
    post = posterior(Matern(2.5), "linear", x, np.sin(3 * x), lengthscale=0.5, amplitude=1.0)
    drawn = post.paths(samples=1000, rng=1, progress=False)
    points = np.array([3.11, 4.0, 4.02])
    mean, covariance = exact(post, points.reshape(1, 3, 1))
    assert drawn.jets(points).shape == (1000, 3, 3)
    assert_moments(drawn.jets(points).reshape(1000, 1, 9), mean, covariance)


@every_kernel
@pytest.mark.parametrize("noise_sd", [0.3, 0.03])
def test_the_bands_update_errs_by_no_more_than_the_bound(kernel, noise_sd, monkeypatch):
    rng = np.random.default_rng(2)
    coords, theta = rng.uniform(-1.2, 1.2, (60, 2)), PLAIN.theta([0.5, 1.0, noise_sd])
    domain, order = np.array([[-1.3, -1.3], [1.3, 1.3]]), highest_order(kernel)
    points = np.concatenate([rng.uniform(-1.2, 1.2, (20, 2)), coords[:10]])
    monkeypatch.setattr(fourier, "MOST_MODES", 41)
    prior = FourierPrior(kernel, theta.scales[0], domain)
    values = prior.draw(rng).jets(coords, 0)[:, 0] + noise_sd * rng.normal(size=60)
    conditional = DenseEngine(kernel, Trend("constant"), coords, values).condition(theta)
    found = []
    for tolerance in (0.0, np.inf):
        monkeypatch.setattr(paths, "UPDATE_TOLERANCE", tolerance)
        drawn = [conditional.path(np.random.default_rng(s), domain) for s in range(20)]
        assert (drawn[0].components[0].kernel_weights is None) == (tolerance > 0)
        found.append(np.stack([path.jets(points, order) for path in drawn]))
    _, covariance = conditional.groups(points[:, None], order)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    error = np.sqrt(np.mean(((found[0] - found[1]) / sd) ** 2, axis=0)).max()
    bound = paths.update_error(conditional, prior)
    # Images, for which the period has a tolerance of its own, and the NUFFT add up to 1e-3.
    assert error < bound + 1e-3


# -- functions -----------------------------------------------------------------------------------


@every_kernel
@pytest.mark.parametrize("tile", [3, paths.TILE])
def test_a_path_is_a_function(kernel, tile, monkeypatch):
    post = posterior(kernel)
    drawn = post.paths(samples=2, rng=3, progress=False)
    order = post.order
    points = np.concatenate([POINTS, COORDS, np.repeat(POINTS, 20, axis=0)])
    together = drawn.jets(points, order)
    monkeypatch.setattr(paths, "TILE", tile)
    sd = together.std(axis=(0, 1))
    shuffle = np.random.default_rng(4).permutation(len(points))
    npt.assert_allclose(
        drawn.jets(points[shuffle], order) / sd, together[:, shuffle] / sd, atol=1e-9
    )
    npt.assert_allclose(drawn.jets(points[:1], order) / sd, together[:, :1] / sd, atol=1e-9)
    # A lower order is the first components of a higher one.
    npt.assert_allclose(
        drawn.jets(points, 1) / sd[:3], together[..., : jet.size(2, 1)] / sd[:3], atol=1e-9
    )


@pytest.mark.parametrize("kernel", [Matern(3.5), SquaredExponential()], ids=repr)
@pytest.mark.parametrize("update", ["kernel", "band"])
def test_derivatives_are_differences(kernel, update, monkeypatch):
    monkeypatch.setattr(paths, "UPDATE_TOLERANCE", 0.0 if update == "kernel" else np.inf)
    drawn = posterior(kernel, "quadratic").paths(samples=2, rng=5, progress=False)
    step = 0.1  # 1 / 2,500 of a lengthscale
    jets = drawn.jets(POINTS)
    sd = jets.std(axis=(0, 1))
    for i, column in enumerate([[1, 3, 4], [2, 4, 5]]):
        e = step * np.eye(2)[i]
        difference = (drawn.jets(POINTS + e, 1) - drawn.jets(POINTS - e, 1)) / (2 * step)
        # Truncation (w step)^2 / 6 of the tail's waves, w up to 200 / lengthscale; rounding of
        # coordinates near 5e6, 1e-9 / step.
        npt.assert_allclose(difference / sd[column], jets[..., column] / sd[column], atol=1e-4)


def test_the_seed_decides():
    post = posterior(Matern(3.5))
    first, again, other = (
        post.paths(samples=3, rng=seed, progress=False).jets(POINTS) for seed in (6, 6, 7)
    )
    npt.assert_array_equal(first, again)
    assert len(np.unique(first[:, 0, 0])) == 3
    assert (first != other).all()


def test_each_draw_has_its_own_hyperparameters():
    post = posterior(Matern(3.5))
    one = post.ensemble("surface", None, np.random.default_rng(0))
    thetas = [PLAIN.theta([0.3, 1.0, 0.2]), PLAIN.theta([1.5, 0.5, 0.4])]
    ensemble = Ensemble(one.engine, one.scaling, thetas, 1, "surface")
    domain = path_domain(COORDS, None)
    drawn = draw_paths(ensemble, post.kernel, domain, np.random.default_rng(8), progress=False)
    assert len(drawn) == 2
    for path, theta, stream in zip(
        drawn.paths, thetas, np.random.default_rng(8).spawn(2), strict=True
    ):
        alone = ensemble.condition(theta).path(stream.spawn(1)[0], domain)
        npt.assert_array_equal(path.jets(POINTS), alone.jets(POINTS))
    periods = [path.scaled.components[0].fourier.torus.period[0] for path in drawn.paths]
    assert periods[0] < periods[1]


# -- the public door -----------------------------------------------------------------------------


def test_a_point_outside_is_refused():
    post = posterior(Matern(3.5))
    drawn = post.paths(samples=2, rng=9, progress=False)
    with pytest.raises(ValueError, match=r"box from .* 1 of 2 do not.* larger `domain`"):
        drawn.jets(np.array([[5.0005e6, 5.0005e6], [5.0013e6, 5.0005e6]]))
    with pytest.raises(ValueError, match=r"box from"):
        drawn.paths[0].jets(np.array([[5.0013e6, 5.0005e6]]))


def test_a_domain_is_widened_to_hold_the_data():
    post = posterior(Matern(3.5))
    drawn = post.paths(samples=2, domain=(4.99e6, 5e6, 5.0002e6, 5.002e6), rng=9, progress=False)
    npt.assert_allclose(drawn.domain[0], [4.99e6, 5e6])
    npt.assert_allclose(drawn.domain[1], [COORDS[:, 0].max(), 5.002e6])
    assert np.isfinite(drawn.jets(np.array([[4.99e6, 5.002e6]]))).all()


@pytest.mark.parametrize("domain", [(0.0, 1.0), (1.0, 0.0, 0.0, 1.0), (np.nan,) * 4])
def test_a_malformed_domain_is_refused(domain):
    with pytest.raises(ValueError, match=r"`domain` must be \(xmin, ymin, xmax, ymax\)"):
        posterior(Matern(3.5)).paths(samples=2, domain=domain, progress=False)


def test_derivatives_that_do_not_exist_are_refused():
    drawn = posterior(Matern(1.5)).paths(samples=2, rng=1, progress=False)
    with pytest.raises(ValueError, match="no mean-square derivative of order 2"):
        drawn.jets(POINTS)
    with pytest.raises(ValueError, match="`order` must be 0, 1 or 2"):
        drawn.jets(POINTS, 3)


def test_without_noise_the_paths_pass_through_the_data():
    post = posterior(Matern(2.5), noise_sd=0.0)
    drawn = post.paths(samples=3, rng=1, progress=False)
    found = drawn.jets(COORDS, 0)[..., 0]
    # K has a condition number near 1e6; the prior path is known to 1e-9.
    npt.assert_allclose(found, np.broadcast_to(VALUES, found.shape), atol=1e-6)


def test_more_paths_than_draws_are_refused():
    post = posterior(Matern(3.5))
    sampled = replace(post, sample_stats=post.draws)  # as if sampled: a single draw
    with pytest.raises(ValueError, match="at most the number of posterior draws"):
        sampled.paths(samples=2, progress=False)
