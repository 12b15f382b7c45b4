"""Normal mixtures against closed forms, scipy's root finder and the defining equation F(q) = p."""

import numpy as np
import numpy.testing as npt
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from womble.mixture import (
    BLOCK_SIZE,
    MomentAccumulator,
    joint_moments,
    moments,
    probability_positive,
    quantiles,
)

LEVELS = (0.025, 0.5, 0.975)


def cdf(x, means, sds):
    return norm.cdf(x, means, sds).mean(axis=0)


def random_mixture(seed, shape):
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), np.exp(rng.normal(size=shape))


def test_moments_of_one_normal_are_its_own():
    mean, sd = moments(np.array([[3.0, -1.0]]), np.array([[0.5, 2.0]]))
    npt.assert_allclose(mean, [3.0, -1.0], rtol=1e-15)
    npt.assert_allclose(sd, [0.5, 2.0], rtol=1e-15)


def test_moments_of_a_symmetric_pair():
    # Means -+a, sd b: variance a^2 + b^2.
    mean, sd = moments(np.array([-3.0, 3.0]), np.array([4.0, 4.0]))
    assert mean == 0
    npt.assert_allclose(sd, 5.0, rtol=1e-15)


def test_moments_do_not_cancel_far_from_zero():
    offset = 2.0**40  # exact in binary, so shifted means differ by exactly 6
    _, sd = moments(offset + np.array([-3.0, 3.0]), np.array([4.0, 4.0]))
    npt.assert_allclose(sd, 5.0, rtol=1e-15)


def test_joint_moments_obey_the_law_of_total_covariance():
    rng = np.random.default_rng(1)
    means, factors = rng.normal(size=(30, 4, 3)), rng.normal(size=(30, 4, 3, 3))
    covariances = factors @ factors.swapaxes(-1, -2)
    mean, cov = joint_moments(means, covariances)
    npt.assert_allclose(mean, means.mean(axis=0), atol=1e-14)
    for place in range(4):
        between = np.cov(means[:, place].T, bias=True)
        npt.assert_allclose(cov[place], covariances[:, place].mean(axis=0) + between, rtol=1e-12)


def test_joint_moments_have_the_marginal_moments():
    means, sds = random_mixture(2, (20, 5, 2))
    mean, cov = joint_moments(means, sds[..., None] ** 2 * np.eye(2))
    marginal_mean, marginal_sd = moments(means, sds)
    npt.assert_allclose(mean, marginal_mean, atol=1e-14)
    npt.assert_allclose(np.sqrt(np.diagonal(cov, axis1=-2, axis2=-1)), marginal_sd, rtol=1e-13)


def test_accumulator_leaves_its_arguments_and_earlier_results_alone():
    accumulator = MomentAccumulator()
    mean, cov = np.ones(2), np.eye(2)
    accumulator.add(mean, cov)
    first_mean, first_cov = accumulator.result()
    first_mean += 7.0
    first_cov += 7.0
    accumulator.add(mean, cov)
    npt.assert_array_equal(mean, np.ones(2))
    npt.assert_array_equal(cov, np.eye(2))
    npt.assert_array_equal(accumulator.result()[0], np.ones(2))
    npt.assert_array_equal(accumulator.result()[1], np.eye(2))


def test_accumulator_without_components_is_refused():
    with pytest.raises(ValueError, match=r"at least one component; got none.*Call `add"):
        MomentAccumulator().result()


def test_probability_positive_is_the_complement_of_the_cdf_at_zero():
    means, sds = random_mixture(3, (50, 7))
    npt.assert_allclose(probability_positive(means, sds), 1 - cdf(0.0, means, sds), atol=1e-14)


def test_probability_positive_of_the_negative_is_the_complement():
    means, sds = random_mixture(4, (50, 7))
    sds[::3] = 0
    total = probability_positive(means, sds) + probability_positive(-means, sds)
    npt.assert_allclose(total, 1.0, atol=1e-14)


def test_point_masses_count_zero_half_or_one():
    means = np.array([[-1.0, 0.0, 1.0, np.nan]])
    npt.assert_array_equal(probability_positive(means, np.zeros((1, 4))), [0, 0.5, 1, np.nan])


def test_quantiles_of_one_normal_are_closed_form():
    means, sds = random_mixture(5, (1, 40))
    expected = means + norm.ppf(LEVELS)[:, None] * sds
    npt.assert_allclose(quantiles(means, sds, LEVELS), expected, rtol=1e-14, atol=1e-15)


def test_quantiles_of_equal_normals_are_closed_form():
    means, sds = np.full((9, 1), 2.0), np.full((9, 1), 0.3)
    npt.assert_allclose(quantiles(means, sds, [0.1]), 2 + 0.3 * norm.ppf(0.1), rtol=1e-14)


@pytest.mark.parametrize("half_distance", [0.1, 1.0, 3.0, 1e3])
def test_symmetric_mixture_has_median_zero_and_opposite_tails(half_distance):
    means, sds = np.array([[-half_distance], [half_distance]]), np.ones((2, 1))
    low, median, high = quantiles(means, sds, LEVELS)[:, 0]
    npt.assert_allclose(median, 0.0, atol=1e-10 * np.hypot(1, half_distance))
    npt.assert_allclose(low, -high, rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_quantiles_are_the_roots_that_brentq_finds(seed):
    means, sds = random_mixture(seed, 12)
    for level in (1e-6, 0.025, 0.3, 0.5, 0.975):
        ends = means + norm.ppf(level) * sds
        root = brentq(
            lambda x, p=level: cdf(x, means, sds) - p,
            ends.min(),
            ends.max(),
            xtol=1e-15,
            rtol=1e-15,
        )
        tolerance = 1e-10 * moments(means, sds)[1]
        npt.assert_allclose(quantiles(means, sds, [level])[0], root, rtol=0, atol=tolerance)


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_quantiles_invert_the_cdf(spread):
    means, sds = random_mixture(6, (200, 15))
    for level, x in zip(LEVELS, quantiles(spread * means, sds, LEVELS), strict=True):
        npt.assert_allclose(cdf(x, spread * means, sds), level, rtol=0, atol=1e-9)


def test_quantiles_of_components_that_differ_by_nine_orders_of_magnitude():
    rng = np.random.default_rng(7)
    sds = rng.choice([1e-6, 1.0, 1e3], size=(24, 30))
    means = rng.choice([0.0, -1e4, 1e4], size=sds.shape) + rng.normal(size=sds.shape)
    levels = (0.01, 0.11, 0.31, 0.5, 0.87, 0.99)
    for level, x in zip(levels, quantiles(means, sds, levels), strict=True):
        # x near 1e4 is rounded to 2e-12, where F may climb by 2e-12 * 0.4 / 1e-6 = 1e-6: so its
        # neighbours are asked to enclose the level. 1e-12 bounds the rounding of F.
        width = 4 * np.spacing(np.abs(x)) + 1e-10 * sds.min(axis=0)
        assert np.all(cdf(x - width, means, sds) <= level + 1e-12)
        assert np.all(cdf(x + width, means, sds) >= level - 1e-12)


def test_quantiles_of_a_narrow_spike_in_a_wide_normal():
    means, sds = np.zeros(2), np.array([1e-6, 1e3])
    # Edge of the spike, where the density grows 1e9-fold within 1e-5, and its inside.
    for level in (0.2499999, 0.25, 0.2500001, 0.3, 0.49):
        x = quantiles(means, sds, [level])[0]
        npt.assert_allclose(cdf(x, means, sds), level, rtol=0, atol=1e-9)


def test_quantiles_scale_with_the_units():
    means, sds = random_mixture(8, (100, 20))
    expected = quantiles(means, sds, LEVELS)
    sd = moments(means, sds)[1]
    for factor in (1e-9, 3.7, 1e9):
        scaled = quantiles(factor * means, factor * sds, LEVELS) / factor
        npt.assert_array_less(np.abs(scaled - expected) / sd, 1e-12)


def test_quantiles_mirror_under_a_change_of_sign():
    means, sds = random_mixture(9, (100, 20))
    mirrored = -quantiles(-means, sds, [0.975, 0.5, 0.025])
    npt.assert_allclose(quantiles(means, sds, LEVELS), mirrored, atol=1e-11)


def test_quantiles_of_point_masses_are_the_generalised_inverse():
    atoms = np.array([4.0, 1.0, 3.0, 2.0])
    levels = (0.01, 0.25, 0.26, 0.5, 0.74, 0.75, 0.76)
    expected = [1, 1, 2, 2, 3, 3, 4]  # inf{x : F(x) >= level}, F(1) = 0.25, F(2) = 0.5, ...
    npt.assert_allclose(quantiles(atoms, np.zeros(4), levels), expected, rtol=1e-14)


def test_a_point_mass_at_zero_inside_a_normal():
    # F jumps from 1/4 to 3/4 at 0; below it F = Phi / 2 and above it F = Phi / 2 + 1/2.
    means, sds = np.zeros(2), np.array([0.0, 1.0])
    expected = [norm.ppf(0.2), 0.0, 0.0, 0.0, norm.ppf(0.8)]
    actual = quantiles(means, sds, (0.1, 0.3, 0.5, 0.7, 0.9))
    npt.assert_allclose(actual, expected, rtol=1e-12, atol=1e-15)


def test_quantiles_keep_nan_places_and_trailing_axes():
    means, sds = random_mixture(10, (30, 3, 4))
    means[:, 1, 2] = np.nan
    actual = quantiles(means, sds, LEVELS)
    assert actual.shape == (3, 3, 4)
    npt.assert_array_equal(np.isnan(actual[0]), np.isnan(means[0]))
    npt.assert_array_equal(actual[:, 2, 3], quantiles(means[:, 2, 3], sds[:, 2, 3], LEVELS))


def test_quantiles_do_not_depend_on_the_blocks():
    draws = BLOCK_SIZE // 4
    means, sds = random_mixture(11, (draws, 9))  # three blocks, the last one short
    alone = [quantiles(means[:, j], sds[:, j], [0.1])[0] for j in range(9)]
    npt.assert_allclose(quantiles(means, sds, [0.1])[0], alone, rtol=1e-13)


def test_quantiles_leave_their_arguments_alone():
    means, sds = random_mixture(12, (5, 3))
    sds[0] = 0
    before = means.copy(), sds.copy()
    quantiles(means, sds, LEVELS)
    npt.assert_array_equal((means, sds), before)


@pytest.mark.parametrize("levels", [[0.0], [0.5, 1.0], [2.5], [np.nan]])
def test_levels_outside_the_unit_interval_are_refused(levels):
    with pytest.raises(ValueError, match=r"strictly between 0 and 1; got \[.*not percentages"):
        quantiles(np.zeros(2), np.ones(2), levels)
