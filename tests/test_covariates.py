"""Covariates: what columns become, and fields with their derivatives."""

import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest
import xarray as xr

from womble import jet
from womble.covariate import Covariate
from womble.covariate_field import Standardised, covariate_field
from womble.covariates import Covariates
from womble.scaling import Scaling
from womble.spatial_data import spatial_data

RNG = np.random.default_rng(3)
POINTS = RNG.uniform(0, 100, (30, 2))


@pytest.fixture
def frame(zinc):
    """The shared points with a number, a category, and a gap in each."""
    out = zinc.copy()
    out["depth"] = RNG.normal(40, 7, len(out))
    out["soil"] = np.resize(["peat", "clay", "sand", "clay"], len(out))
    return out


def test_a_number_is_centred_and_scaled(frame):
    found = spatial_data(frame, "zinc", covariates=["depth"]).covariates
    npt.assert_allclose(found.design.mean(axis=0), 0.0, atol=1e-14)
    npt.assert_allclose(found.design.std(axis=0), 1.0)
    npt.assert_allclose(found.units, frame["depth"].std(ddof=0))


def test_the_first_category_is_zero(frame):
    found = spatial_data(frame, "zinc", covariates=["soil"]).covariates
    assert found.labels == ["soil[peat]", "soil[sand]"]
    npt.assert_array_equal(found.design[:4], [[1, 0], [0, 0], [0, 1], [0, 0]])


def test_an_ordered_category_keeps_its_order(frame):
    frame["soil"] = pd.Categorical(frame["soil"], categories=["sand", "peat", "clay", "rock"])
    found = spatial_data(frame, "zinc", covariates=["soil"]).covariates
    assert found.labels == ["soil[peat]", "soil[clay]"]


def test_rows_without_a_covariate_are_dropped_and_counted(frame):
    frame.loc[frame.index[3], "depth"] = np.nan
    with pytest.warns(UserWarning, match="1 of 40 rows has a missing covariate"):
        found = spatial_data(frame, "zinc", covariates=["depth"])
    assert len(found.values) == len(found.covariates.design) == 39
    assert 3 not in found.rows


def test_columns_can_come_with_arrays():
    values, depth = RNG.normal(size=30), RNG.normal(size=30)
    found = spatial_data((POINTS, values), covariates={"depth": depth}).covariates
    npt.assert_allclose(found.design[:, 0], (depth - depth.mean()) / depth.std())


def test_columns_of_a_raster_follow_its_cells():
    cells = RNG.normal(size=(4, 5))
    cells[1, 2] = np.nan
    raster = xr.DataArray(cells, {"y": np.arange(4.0), "x": np.arange(5.0)}, ("y", "x"))
    depth = xr.DataArray(np.arange(20.0).reshape(4, 5), raster.coords, ("y", "x"))
    found = spatial_data(raster, covariates={"depth": depth}).covariates
    npt.assert_allclose(
        found.design[:, 0] * found.units + found.columns[0].mean, np.delete(np.arange(20.0), 7)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3.0}, "covariate 'depth' must vary"),
        ({"depth": np.inf}, "covariate 'depth' must be finite; 40 values"),
        ({"soil": "clay"}, "at least two categories"),
    ],
)
def test_columns_that_cannot_be_used(frame, change, message):
    with pytest.raises(ValueError, match=message):
        spatial_data(frame.assign(**change), "zinc", covariates=["depth", "soil"])


def test_columns_that_repeat_one_another(frame):
    frame["double"] = 2 * frame["depth"] + 1
    with pytest.raises(ValueError, match="depth, double are linearly dependent"):
        spatial_data(frame, "zinc", covariates=["depth", "double"])


def test_unknown_columns_and_missing_tables(frame):
    with pytest.raises(ValueError, match="'hight' are not there"):
        spatial_data(frame, "zinc", covariates=["hight"])
    with pytest.raises(TypeError, match="Give a DataFrame or a dict"):
        spatial_data((POINTS, np.arange(30.0)), covariates=["depth"])
    with pytest.raises(ValueError, match="each of the 30 rows of the data; got 3"):
        spatial_data((POINTS, np.arange(30.0)), covariates={"depth": [1.0, 2.0, 3.0]})


def cubic(points):
    """A polynomial of third degree, which the spline reproduces, and its jets."""
    x, y = points.T
    return np.stack([x**3 - x * y**2, 3 * x**2 - y**2, -2 * x * y, 6 * x, -2 * y, -2 * x], axis=1)


def raster_of(function, descending=False):
    x, y = np.linspace(-1, 2, 31), np.linspace(0, 2, 21)
    cells = function(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))[:, 0].reshape(21, 31)
    raster = xr.DataArray(cells, {"y": y, "x": x}, ("y", "x"))
    return raster[::-1] if descending else raster


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_raster_is_a_cubic_spline(order, descending):
    points = RNG.uniform([-1, 0], [2, 2], (20, 2))
    found = covariate_field("elev", raster_of(cubic, descending), None).jets(points, order)
    npt.assert_allclose(found, cubic(points)[:, : jet.size(2, order)], atol=1e-11)


def test_a_standardised_field_has_the_chain_rule():
    covariate = Covariate("elev", None, mean=0.7, sd=2.5)
    scaling = Scaling(np.array([0.4, 1.0]), 1.7, 0.0, 1.0)
    field = Standardised(covariate_field("elev", cubic, None), covariate, scaling)
    s, step = np.array([[0.1, 0.2]]), 1e-4
    npt.assert_allclose(field.jets(s, 0)[0], (cubic(scaling.origin + 1.7 * s)[:, 0] - 0.7) / 2.5)
    for i in range(2):
        e = step * np.eye(2)[i]
        differences = (field.jets(s + e, 1) - field.jets(s - e, 1))[0] / (2 * step)
        # Third derivatives are at most 6 x 1.7^3 / 2.5: truncation step^2 / 6 of that.
        npt.assert_allclose(differences[0], field.jets(s, 1)[0, 1 + i], atol=1e-7)
        npt.assert_allclose(differences[1:], jet.hessian(field.jets(s, 2), 2)[0, i], atol=1e-7)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda p: p[:, 0], "value, gradient and Hessian at each point, shape .5, 6"),
        (raster_of(cubic).where(lambda r: r.x > 0), "210 of 651 are missing|must have no missing"),
        (raster_of(cubic)[:3], "at least 4 rows"),
        (raster_of(cubic), "5 of 5|lie beyond its outermost"),
    ],
)
def test_fields_that_cannot_be_used(field, message):
    with pytest.raises(ValueError, match=message):
        covariate_field("elev", field, None).jets(np.full((5, 2), 7.0), 2)


def test_a_field_must_be_a_raster_or_a_function():
    with pytest.raises(TypeError, match="DataArray with dimensions x and y, or a function"):
        covariate_field("elev", np.zeros((3, 3)), None)


def test_a_raster_in_another_crs(zinc):
    raster = raster_of(cubic).rio.write_crs("EPSG:32631")
    with pytest.raises(ValueError, match="must be in the data's CRS"):
        covariate_field("elev", raster, zinc.crs)


def test_design_of_new_values():
    columns = Covariates.of(pd.DataFrame({"a": [1.0, 3.0, 2.0, 9.0], "b": list("xyxy")})).columns
    npt.assert_allclose(columns[0].design([1.0, 3.75])[:, 0], [-2.75 / columns[0].sd, 0.0])
    npt.assert_array_equal(columns[1].design(["y", "x"])[:, 0], [1.0, 0.0])
