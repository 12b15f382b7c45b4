"""Data on a line: a Series, a profile or arrays, at numbers or dates."""

import datetime as dt

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr

from womble.axis import Axis
from womble.spatial_data import spatial_data

N = 60
DAYS = pd.date_range("2001-03-01", periods=N, freq="36h", name="when")
X = np.random.default_rng(8).uniform(0, 10, N)
Y = np.sin(X) + 0.1 * np.random.default_rng(9).standard_normal(N)


def as_series(x, y):
    out = pd.Series(y, index=pd.Index(x, name="depth"), name="level")
    out.attrs = {"units": "m", "coordinate_units": "km"}
    return out


def as_array(x, y):
    coords = {"depth": ("depth", x, {"units": "kilometre"})}
    return xr.DataArray(y, coords, ("depth",), name="level", attrs={"units": "m"})


@pytest.mark.parametrize("form", [as_series, as_array])
def test_a_series_and_a_profile_say_where_what_and_in_which_units(form):
    data = spatial_data(form(X, Y))
    npt.assert_array_equal(data.coords, X[:, None])
    npt.assert_array_equal(data.values, Y)
    assert (data.name, data.units, data.coordinate_units) == ("level", "m", "km")
    assert data.axis == Axis("depth")
    renamed = spatial_data(form(X, Y), "stage", units="ft")
    assert (renamed.name, renamed.units) == ("stage", "ft")


@pytest.mark.parametrize("form", [as_series, as_array])
def test_missing_values_are_dropped_and_counted(form):
    y = Y.copy()
    y[[2, 5]] = np.nan
    with pytest.warns(UserWarning, match=f"2 of {N} rows have a missing value in 'level'"):
        data = spatial_data(form(X, y))
    npt.assert_array_equal(data.rows, np.delete(np.arange(N), [2, 5]))
    npt.assert_array_equal(data.coords[:, 0], np.delete(X, [2, 5]))


@pytest.mark.parametrize(
    "data",
    [
        pd.Series(Y, index=DAYS[::-1]),
        xr.DataArray(Y, {"when": DAYS[::-1]}, ("when",)),
        (DAYS[::-1], Y),
        (DAYS[::-1].to_numpy(), Y),
        (list(DAYS[::-1].to_pydatetime()), Y),
    ],
    ids=["Series", "DataArray", "DatetimeIndex", "datetime64", "datetime"],
)
def test_dates_become_days_since_the_first(data):
    checked = spatial_data(data)
    npt.assert_array_equal(checked.coords[:, 0], 1.5 * np.arange(N)[::-1])
    assert checked.axis.origin == np.datetime64("2001-03-01")
    assert checked.coordinate_units == "days"
    npt.assert_array_equal(checked.axis.positions(checked.coords[:, 0]), DAYS[::-1])


def test_dates_come_back_to_the_millisecond_after_a_century():
    late = np.datetime64("2024-02-29T23:59:59.007") + np.arange(100) * np.timedelta64(61_001, "ms")
    axis, numbers = Axis.of([dt.datetime(1900, 1, 1), *late.tolist()], "t")
    npt.assert_array_equal(axis.positions(numbers)[1:], late)


def test_a_missing_date_is_a_missing_location():
    dates = DAYS.to_series().reset_index(drop=True)
    dates[4] = pd.NaT
    with pytest.warns(UserWarning, match=f"1 of {N} rows has no location"):
        data = spatial_data((dates, Y))
    assert len(data.values) == N - 1


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (DAYS.tz_localize("UTC"), r"with a time zone.*tz_convert\(None\)"),
        (pd.Index(list(DAYS.tz_localize("UTC")), dtype=object), r"with a time zone"),
        (DAYS.to_period("D"), r"as periods.*to_timestamp\(\)"),
        (DAYS - DAYS[0], r"as durations.*timedelta64"),
        (pd.Index([f"a{i}" for i in range(N)]), "must be an array of real numbers"),
    ],
)
def test_positions_are_numbers_or_plain_dates(index, message):
    with pytest.raises(TypeError, match=message):
        spatial_data(pd.Series(Y, index=index))


def test_an_index_of_two_levels_is_refused():
    index = pd.MultiIndex.from_arrays([X, X], names=["a", "b"])
    with pytest.raises(ValueError, match=r"got 2 levels.*reset_index"):
        spatial_data(pd.Series(Y, index=index))


def test_a_dimension_without_coordinate_is_refused():
    with pytest.raises(ValueError, match=r"'depth' of `data` must have a coordinate"):
        spatial_data(xr.DataArray(Y, dims="depth"))


def test_positions_named_like_a_dimension_of_surfaces_are_refused():
    with pytest.raises(ValueError, match=r"must not be called 'draw'.*Rename"):
        spatial_data(pd.Series(Y, index=pd.Index(X, name="draw")))


def test_a_table_is_told_how_to_become_a_series():
    with pytest.raises(TypeError, match=r"got DataFrame.*set_index\('position'\)\['name'\]"):
        spatial_data(pd.DataFrame({"x": X, "y": Y}))
