"""What posteriors look like: one figure, traces, tables in notebooks, maps; origins of a fit."""

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import numpy.testing as npt
import pandas as pd
import pymc as pm
import pytest
import shapely
import xarray as xr

import womble as wb
from womble import plot
from womble.hyperparameters import PLAIN
from womble.origin import with_origin
from womble.plot import style

mpl.use("Agg")

from matplotlib import pyplot as plt

pytestmark = pytest.mark.usefixtures("few_modes")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_plot_has_data_surface_slope_and_boundaries(given, zinc):
    ax = given.plot(wb.Grid.from_data(zinc, spacing=20.0), rng=0, progress=False)
    assert ax.shape == (2, 2)
    assert [one.get_title(loc="left") for one in ax.ravel()] == [
        "Data",
        "Zinc: posterior mean",
        "Steepness of zinc: posterior mean",
        "Boundaries on the posterior sd of the slope",
    ]
    npt.assert_array_equal(ax[0, 0].collections[0].get_array(), zinc["zinc"])
    assert len({one.figure for one in ax.ravel()}) == 1
    with pytest.raises(ValueError, match=r"shape \(2, 2\); got \(2,\)"):
        plot.overview(given, None, None, ax=ax[0])


def test_plot_on_a_line_marks_change_points():
    x = np.linspace(0, 10, 40)
    post = wb.FieldModel().condition(
        pd.Series(np.tanh(2 * (x - 4)), index=x, name="level"),
        lengthscale=2.0,
        amplitude=1.0,
        noise_sd=0.05,
    )
    ax = post.plot(rng=0, progress=False)
    assert ax.shape == (2,)
    seen = next(line for line in ax[0].lines if line.get_marker() == ".")
    npt.assert_allclose(seen.get_xdata(), x)
    marks = [line.get_xdata()[0] for line in ax[1].lines if len(set(line.get_xdata())) == 1]
    npt.assert_allclose(marks, 4.0, atol=0.1)


def test_traces_of_chains_and_their_ranks(fitted):
    ax = plot.trace(fitted)
    assert ax.shape == (3, 2)
    draws = fitted.draws["lengthscale"].to_numpy()
    npt.assert_array_equal([line.get_ydata() for line in ax[0, 0].lines], draws)
    heights = np.array([stairs.get_data().values for stairs in ax[0, 1].patches])
    # Shares over what is expected: each chain's mean is 1, and so is each bin's over chains.
    npt.assert_allclose(heights.mean(axis=1), 1.0)
    npt.assert_allclose(heights.mean(axis=0), 1.0, atol=1e-12)
    with pytest.raises(ValueError, match=r"shape \(3, 2\), a row for each of lengthscale"):
        plot.trace(fitted, ax=ax[0])


def test_weights_of_importance_sampling(zinc):
    post = wb.FieldModel().fit(zinc, "zinc", inference="importance", rng=2, progress=False)
    ax = plot.trace(post)
    stats = post.sample_stats
    shown = ax[0, 1].lines[0]
    assert len(shown.get_xdata()) == int(stats["distinct"])
    # Weights over their mean 1 / points; the points that were drawn hold nearly all of it.
    held = shown.get_ydata().sum() / float(stats["points"])
    assert 0.6 < held <= 1.0


def test_nothing_sampled_has_no_trace(given):
    with pytest.raises(ValueError, match="a trace needs a sample"):
        plot.trace(given)


def test_a_posterior_is_a_table_in_notebooks(given, fitted, zinc):
    html = fitted._repr_html_()
    assert "R-hat" not in html
    for stated in ("Matern(nu=3.5)", "r_hat", "lengthscale", "zinc, n = 40", "NUTS"):
        assert stated in html
    assert "r_hat" not in given._repr_html_()
    named = wb.FieldModel().condition(
        zinc.rename(columns={"zinc": "<script>"}),
        "<script>",
        lengthscale=30.0,
        amplitude=2.0,
        noise_sd=0.5,
    )
    assert "<script>" not in named._repr_html_()


def test_lines_explore_themselves(given, zinc):
    pytest.importorskip("folium")
    lines = given.boundaries(
        wb.Grid.from_data(zinc, spacing=10.0), kind="level", levels=[10.0], prominence=0.5,
        alpha=0.5, samples=40, rng=0, progress=False,
    )  # fmt: skip
    assert len(lines)
    html = lines.explore(tiles=None).get_root().render()
    assert "steepness_mean" in html


def scale_bars(ax):
    return [artist for artist in ax.artists if type(artist).__name__ == "ScaleBar"]


@pytest.mark.parametrize(
    ("units", "expected"), [("m", 1), ("metre", 1), ("1000 ft", 1), ("days", 0), (None, 0)]
)
def test_maps_in_lengths_have_one_scale_bar(units, expected):
    pytest.importorskip("matplotlib_scalebar")
    ax = style.map_axes(None, [0, 0, 10, 10], ("x", "y"), units)
    assert len(scale_bars(ax)) == expected
    assert len(scale_bars(style.map_axes(ax, [0, 0, 10, 10], ("x", "y"), units))) == expected


def test_scale_bars_come_with_surfaces_and_lines(zinc):
    pytest.importorskip("matplotlib_scalebar")
    x = np.arange(5.0)
    ds = xr.Dataset({"value": (("statistic", "y", "x"), np.ones((1, 5, 5)))})
    ds = ds.assign_coords(x=x, y=x, statistic=["mean"])
    assert not scale_bars(plot.surface(ds))
    ds["x"].attrs["units"] = "km"
    ax = plot.surface(ds)
    columns = {"boundary_id": [0], "probability": 1.0, "steepness_mean": 1.0, "rule": ""}
    line = gpd.GeoDataFrame(columns, geometry=[shapely.LineString([(0, 0), (4, 4)])])
    line.attrs["coordinate_units"] = "km"
    assert len(scale_bars(plot.boundaries(line, ax=ax))) == 1


def test_priors_and_seed_stay_with_a_fit(zinc, tmp_path):
    model = wb.FieldModel(priors={"noise_sd": pm.HalfNormal.dist(sigma=1.0)})
    post = model.fit(zinc, "zinc", inference="map", rng=7, progress=False)
    post.save(tmp_path / "fit.nc")
    for one in (post, wb.load(tmp_path / "fit.nc")):
        told = {name: one.draws[name].attrs for name in PLAIN.names}
        assert told["lengthscale"]["prior"].startswith("inverse gamma (alpha ")
        assert told["lengthscale"]["prior"].endswith("by default")
        assert told["noise_sd"]["prior"].startswith("the user's half normal, 95% between 0.0")
        assert all(attrs["seed"] == 7 for attrs in told.values())


def test_a_users_prior_is_told_by_its_quantiles(given):
    """Half normal with scale 2: quantiles 0.0627 and 4.48; 2,000 draws know the upper to 3%."""
    priors = {"amplitude": pm.HalfNormal.dist(sigma=2.0)}
    draws = with_origin(given.draws, PLAIN, given.data, priors, np.random.default_rng(0))
    low, high = map(float, draws["amplitude"].attrs["prior"].split("between ")[1].split(" and "))
    npt.assert_allclose(low, 0.0627, rtol=0.6)
    npt.assert_allclose(high, 4.48, rtol=0.12)
    assert "seed" not in draws["amplitude"].attrs
    assert "prior" not in given.draws["amplitude"].attrs
