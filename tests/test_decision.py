"""Decisions against their error rates, and against the laws of independent normals."""

import numpy as np
import numpy.testing as npt
import pytest
from scipy.special import ndtr
from scipy.stats import beta, norm

from womble.decision import (
    RULES,
    check_alpha,
    check_rule,
    critical_value,
    fdr_sign,
    first_failure,
    interval_sign,
    joint_excursion,
    joint_probability,
    largest_deviation,
    minimum_draws,
    significance,
    simultaneous_factor,
    simultaneous_set,
    simultaneous_sign,
)


def simulated_signs(seed, n):
    """Truths from N(0, 1), seen with unit noise: the truth and its exact P(> 0)."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    seen = truth + rng.normal(size=n)
    return truth, ndtr(seen / np.sqrt(2))  # posterior N(seen / 2, 1 / 2)


def test_interval_calls_where_the_normal_interval_excludes_zero():
    mean = np.array([-3.0, -1.97, -1.95, 0.0, 1.95, 1.97, 3.0])
    half_width = norm.ppf(0.975)
    expected = np.where(np.abs(mean) > half_width, np.sign(mean), 0)
    npt.assert_array_equal(interval_sign(ndtr(mean), 0.05), expected)


def test_interval_bounds_belong_to_the_call():
    p = np.array([0.025, 0.026, 0.974, 0.975, np.nan])
    npt.assert_array_equal(interval_sign(p, 0.05), [-1, 0, 0, 1, 0])


@pytest.mark.parametrize("rule", ["interval", "fdr"])
@pytest.mark.parametrize("alpha", [0.01, 0.1])
def test_false_signs_are_as_frequent_as_promised(rule, alpha):
    truth, p = simulated_signs(1, 20_000)
    sign = significance(p, rule, alpha)
    called = sign != 0
    wrong = np.sum(sign[called] != np.sign(truth[called]))
    error = np.minimum(p, 1 - p)[called]
    # Given the data the calls err independently, each with its own probability.
    standard_error = np.sqrt(np.sum(error * (1 - error)))
    assert abs(wrong - error.sum()) < 4 * standard_error
    assert wrong < alpha * called.sum() + 4 * standard_error


def test_fdr_set_is_the_largest_within_the_bound():
    _, p = simulated_signs(2, 500)
    error, called = np.minimum(p, 1 - p), fdr_sign(p, 0.05) != 0
    assert error[called].mean() <= 0.05
    assert error[called].max() < error[~called].min()
    following = np.append(error[called], error[~called].min())
    assert following.mean() > 0.05


def test_fdr_by_hand():
    # Running means of the errors 0.01, 0.02, 0.12, 0.2: 0.01, 0.015, 0.05, 0.0875.
    p = np.array([[0.12, 0.99], [0.8, 0.02]])
    npt.assert_array_equal(fdr_sign(p, 0.05), [[-1, 1], [0, -1]])


def test_fdr_calls_ties_together_or_not_at_all():
    # 0.01, 0.1, 0.1, 0.1 have running means up to 0.0775: none of the three fits 0.06 whole.
    # 1 - 0.9 and 0.1 differ in the last digit and are a tie all the same.
    p = np.array([0.9, 0.99, 0.1, 0.9])
    npt.assert_array_equal(fdr_sign(p, 0.06), [0, 1, 0, 0])
    npt.assert_array_equal(fdr_sign(p, 0.08), [1, 1, -1, 1])


def test_fdr_reaches_a_bound_met_exactly():
    npt.assert_array_equal(fdr_sign(np.full(1000, 0.9), 0.1), np.ones(1000))


def test_fdr_ignores_nan_and_never_calls_one_half():
    p = np.array([0.999, np.nan, 0.5, 0.9])
    npt.assert_array_equal(fdr_sign(p, 0.5), [1, 0, 0, 1])
    npt.assert_array_equal(fdr_sign(p[[0, 2, 3]], 0.06), [1, 0, 1])
    npt.assert_array_equal(fdr_sign(p, 0.06), [1, 0, 0, 1])


@pytest.mark.parametrize("p", [np.full(3, np.nan), np.empty(0), np.full(3, 0.4)])
def test_fdr_may_call_nothing(p):
    npt.assert_array_equal(fdr_sign(p, 0.05), np.zeros(p.shape))


@pytest.mark.parametrize("sign_of", [interval_sign, fdr_sign])
def test_signs_flip_with_the_quantity(sign_of):
    _, p = simulated_signs(3, 300)
    npt.assert_array_equal(sign_of(1 - p, 0.1), -sign_of(p, 0.1))


def band_coverage(factor, q):
    """P(max of q independent |N(0, 1)| <= factor)."""
    return (2 * norm.cdf(factor) - 1) ** q


def test_simultaneous_factor_covers_the_maximum_of_independent_normals():
    draws = np.random.default_rng(4).normal(size=(1999, 5))
    mean, sd = np.array([1.0, -2.0, 0.0, 3.0, 4.0]), np.array([1.0, 1e-3, 1e3, 2.0, 5.0])
    factor = simultaneous_factor(mean + sd * draws, mean, sd, 0.1)
    # The coverage of the r-th of S order statistics is Beta(r, S + 1 - r).
    law = beta(1800, 200)
    assert abs(band_coverage(factor, 5) - law.mean()) < 4 * law.std()


def test_simultaneous_coverage_is_right_at_the_smallest_number_of_draws():
    rng, repeats = np.random.default_rng(5), 2000
    assert minimum_draws(0.05) == 19
    factors = [
        simultaneous_factor(rng.normal(size=(19, 3)), np.zeros(3), np.ones(3), 0.05)
        for _ in range(repeats)
    ]
    law = beta(19, 1)
    error = np.mean(band_coverage(np.array(factors), 3)) - 0.95
    assert abs(error) < 4 * law.std() / np.sqrt(repeats)


@pytest.mark.parametrize(
    ("draws", "alpha", "rank"), [(19, 0.05, 19), (99, 0.1, 90), (100, 0.1, 91)]
)
def test_simultaneous_factor_is_the_stated_order_statistic(draws, alpha, rank):
    field = np.random.default_rng(6).permutation(np.arange(1.0, draws + 1))[:, None]
    assert simultaneous_factor(field, np.zeros(1), np.ones(1), alpha) == rank


def test_simultaneous_factor_skips_places_without_uncertainty_or_data():
    draws = np.random.default_rng(7).normal(size=(99, 2, 3))
    mean, sd = np.zeros((2, 3)), np.ones((2, 3))
    expected = simultaneous_factor(draws[:, 1], mean[1], sd[1], 0.05)
    mean[0, 0], sd[0, 1], draws[3, 0, 2] = np.nan, 0.0, np.nan
    assert simultaneous_factor(draws, mean, sd, 0.05) == expected
    assert simultaneous_factor(draws, mean, np.zeros((2, 3)), 0.05) == 0


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.3, 0.5])
def test_one_draw_less_than_the_minimum_is_refused(alpha):
    enough = minimum_draws(alpha)
    assert np.ceil(np.round((enough + 1) * (1 - alpha), 9)) <= enough
    assert np.ceil(np.round(enough * (1 - alpha), 9)) > enough - 1
    simultaneous_factor(np.ones((enough, 1)), np.zeros(1), np.ones(1), alpha)
    with pytest.raises(ValueError, match=rf"at least {enough} draws; got {enough - 1}. Ask for"):
        simultaneous_factor(np.ones((enough - 1, 1)), np.zeros(1), np.ones(1), alpha)


def test_simultaneous_sign_is_where_the_band_excludes_zero():
    mean, sd = np.array([2.1, 1.9, -2.1, np.nan, 1.0, 0.0]), np.array([1.0, 1, 1, 1, 0, 0])
    npt.assert_array_equal(simultaneous_sign(mean, sd, 2.0), [1, 0, -1, 0, 1, 0])


def test_largest_deviation_by_hand():
    draw, mean = np.array([[3.0, -9.0], [np.nan, 5.0]]), np.array([[1.0, -1.0], [0.0, np.nan]])
    assert largest_deviation(draw, mean, np.array([[1.0, 2.0], [1.0, 1.0]])) == 4.0
    assert largest_deviation(draw, mean, np.array([[1.0, 0.0], [1.0, 1.0]])) == 2.0
    assert largest_deviation(draw, mean, np.zeros((2, 2))) == 0.0


def test_critical_values_of_several_fields_are_their_own_order_statistics():
    rng = np.random.default_rng(14)
    maxima = np.stack([rng.permutation(np.arange(1.0, 100)), rng.permutation(199)[:99]], axis=1)
    found = critical_value(maxima, 0.1)
    npt.assert_array_equal(found, [90, np.sort(maxima[:, 1])[89]])


def test_the_first_failure_is_the_rank_and_the_length_if_there_is_none():
    holds = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0]], dtype=bool)
    failures = first_failure(holds)
    npt.assert_array_equal(failures, [3, 0, 1, 2])
    npt.assert_array_equal(joint_probability(failures, 3), [0.75, 0.5, 0.25])
    assert first_failure(np.empty((2, 0), dtype=bool)).tolist() == [0, 0]


def test_units_true_at_once_are_a_running_product_where_they_are_independent():
    p, size = np.array([0.9, 0.999, 0.6, 0.99]), 4000
    indicator = np.random.default_rng(15).random((size, 4)) < p
    order = np.array([1, 3, 0, 2])
    inside, probability = simultaneous_set(indicator, order, 0.05)
    expected = np.empty(4)
    expected[order] = np.cumprod(p[order])
    error = 4 * np.sqrt(expected * (1 - expected) / size)
    npt.assert_array_less(np.abs(probability - expected), error)
    npt.assert_array_equal(inside, [False, True, False, True])  # 0.989 in, 0.890 out


def test_a_set_of_units_ends_at_the_first_that_is_too_many():
    # Unit 2 is certain but comes after unit 1, which fails half the time.
    indicator = np.ones((40, 3), dtype=bool)
    indicator[::2, 1] = False
    inside, probability = simultaneous_set(indicator, np.array([0, 1, 2]), 0.05)
    npt.assert_array_equal(inside, [True, False, False])
    npt.assert_array_equal(probability, [1.0, 0.5, 0.5])
    inside, _ = simultaneous_set(indicator, np.array([2, 0, 1]), 0.05)
    npt.assert_array_equal(inside, [True, False, True])


def test_a_set_from_too_few_draws_is_refused():
    with pytest.raises(ValueError, match=r"at least 19 draws; got 18. Ask for"):
        simultaneous_set(np.ones((18, 2), dtype=bool), np.arange(2), 0.05)
    with pytest.raises(ValueError, match=r"at least 9 draws; got 8. Ask for"):
        joint_excursion(np.ones((8, 2)), 0.0, 0.1)


def test_joint_excursion_of_independent_normals_is_a_running_product():
    mean, level, size = np.array([0.5, 2.0, -1.0, 3.0, 1.5, 4.0]), 0.7, 4000
    draws = mean + np.random.default_rng(8).normal(size=(size, 6))
    inside, excursion = joint_excursion(draws, level, 0.2)
    order = np.argsort(-mean)
    expected = np.empty(6)
    expected[order] = np.cumprod(ndtr(mean[order] - level))
    error = 4 * np.sqrt(expected * (1 - expected) / size)
    npt.assert_array_less(np.abs(excursion - expected), error)
    npt.assert_array_equal(inside, expected >= 0.8)  # the nearest product, 0.89, is 18 errors off


def test_joint_excursion_of_dependent_places_is_not_their_product():
    common = np.random.default_rng(9).normal(size=(1000, 1))
    _, excursion = joint_excursion(common + np.zeros(50), 0.0, 0.05)
    npt.assert_allclose(excursion, np.mean(common > 0), rtol=1e-12)


def test_joint_excursion_by_hand():
    draws = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [1, 1, -1]], dtype=float)
    inside, excursion = joint_excursion(draws, 0.0, 0.25)
    npt.assert_array_equal(excursion, [1.0, 0.75, 0.25])
    npt.assert_array_equal(inside, [True, True, False])


def test_joint_excursion_is_a_lower_bound_of_the_marginals():
    draws = np.random.default_rng(10).normal(size=(500, 20)).cumsum(axis=1) + 1
    _, excursion = joint_excursion(draws, 0.0, 0.1)
    assert np.all(excursion <= np.mean(draws > 0, axis=0) + 1e-12)


def test_joint_excursion_breaks_ties_by_the_margin():
    # Places 0 and 1 each fail once, in different draws; 1 is the higher and comes first.
    draws = np.array([[-1, 5], [1, -1], [1, 5], [1, 5]], dtype=float)
    _, excursion = joint_excursion(draws, 0.0, 0.25)
    npt.assert_array_equal(excursion, [0.5, 0.75])


def test_joint_excursion_leaves_nan_places_out():
    draws = np.random.default_rng(11).normal(size=(200, 3)) + 1
    inside, excursion = joint_excursion(draws[:, :2], 0.0, 0.2)
    draws[0, 2] = np.nan
    with_nan = joint_excursion(draws, 0.0, 0.2)
    npt.assert_array_equal(with_nan[0], [*inside, False])
    npt.assert_array_equal(with_nan[1], [*excursion, np.nan])
    assert np.all(np.isnan(joint_excursion(np.full((4, 2), np.nan), 0.0, 0.2)[1]))


def test_significance_follows_the_named_rule():
    draws = np.random.default_rng(12).normal(size=(199, 40)) + np.linspace(-4, 4, 40)
    mean, sd, p = np.linspace(-4, 4, 40), np.ones(40), ndtr(np.linspace(-4, 4, 40))
    arrays = {"mean": mean, "sd": sd, "draws": draws}
    signs = {rule: significance(p, rule, 0.05, **arrays) for rule in RULES}
    npt.assert_array_equal(signs["interval"], interval_sign(p, 0.05))
    npt.assert_array_equal(signs["fdr"], fdr_sign(p, 0.05))
    factor = simultaneous_factor(draws, mean, sd, 0.05)
    npt.assert_array_equal(signs["simultaneous"], simultaneous_sign(mean, sd, factor))
    assert all(sign.dtype == np.int8 for sign in signs.values())
    # One statement on all places is the stricter one.
    assert np.count_nonzero(signs["simultaneous"]) < np.count_nonzero(signs["interval"])


def test_simultaneous_significance_without_draws_is_refused():
    with pytest.raises(ValueError, match=r"needs `mean`, `sd` and joint `draws`; got.*Pass all"):
        significance(np.ones(2), "simultaneous", 0.05, mean=np.ones(2), sd=np.ones(2))


def test_an_unknown_rule_is_refused():
    message = r"one of 'interval', 'fdr', 'simultaneous'; got 'bonferroni'. Use"
    with pytest.raises(ValueError, match=message):
        check_rule("bonferroni", 0.05)
    with pytest.raises(ValueError, match=message):
        significance(np.ones(2), "bonferroni", 0.05)


@pytest.mark.parametrize("alpha", [0, -0.1, 0.51, 5, float("nan")])
@pytest.mark.parametrize(
    "refuses",
    [
        check_alpha,
        lambda alpha: check_rule("fdr", alpha),
        lambda alpha: significance(np.ones(2), "interval", alpha),
        lambda alpha: joint_excursion(np.ones((4, 2)), 0.0, alpha),
    ],
    ids=["check_alpha", "check_rule", "significance", "joint_excursion"],
)
def test_an_alpha_that_is_no_error_rate_is_refused(refuses, alpha):
    with pytest.raises(ValueError, match=rf"error rate in \(0, 0.5\]; got {alpha}.*Use 0.05"):
        refuses(alpha)
