"""Curves on a line show what the Dataset and the table hold."""

import matplotlib as mpl
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

import womble as wb
from womble.grid import Grid
from womble.plot import style

mpl.use("Agg")
import matplotlib.pyplot as plt

X = np.sort(np.random.default_rng(5).uniform(size=60))


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def post():
    noise = 0.05 * np.random.default_rng(6).standard_normal(60)
    series = pd.Series(np.tanh((X - 0.5) / 0.1) + noise, pd.Index(X, name="depth"), name="level")
    series.attrs = {"units": "K", "coordinate_units": "km"}
    return wb.FieldModel().condition(series, lengthscale=0.3, amplitude=1.0, noise_sd=0.05)


@pytest.fixture(scope="module")
def ds(post):
    grid = Grid.from_data(post.data, spacing=0.02)
    return post.surface(grid, rule="simultaneous", samples=40, rng=1, progress=False)


@pytest.fixture(scope="module")
def changes(post):
    return post.change_points(samples=40, rng=1, progress=False)


def line(ax, label):
    return next(each for each in ax.get_lines() if each.get_label() == label)


@pytest.mark.parametrize("variable", ["value", "dx", "dxx"])
def test_a_transect_shows_mean_interval_and_band(ds, variable):
    ax = wb.plot.transect(ds, variable)
    mean = line(ax, "posterior mean")
    npt.assert_array_equal(mean.get_xdata(), ds["depth"])
    npt.assert_array_equal(mean.get_ydata(), ds[variable].sel(statistic="mean"))
    for area, (low, high) in zip(
        ax.collections,
        [
            ds[f"{variable}_band"].to_numpy(),
            ds[variable].sel(statistic=["q025", "q975"]).to_numpy(),
        ],
        strict=True,
    ):
        points = area.get_paths()[0].vertices[:, 1]
        npt.assert_allclose([points.min(), points.max()], [low.min(), high.max()])
    assert ax.get_xlabel() == "depth (km)"
    zero = [each for each in ax.get_lines() if list(each.get_ydata()) == [0.0, 0.0]]
    assert len(zero) == (variable != "value")


def test_significant_slopes_are_coloured_and_the_rule_named(ds):
    ax = wb.plot.transect(ds, "dx")
    rising = line(ax, "significant: rises")
    npt.assert_array_equal(np.isfinite(rising.get_ydata()), ds["dx_significant"] == 1)
    assert rising.get_color() == style.POSITIVE
    assert "simultaneous" in ax.get_legend().get_title().get_text()
    plain = wb.plot.transect(ds, "dx", significant=False)
    assert not [each for each in plain.get_lines() if "significant" in each.get_label()]
    assert "(K km" in ax.get_ylabel()


def test_on_the_response_scale_the_median_is_drawn():
    values = np.exp(np.sin(6 * X))
    options = {"lengthscale": 0.3, "amplitude": 1.0, "noise_sd": 0.05, "transform": "log"}
    post = wb.FieldModel().condition((X, values), **options)
    grid = Grid.from_data(X, spacing=0.1)
    ds = post.surface(grid, scale="response", samples=30, rng=1, progress=False)
    median = line(wb.plot.transect(ds), "posterior median")
    npt.assert_array_equal(median.get_ydata(), ds["value"].sel(statistic="q50"))


def test_change_points_stand_where_the_table_says(ds, changes):
    ax = wb.plot.transect(ds)
    before = len(ax.patches)
    assert wb.plot.change_points(changes, ax=ax) is ax
    row = changes.iloc[0]
    (span,) = ax.patches[before:]
    npt.assert_allclose(
        [span.get_x(), span.get_x() + span.get_width()], [row.position_q025, row.position_q975]
    )
    npt.assert_allclose(ax.get_lines()[-1].get_xdata(), row.position)
    assert ax.get_lines()[-1].get_color() == style.POSITIVE  # it rises


def test_no_change_point_is_said(changes):
    ax = wb.plot.change_points(changes.iloc[:0])
    assert [text.get_text() for text in ax.texts] == ["no change point found"]


def test_dates_stay_dates():
    days = pd.date_range("2020-01-01", periods=60)
    series = pd.Series(np.tanh((X - 0.5) / 0.1), days, name="level")
    post = wb.FieldModel().condition(series, lengthscale=20.0, amplitude=1.0, noise_sd=0.05)
    ax = wb.plot.transect(post.surface(samples=30, rng=1, progress=False))
    ax = wb.plot.change_points(post.change_points(samples=30, rng=1, progress=False), ax=ax)
    low, high = mpl.dates.num2date(ax.get_xlim())
    assert (low.year, low.month, high.month) == (2020, 1, 2)


def test_refusals(post, ds, changes, given, grid):
    with pytest.raises(ValueError, match=r"got 'dy'. It has \['value', 'dx', 'dxx'\]"):
        wb.plot.transect(ds, "dy")
    kept = post.surface(samples=3, keep_draws=True, progress=False)
    with pytest.raises(ValueError, match=r"surface of draws.*keep_draws=False"):
        wb.plot.transect(kept)
    plane = given.surface(grid, samples=10, progress=False)
    with pytest.raises(ValueError, match=r"one dimension besides.*plot.surface"):
        wb.plot.transect(plane)
    with pytest.raises(ValueError, match=r"needs the dimensions.*plot.transect"):
        wb.plot.surface(ds)
    with pytest.raises(ValueError, match=r"\['direction'\] are missing"):
        wb.plot.change_points(changes.drop(columns="direction"))
