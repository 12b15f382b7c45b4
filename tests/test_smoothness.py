"""Models that differ in their smoothness, compared on the same data."""

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

import womble as wb
from womble import smoothness

QUIET = {"inference": "importance", "rng": 1, "progress": False}
INFLUENCE = "observations have k-hat above"


@pytest.fixture(scope="module")
def table(zinc):
    with pytest.warns(UserWarning, match=INFLUENCE) as record:
        found = wb.FieldModel().compare_smoothness(
            zinc, "zinc", nu=(1.5, 2.5, np.inf), rng=1, progress=False
        )
    assert {warning.filename for warning in record} == {__file__}
    return found


def test_rows_are_those_of_fits_compared(zinc, table):
    kernels = {1.5: wb.Matern(1.5), 2.5: wb.Matern(2.5), np.inf: wb.SquaredExponential()}
    posts = {nu: wb.FieldModel(kernel=k).fit(zinc, "zinc", **QUIET) for nu, k in kernels.items()}
    with pytest.warns(UserWarning, match=INFLUENCE):
        ours = wb.compare(posts)
    npt.assert_array_equal(table.index, ours.index)
    npt.assert_array_equal(table[ours.columns], ours)
    for nu, post in posts.items():
        row = table.loc[nu]
        npt.assert_allclose(row["lengthscale"], post.draws["lengthscale"].mean(), rtol=1e-12)
        npt.assert_allclose(row["lengthscale_sd"], post.draws["lengthscale"].std(), rtol=1e-12)
        assert row["k_hat"] == float(post.sample_stats["k_hat"])


def test_it_says_which_derivatives_exist(table):
    expected = {1.5: (True, False, False), 2.5: (True, True, False), np.inf: (True, True, True)}
    for nu, exists in expected.items():
        assert tuple(table.loc[nu, ["gradient", "hessian", "crest_lines_of_draws"]]) == exists


@pytest.mark.parametrize(
    ("difference", "se", "left"),
    [
        ([0.0, -3.9, -3.0], [0.0, 0.1, 0.1], "cannot tell apart nu = 2.5, 3.5, inf"),
        ([0.0, -9.0, -4.1], [0.0, 4.6, 2.0], "cannot tell apart nu = 2.5, 3.5"),
        ([0.0, -9.0, -5.0], [0.0, 1.0, 1.0], "nu = 3.5 is better than the others"),
    ],
)
def test_the_advice_names_what_is_not_told_apart(difference, se, left):
    index = [3.5, 2.5, np.inf]
    frame = pd.DataFrame({"difference": difference, "difference_se": se}, index=index)
    assert f"By leave-one-out {left}." in smoothness.advice(frame).replace("these data ", "")


def test_a_rough_field_is_told_from_a_smooth_one():
    """120 values on a line with hardly any noise: nu = 3/2 and the squared exponential."""
    x = np.linspace(0, 20, 120)
    z = np.sqrt(3) * np.abs(x[:, None] - x)
    y = np.linalg.cholesky((1 + z) * np.exp(-z)) @ np.random.default_rng(3).standard_normal(120)
    model = wb.FieldModel(kernel=wb.SquaredExponential())
    found = model.compare_smoothness((x, y), nu=(1.5, np.inf), rng=1, progress=False)
    assert list(found.index) == [1.5, np.inf]
    assert "nu = 1.5 is better than the others" in found.attrs["advice"]


SLOPES = (np.array([[181050.0, 332050.0]]), np.array([[0.1, np.nan]]), 0.05)


@pytest.mark.parametrize(
    "told",
    [
        {"measurement_sd": 0.2, "weights": 2.0, "covariates": {"x": np.arange(40.0)}},
        {"gradient_data": SLOPES, "transform": "log"},
    ],
    ids=["noise and covariates", "slopes of logarithms"],
)
def test_data_are_passed_on_to_the_fits(zinc, told):
    told = told | {"inference": "map", "rng": 1, "progress": False}
    found = wb.FieldModel(trend="linear").compare_smoothness(zinc, "zinc", nu=(2.5, 3.5), **told)
    for nu in (2.5, 3.5):
        post = wb.FieldModel(kernel=wb.Matern(nu), trend="linear").fit(zinc, "zinc", **told)
        elpd = post.check().observations["log_density"].sum()
        npt.assert_allclose(found.loc[nu, "elpd"], elpd, rtol=1e-12)


def test_the_mode_has_no_k_hat(zinc):
    options = {"inference": "map", "progress": False}
    found = wb.FieldModel().compare_smoothness(zinc, "zinc", nu=(2.5, 3.5), rng=1, **options)
    assert found["k_hat"].isna().all()
    assert (found["lengthscale_sd"] == 0).all()


@pytest.mark.parametrize(
    ("model", "nu", "message"),
    [
        ({}, (2.5,), r"at least two different numbers; got \(2\.5,\)"),
        ({}, (2.5, 2.5), "at least two different numbers"),
        ({}, (2.5, 1.0), r"`nu` must be above 1 .*got 1\.0"),
        ({"kernel": wb.Matern(2.5) + wb.Matern(1.5)}, (1.5, 2.5), "needs a model with a Matern or"),
        ({"likelihood": "poisson"}, (1.5, 2.5), "needs likelihood='gaussian'.*got .*'poisson'"),
    ],
)
def test_refusals(zinc, model, nu, message):
    with pytest.raises(ValueError, match=message):
        wb.FieldModel(**model).compare_smoothness(zinc, "zinc", nu=nu)
