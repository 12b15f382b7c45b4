"""Observations left out are foretold as a fit without them does; and models are ranked by it."""

from dataclasses import replace

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
from cases import TRENDS, TRUTH
from scipy.special import logsumexp
from scipy.stats import norm

import womble as wb
from womble import check
from womble.engines.closed_forms import left_out
from womble.engines.dense import DenseEngine
from womble.hyperparameters import PLAIN
from womble.trend import Trend

THETA = PLAIN.theta([0.6, 1.2, 0.3])


def engine(trend="constant", drop=()):
    """Scaled data with a repeated site, without some of them."""
    rng = np.random.default_rng(1)
    coords, values = rng.standard_normal((14, 2)), rng.standard_normal(14)
    coords[3] = coords[2]
    keep = np.setdiff1d(np.arange(14), drop)
    return DenseEngine(wb.Matern(2.5), Trend(trend), coords[keep], values[keep]), coords, values


# --- left out --------------------------------------------------------------------------------


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("block", [[2], [5], [0, 2, 3, 9]], ids=str)
def test_the_closed_form_is_the_fit_without_the_block(trend, block):
    full, coords, _ = engine(trend)
    blocks = None if len(block) == 1 else [np.array(block), np.setdiff1d(np.arange(14), block)]
    mean, variance = full.condition(THETA).left_out(blocks)
    without = engine(trend, drop=block)[0].condition(THETA)
    expected, covariance = without.groups(coords[block][:, None, :], 0)
    # Wide trends make K ill-conditioned, by 1e5 here.
    npt.assert_allclose(mean[block], expected[:, 0], rtol=1e-7, atol=1e-8)
    npt.assert_allclose(variance[block], covariance[:, 0, 0] + THETA.noise_sd**2, rtol=1e-7)


def test_blocks_of_one_are_leave_one_out():
    f = engine()[0].condition(THETA)
    ones = left_out(f.whitener, f.weights, f.engine.values, [np.array([i]) for i in range(14)])
    npt.assert_allclose(ones, left_out(f.whitener, f.weights, f.engine.values, None), rtol=1e-10)


def test_the_chain_rule_of_densities():
    """log p(y) = log p(y_i | y_-i) + log p(y_-i), from the engine's own likelihoods."""
    full, _, values = engine()
    mean, variance = full.condition(THETA).left_out(None)
    ours = norm.logpdf(values, mean, np.sqrt(variance))
    whole = full.log_likelihood(THETA)[0]
    for i in (0, 3, 13):
        without = engine(drop=[i])[0].log_likelihood(THETA)[0]
        npt.assert_allclose(ours[i], whole - without, rtol=1e-8)


def test_given_hyperparameters_are_checked_without_weights(zinc, given):
    found = given.check()
    i = 7
    rest = zinc.drop(index=i)
    without = wb.FieldModel().condition(rest, "zinc", **TRUTH)
    mean, covariance = without.jet_moments(zinc.geometry.iloc[[i]], order=0)
    row = found.observations.loc[i]
    # The wide prior of the constant is centred at, and scaled by, all values or all but one.
    npt.assert_allclose(row["mean"], mean[0, 0], rtol=1e-3)
    npt.assert_allclose(row["sd"], np.sqrt(covariance[0, 0, 0] + TRUTH["noise_sd"] ** 2), rtol=1e-3)
    assert found.observations["k_hat"].isna().all()


# --- weights ---------------------------------------------------------------------------------


def test_weights_undo_what_the_hyperparameters_have_seen(fitted):
    """p(y_i | y_-i) is the harmonic mean of p(y_i | y_-i, theta): smoothing changes little."""
    ensemble = fitted.ensemble("surface", None, np.random.default_rng(0))
    predictive, k_hat = check.leave_one_out(ensemble, fitted.data.values)
    logs = norm.logpdf(fitted.data.values, predictive.means, predictive.sds)
    harmonic = np.log(len(logs)) - logsumexp(-logs, axis=0)
    good = k_hat < 0.5
    assert good.sum() > 30
    npt.assert_allclose(predictive.log_density[good], harmonic[good], atol=0.02)
    # Never better than with draws that have seen the observation.
    seen = logsumexp(logs, axis=0) - np.log(len(logs))
    assert (predictive.log_density < seen + 1e-12).all()


def test_weighted_draws_are_a_fit_without_the_observation(zinc):
    """Of the worst observation whose k-hat is good: a refit without it foretells the same."""
    options = {"inference": "importance", "rng": 1, "progress": False}
    with pytest.warns(UserWarning, match=r"2 of 40 observations have k-hat above 0\.7"):
        row = wb.FieldModel().fit(zinc, "zinc", **options).check().observations
    i = row.loc[row["k_hat"] < 0.5, "log_density"].idxmin()
    point = zinc.geometry.loc[[i]]
    coords = np.column_stack([point.x, point.y])
    without = wb.FieldModel().fit(zinc.drop(index=i), "zinc", **options)
    ensemble = without.ensemble("surface", None, np.random.default_rng(0))
    refit = check.foretold(ensemble, coords, zinc["zinc"].loc[[i]].to_numpy())
    # Priors are on the data's scale, which changes by 2% without the farthest value; the rest is
    # Monte Carlo.
    npt.assert_allclose(row.loc[i, "mean"], refit.mean[0], atol=0.1 * refit.sd[0])
    npt.assert_allclose(row.loc[i, "sd"], refit.sd[0], rtol=0.06)
    npt.assert_allclose(row.loc[i, "log_density"], refit.log_density[0], atol=0.35)


def test_influential_observations_are_told(given):
    k_hat = np.where(np.arange(40) < 2, 0.8, 0.1)
    k_hat[2] = np.inf
    uneven, even = np.full((10, 40), 0.05), np.full((10, 40), 0.1)
    uneven[0] = 0.55
    mixed = np.where(np.arange(40) == 1, even, uneven)
    predictive = check.Predictive(given.data.values, *np.ones((2, 10, 40)), mixed)
    found = check.result("leave-one-out", predictive, given.data, k_hat)
    assert list(np.flatnonzero(found.observations["influential"])) == [0, 2]
    with pytest.warns(UserWarning, match=r"2 of 40 observations have k-hat above 0\.7"):
        check.warn_of_influence(found)


# --- what is returned ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loo(given):
    return given.check()


def test_the_table_is_of_the_observations(loo, zinc):
    row, seen = loo.table.loc["leave-one-out"], loo.observations
    residual = seen["observed"] - seen["mean"]
    npt.assert_allclose(row["rmse"], np.sqrt((residual**2).mean()), rtol=1e-12)
    npt.assert_allclose(row["mae"], residual.abs().mean(), rtol=1e-12)
    npt.assert_allclose(
        row[["crps", "log_density"]].to_list(), seen[["crps", "log_density"]].mean()
    )
    inside = residual.abs() < norm.ppf(0.975) * seen["sd"]  # one normal each
    assert row["coverage"] == inside.mean()
    assert row["n"] == 40
    assert seen.crs == zinc.crs
    npt.assert_array_equal(seen["observed"], zinc["zinc"])
    assert loo.units == "mg kg-1"


def test_pits_are_uniform_under_the_truth():
    """At the hyperparameters that made the data, PITs of blocks far apart are independent."""
    pits = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        coords = rng.uniform(size=(30, 2))
        K = wb.Matern(2.5).radial(np.linalg.norm(coords[:, None] - coords, axis=-1) / 0.3, 0)
        values = np.linalg.cholesky(K + 0.04 * np.eye(30)) @ rng.standard_normal(30)
        post = wb.FieldModel(kernel=wb.Matern(2.5), trend="none").condition(
            (coords, values), lengthscale=0.3, amplitude=1.0, noise_sd=0.2
        )
        pits.append(post.check().observations["pit"].iloc[0])
    # Mean 1/2 and variance 1/12 of independent uniform numbers.
    assert abs(np.mean(pits) - 0.5) < 4 * np.sqrt(1 / 12 / 30)
    assert abs(np.var(pits) - 1 / 12) < 4 * np.sqrt((1 / 80 - 1 / 144) / 30)


def test_data_held_out(given, zinc):
    """Twelve points between the sites."""
    held = zinc.iloc[:12].translate(3.0, -2.0).to_frame("geometry").assign(zinc=zinc["zinc"] + 1.0)
    found = given.check(held)
    mean, covariance = given.jet_moments(held.geometry, order=0)
    npt.assert_allclose(found.observations["mean"], mean[:, 0], rtol=1e-12)
    expected = np.sqrt(covariance[:, 0, 0] + TRUTH["noise_sd"] ** 2)
    npt.assert_allclose(found.observations["sd"], expected, rtol=1e-12)
    assert list(found.table.index) == ["held out"]
    with pytest.raises(ValueError, match="`held_out` must be in the data's CRS"):
        given.check(held.to_crs("EPSG:32631"))


@pytest.mark.parametrize("blocks", ["spatial", "random"])
def test_blocks_hold_every_observation_once(given, blocks):
    found = given.cross_validate(blocks=blocks, folds=4, rng=1)
    fold = found.observations["fold"]
    assert sorted(fold.unique()) == [0, 1, 2, 3]
    again = given.cross_validate(blocks=blocks, folds=4, rng=1)
    pd.testing.assert_frame_equal(found.observations, again.observations)
    if blocks == "random":
        assert set(fold.value_counts()) == {10}
    else:
        spread = found.observations.dissolve("fold").convex_hull.area
        assert spread.max() < 0.4 * found.observations.union_all().convex_hull.area


def test_blocks_of_ones_own(zinc):
    """Named by the caller; each is predicted as `check` does from a fit without it."""
    model, half = wb.FieldModel(trend="none"), np.where(zinc.geometry.x > 181050, "east", "west")
    found = model.condition(zinc, "zinc", **TRUTH).cross_validate(blocks=half)
    assert list(found.table.index) == ["2 given blocks"]
    for side in ("east", "west"):
        others = model.condition(zinc[half != side], "zinc", **TRUTH)
        expected = others.check(zinc[half == side]).observations
        actual = found.observations[found.observations["fold"] == side]
        npt.assert_allclose(actual["mean"], expected["mean"], rtol=1e-9)
        npt.assert_allclose(actual["sd"], expected["sd"], rtol=1e-9)


def test_blocks_count_the_rows_that_were_dropped(zinc):
    gaps = zinc.copy()
    gaps.loc[[3, 17], "zinc"] = np.nan
    with pytest.warns(UserWarning, match="2 of 40"):
        post = wb.FieldModel().condition(gaps, "zinc", **TRUTH)
    label = np.arange(40) % 5
    fold = post.cross_validate(blocks=label).observations["fold"]
    npt.assert_array_equal(fold, label[fold.index])
    assert len(fold) == 38


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (np.arange(39), r"label for each of the at least 40 rows of the data; got shape \(39,\)"),
        (np.ones(40), "must have at least two labels; all rows have"),
        (np.where(np.arange(40) < 5, np.nan, np.arange(40)), "5 are missing"),
    ],
)
def test_bad_blocks(given, blocks, message):
    with pytest.raises(ValueError, match=message):
        given.cross_validate(blocks=blocks)


def test_far_blocks_are_harder_than_single_observations(given, loo):
    far = given.cross_validate(folds=4, rng=1).table
    assert far["crps"].item() > loo.table["crps"].item()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"blocks": "kmeans"}, "`blocks` must be 'spatial', 'random' or a label for each row"),
        ({"folds": 1}, "`folds` must be from 2 to 20, half the number of sites; got 1"),
        ({"folds": 21}, "`folds` must be from 2 to 20"),
    ],
)
def test_bad_options_of_cross_validate(given, option, message):
    with pytest.raises(ValueError, match=message):
        given.cross_validate(**option)


# --- comparison ------------------------------------------------------------------------------


def test_the_truth_is_preferred(zinc, given):
    wrong = wb.FieldModel().condition(zinc, "zinc", **TRUTH | {"lengthscale": 3.0})
    table = wb.compare({"wrong": wrong, "truth": given})
    assert list(table.index) == ["truth", "wrong"]
    ours, theirs = (post.check().observations["log_density"] for post in (given, wrong))
    npt.assert_allclose(table["elpd"], [ours.sum(), theirs.sum()], rtol=1e-12)
    npt.assert_allclose(table.loc["wrong", "difference"], (theirs - ours).sum(), rtol=1e-12)
    se = np.sqrt(40) * (theirs - ours).std()
    npt.assert_allclose(table.loc["wrong", "difference_se"], se, rtol=1e-12)
    assert table.loc["truth", "difference"] == table.loc["truth", "difference_se"] == 0
    assert list(wb.compare([wrong, given]).index) == [1, 0]


def test_other_data_are_refused(given, log_given, zinc):
    with pytest.raises(ValueError, match=r"'logs' has others than 'plain'.*same transform"):
        wb.compare({"plain": given, "logs": log_given})
    moved = replace(given, data=replace(given.data, coords=given.data.coords + 1.0))
    with pytest.raises(ValueError, match="same sites and values"):
        wb.compare([given, moved])
    with pytest.raises(ValueError, match=r"at least two posteriors are needed.*got 1"):
        wb.compare([given])


def test_standard_errors_by_hand(given):
    """Differences 1, -2, 0.5, 3 have mean 0.625 and squares about it that sum to 12.6875."""
    table = pd.DataFrame([{"rmse": 1.0, "crps": 1.0, "coverage": 1.0}])

    def foretold(densities):
        observations = pd.DataFrame(
            {"log_density": densities, "influential": [False, True, False, False]}
        )
        return known(given, check.Check(table, observations, "zinc", None))

    better = foretold([-1.0, -2.0, -1.0, -3.0])
    worse = foretold([-2.0, 0.0, -1.5, -6.0])
    found = wb.compare({"worse": worse, "better": better})
    assert list(found.index) == ["better", "worse"]
    npt.assert_allclose(found.loc["worse", "difference"], -2.5, rtol=1e-12)
    npt.assert_allclose(found.loc["worse", "difference_se"], np.sqrt(4 * 12.6875 / 3), rtol=1e-12)
    # Of -1, -2, -1, -3: mean -1.75, sum of squares 2.75.
    npt.assert_allclose(found.loc["better", "elpd_se"], np.sqrt(4 * 2.75 / 3), rtol=1e-12)
    assert (found["bad_k"] == 1).all()


def known(post, found):
    """A posterior whose check is known."""

    class Known:
        data = post.data

        def check(self, rng):
            return found

    return Known()


def test_a_check_prints_its_scores(given):
    found = given.check()
    assert repr(found).startswith("Check of zinc, n = 40\n")
    assert "rmse" in repr(found)
    assert found._repr_html_().startswith("<table")
