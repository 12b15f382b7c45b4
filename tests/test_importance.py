"""Weighted points stand for densities that are known; posteriors agree with brute force."""

import numpy as np
import numpy.testing as npt
import pytest
from scipy.stats import multivariate_t

from womble.importance import (
    DEGREES_OF_FREEDOM,
    MOST_COMPONENTS,
    StudentMixture,
    Weighted,
    importance_sample,
    systematic,
)
from womble.laplace import NormalApproximation, find_modes
from womble.pareto import effective_size, smoothed_weights

MEAN = np.array([1.0, -2.0, 0.5, 0.0])
ROOT = np.array([[0.7, 0, 0, 0], [0.3, 0.6, 0, 0], [0.0, -0.2, 0.3, 0], [0.5, 0.1, 0.4, 2.0]])
COVARIANCE = ROOT @ ROOT.T


def normal(q):
    gradient = np.linalg.solve(COVARIANCE, MEAN - q)
    return 0.5 * (q - MEAN) @ gradient, gradient


def log_normal(q):
    return normal(q)[0]


def log_gammas(q):
    """log of k independent gamma variables with shape 2: skewed, mean psi(2), variance psi'(2)."""
    return (2 * q - np.exp(q)).sum(), 2 - np.exp(q)


def peaks(log_odds, apart, sds):
    """Normals with sds (2,) at 0 and `apart` on each of 2 axes; the second has these log odds."""
    centres = np.array([[0.0, 0.0], [apart, apart]])
    sds = np.array(sds)

    def density(q):
        steps = (q - centres) / sds[:, None]
        logs = -0.5 * (steps**2).sum(axis=1) - 2 * np.log(sds) + [0.0, log_odds]
        share = np.exp(logs - logs.max())
        value = logs.max() + np.log(share.sum())
        return value, -(share / share.sum()) @ (steps / sds[:, None])

    return density


def moments(found):
    """Weighted means and variances, and the standard errors of the means."""
    mean = found.weights @ found.points
    variance = found.weights @ (found.points - mean) ** 2
    return mean, variance, np.sqrt(found.weights**2 @ (found.points - mean) ** 2)


def broad(k):
    """A prior of k coordinates, far wider than any of the densities."""
    return NormalApproximation(np.zeros(k), 9 * np.eye(k), 0.0)


def sample_of(density, starts, count=4000, seed=1):
    modes = find_modes(density, np.atleast_2d(starts))
    return importance_sample(
        lambda q: density(q)[0],
        modes,
        broad(len(modes[0].mode)),
        count,
        np.random.default_rng(seed),
        False,
    )


# --- the proposal ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixture():
    return StudentMixture.at(
        np.array([0.3, 0.7]), [MEAN, -MEAN], [COVARIANCE, np.diag([1.0, 2.0, 3.0, 0.1])]
    )


def test_the_mixtures_density_is_scipys(mixture):
    points = np.random.default_rng(0).standard_normal((7, 4))
    ours = np.exp(mixture.log_densities(points)).sum(axis=1)
    parts = zip(mixture.shares, mixture.centres, mixture.roots, strict=True)
    theirs = sum(
        share * multivariate_t(centre, root @ root.T, df=DEGREES_OF_FREEDOM).pdf(points)
        for share, centre, root in parts
    )
    npt.assert_allclose(ours, theirs, rtol=1e-10)
    npt.assert_allclose(mixture.shares.sum(), 1.0, rtol=1e-14)


def test_points_have_the_density_they_are_given(mixture):
    """E[f / g] = 1 for a density f: here a normal, whose ratio to the mixture is bounded."""
    points = mixture.draw(20_000, np.random.default_rng(3))
    target = np.array([log_normal(q) for q in points])
    target -= np.log(np.diag(ROOT)).sum() + 2 * np.log(2 * np.pi)
    ratio = np.exp(target) / np.exp(mixture.log_densities(points)).sum(axis=1)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(ratio))
    # And of its moments: E[q f / g] is the normal's mean.
    means = ratio[:, None] * points
    error = means.std(axis=0) / np.sqrt(len(ratio))
    assert (np.abs(means.mean(axis=0) - MEAN) < 4 * error).all()


def test_every_component_has_its_share_of_points():
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.301, 0.199])
    counts = np.bincount(systematic(shares, 100, rng), minlength=3)
    assert (np.abs(counts - 100 * shares) < 1).all()
    assert counts.sum() == 100
    often = [np.bincount(systematic(shares, 10, rng), minlength=3) for _ in range(4000)]
    # A count of 3.01 or 1.99 is rounded at random: variance 0.01, and so 4 errors of 0.0016.
    npt.assert_allclose(np.mean(often, axis=0), 10 * shares, atol=4 * np.sqrt(0.01 / 4000))


# --- densities that are known ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("density", "start", "mean", "variance"),
    [
        (normal, np.zeros(4), MEAN, np.diag(COVARIANCE)),
        (log_gammas, np.zeros(3), np.full(3, 0.4227843351), np.full(3, 0.6449340668)),
    ],
    ids=["normal", "log gamma"],
)
def test_moments(density, start, mean, variance):
    found = sample_of(density, start)
    assert found.k_hat < 0.5
    assert found.ess > 0.6 * 4000
    ours, spread, error = moments(found)
    assert (np.abs(ours - mean) < 4 * error).all()
    # Squares of deviations have four times a variance's relative error at most here.
    npt.assert_allclose(spread, variance, rtol=4 * np.sqrt(6 / found.ess))


@pytest.mark.parametrize("log_odds", [0.0, -2.0, -5.0])
def test_two_modes_have_their_masses(log_odds):
    density = peaks(log_odds, 5.0, [0.3, 0.8])
    found = sample_of(density, [[0.1, 0.0], [4.9, 5.1]])
    second = found.weights[found.points.sum(axis=1) > 5.0].sum()
    truth = 1 / (1 + np.exp(-log_odds))
    assert abs(second - truth) < 4 * np.sqrt(truth * (1 - truth) / found.ess)


def test_a_wrong_covariance_is_mended_by_more_proposals():
    """A quarter of the true standard deviation everywhere leaves weights without variance."""
    narrow = [NormalApproximation(MEAN, COVARIANCE / 16, 0.0)]
    found = importance_sample(log_normal, narrow, broad(4), 2000, np.random.default_rng(0), False)
    assert 2400 < len(found.points) < 10_000
    mean, variance, error = moments(found)
    assert found.k_hat < 0.5
    assert (np.abs(mean - MEAN) < 4 * error).all()
    npt.assert_allclose(variance, np.diag(COVARIANCE), rtol=0.2)
    good = importance_sample(
        log_normal,
        [NormalApproximation(MEAN, COVARIANCE, 0.0)],
        broad(4),
        2000,
        np.random.default_rng(0),
        False,
    )
    assert len(good.points) == 2400  # nothing to mend, nothing spent


def test_a_slow_tail_is_found():
    """log of exponential variables: their left tail falls by e a unit, far beyond the curvature."""

    def log_exponentials(q):
        return (q - np.exp(q)).sum(), 1 - np.exp(q)

    found = sample_of(log_exponentials, np.zeros(3), 1000)
    assert found.k_hat < 0.5
    mean, variance, error = moments(found)
    # psi(1) and psi'(1).
    assert (np.abs(mean + np.euler_gamma) < 4 * error).all()
    npt.assert_allclose(variance, np.pi**2 / 6, rtol=4 * np.sqrt(6 / found.ess))
    # And that tail's mass: P(q < -4) = 1 - exp(-e^-4).
    tail = np.mean([found.weights[x < -4].sum() for x in found.points.T])
    truth = -np.expm1(-np.exp(-4))
    assert abs(tail - truth) < 4 * np.sqrt(truth / (3 * found.ess))


def test_mass_that_only_the_prior_knows_of_is_found():
    """A tenth of the mass is as wide as the prior, around a peak whose curvature hides it."""

    def peak_and_plain(q):
        square = q @ q
        peak = np.log(0.9) - 0.5 * square / 0.01 - 3 * np.log(0.1)
        plain = np.log(0.1) - 0.5 * square / 9 - 3 * np.log(3.0)
        return np.logaddexp(peak, plain)

    peak = [NormalApproximation(np.zeros(3), 0.01 * np.eye(3), 0.0)]
    masses = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = importance_sample(peak_and_plain, peak, broad(3), 1000, rng, False)
        assert found.k_hat < 0.5
        masses.append(found.weights[np.linalg.norm(found.points, axis=1) > 1].sum())
    # Of the wide part 0.990 is beyond 1 (chi squared, 3 degrees of freedom, beyond 1/9), and each
    # estimate is of at least 600 points.
    error = np.sqrt(0.0990 * 0.9010 / (5 * 600))
    assert abs(np.mean(masses) - 0.0990) < 4 * error


@pytest.mark.parametrize("off", [5.0, 20.0])
def test_a_far_wrong_centre_is_left(off):
    """From a valley between peaks, proposals climb to one of them."""
    density = peaks(0.0, 40.0, [0.3, 0.3])
    wrong = [NormalApproximation(np.full(2, off), 1e-4 * np.eye(2), 0.0)]
    found = importance_sample(
        lambda q: density(q)[0], wrong, broad(2), 400, np.random.default_rng(0), False
    )
    assert found.k_hat < 0.5
    mean, variance, error = moments(found)
    assert (np.abs(mean - np.round(mean / 40) * 40) < 4 * error).all()
    npt.assert_allclose(variance, 0.09, rtol=4 * np.sqrt(6 / found.ess))


def test_what_no_proposal_mends_is_seen():
    """A density that jumps from point to point: weights u^-2, of which no mean exists."""

    def rough(q):
        noise = np.modf(1e7 * np.abs(q.sum()))[0]
        return -0.5 * q @ q - 2 * np.log(noise)

    wide = [NormalApproximation(np.zeros(2), np.eye(2), 0.0)]
    found = importance_sample(rough, wide, broad(2), 400, np.random.default_rng(0), False)
    assert found.k_hat > 0.7
    assert len(found.points) == 480 + MOST_COMPONENTS * 120  # and it was tried


def test_points_without_density_have_no_weight():
    def half(q):
        return (-0.5 * q @ q, -q) if q[0] > -0.5 else (-np.inf, 0 * q)

    found = sample_of(half, np.array([0.3, 0.2]))
    assert found.weights[found.points[:, 0] <= -0.5].sum() == 0
    mean, _, error = moments(found)
    # E[x | x > -0.5] = phi(0.5) / Phi(0.5).
    assert (np.abs(mean - [0.3520653 / 0.6914625, 0.0]) < 4 * error).all()


# --- weights and draws -----------------------------------------------------------------------


def test_effective_size():
    npt.assert_allclose(effective_size(np.full(50, 0.02)), 50)
    npt.assert_allclose(effective_size(np.array([[1.0, 0.0], [0.5, 0.5]])), [1.0, 2.0])


@pytest.mark.parametrize("shape", [0.2, 0.5, 0.9])
def test_k_hat_is_the_paretos(shape):
    """Weights u^-k have a generalised Pareto tail with shape k."""
    uniform = np.random.default_rng(5).uniform(size=(20, 4000))
    weights, k_hat = smoothed_weights(-shape * np.log(uniform))
    # 190 tail weights tell the shape with an sd of (1 + k) / sqrt(190), 20 sets of them.
    assert abs(k_hat.mean() - shape) < 4 * (1 + shape) / np.sqrt(190 * 20) + 0.02
    npt.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-12)


def test_resampled_draws_have_the_weighted_moments():
    rng = np.random.default_rng(8)
    points = rng.standard_normal((3000, 3))
    weights = np.exp(0.3 * points @ [1.0, -0.5, 0.2])
    found = Weighted(points, np.zeros(3000), weights / weights.sum(), 0.0)
    chosen = found.resampled(1000, rng)
    mean, variance, _ = moments(found)
    # Drawn one by one the means would err by 0.03; neighbours in turn leave a fraction of it.
    npt.assert_allclose(points[chosen].mean(axis=0), mean, atol=0.015)
    npt.assert_allclose(points[chosen].var(axis=0), variance, rtol=0.05)
    assert len(np.unique(chosen)) > 700


def test_draws_come_in_random_order():
    points = np.sort(np.random.default_rng(0).standard_normal((1000, 1)), axis=0)
    found = Weighted(points, np.zeros(1000), np.full(1000, 1e-3), 0.0)
    drawn = points[found.resampled(1000, np.random.default_rng(1)), 0]
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 4 / np.sqrt(1000)
