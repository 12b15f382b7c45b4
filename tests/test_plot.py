"""Plots: the right quantity, colours, labels and units; pyplot is loaded by drawing only."""

import subprocess
import sys

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import numpy.testing as npt
import pytest
import shapely
import xarray as xr
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.quiver import Quiver

mpl.use("Agg")

from matplotlib import pyplot as plt

from womble import plot

RULE = "interval, alpha = 0.05, per cell"
LENGTH = 600.0  # of the wave, in metres


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def surface():
    """6 + sin(x / 600) cos(y / 600) and derivatives on 30 x 24 cells in a national grid."""
    x, y = 181000.0 + 100.0 * np.arange(24), 332000.0 + 100.0 * np.arange(30)
    X, Y = np.meshgrid((x - x[0]) / LENGTH, (y - y[0]) / LENGTH)
    dx, dy = np.cos(X) * np.cos(Y) / LENGTH, -np.sin(X) * np.sin(Y) / LENGTH
    fields = {
        "value": (6 + np.sin(X) * np.cos(Y), "mg kg-1", "zinc"),
        "dx": (dx, "mg kg-1 m-1", "gradient along x"),
        "dy": (dy, "mg kg-1 m-1", "gradient along y"),
        "gradient_magnitude": (np.hypot(dx, dy), "mg kg-1 m-1", "gradient magnitude"),
        "gradient_direction": (np.arctan2(dy, dx), "radian", "gradient direction"),
    }
    ds = xr.Dataset(coords={"statistic": ["mean", "sd"], "y": y, "x": x})
    ds["x"].attrs = {"units": "metre", "long_name": "easting"}
    ds["y"].attrs = {"units": "m", "long_name": "northing"}
    for name, (field, units, long_name) in fields.items():
        field[0, 0] = np.nan
        stack = np.stack([field, 0.3 / LENGTH * (1 + X)])
        ds[name] = ("statistic", "y", "x"), stack, {"units": units, "long_name": long_name}
    for name in ("dx", "dy"):
        mean = fields[name][0]
        flag = np.where(np.isnan(mean), np.nan, np.sign(mean) * (np.abs(mean) > 0.6 / LENGTH))
        ds[f"{name}_significant"] = ("y", "x"), flag, {"rule": RULE}
        ds[f"{name}_p_positive"] = ("y", "x"), 0.5 + 0.4 * np.tanh(LENGTH * mean)
    return ds


def circle_segments(n=16):
    """Wombling table of a circle of radius 500 m: the average gradient is sin(2 angle)."""
    angle = np.linspace(0, 2 * np.pi, n + 1)
    ring = np.column_stack([181000 + 500 * np.cos(angle), 332000 + 500 * np.sin(angle)])
    lines = [shapely.LineString(ring[i : i + 2]) for i in range(n)]
    mean = np.sin(2 * (angle[:-1] + np.pi / n))
    columns = {"curve_id": 0, "segment_id": np.arange(n), "length": shapely.length(lines)}
    columns |= {"rule": RULE}
    for q in ("gradient", "curvature"):
        columns |= {f"average_{q}_mean": mean, f"average_{q}_q025": mean - 0.5}
        columns |= {f"average_{q}_q975": mean + 0.5}
        columns |= {f"{q}_significant": np.sign(mean) * (np.abs(mean) > 0.5)}
    gdf = gpd.GeoDataFrame(columns, geometry=lines, crs="EPSG:28992")
    gdf.attrs["units"] = {"average_gradient_mean": "mg kg-1 m-1"}
    return gdf


def boundary_lines():
    lines = [
        shapely.LineString([(181000, 332000), (182000, 332500)]),
        shapely.MultiLineString(
            [[(181000, 333000), (181500, 333000)], [(181600, 333000), (182000, 333000)]]
        ),
    ]
    columns = {"boundary_id": [7, 8], "probability": [1.0, 0.5], "steepness_mean": [2e-3, 1e-3]}
    gdf = gpd.GeoDataFrame(columns | {"rule": RULE}, geometry=lines, crs="EPSG:28992")
    gdf.attrs["units"] = {"steepness_mean": "mg kg-1 m-1"}
    return gdf


def mesh_of(ax):
    return next(c for c in ax.collections if isinstance(c, QuadMesh))


def bar_label(ax, index=0):
    return ax.child_axes[index].get_ylabel()


def legend_text(ax):
    legend = ax.get_legend()
    return "\n".join([legend.get_title().get_text(), *(t.get_text() for t in legend.get_texts())])


def tick_labels(ax):
    ax.figure.canvas.draw()
    return [t.get_text() for t in (*ax.get_xticklabels(), *ax.get_yticklabels())]


# Importing ----------------------------------------------------------------------------------------


def test_importing_does_not_load_pyplot():
    code = "import sys, womble.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Surfaces -----------------------------------------------------------------------------------------


def test_a_surface_shows_the_statistic_asked_for():
    ds = surface()
    for statistic in ("mean", "sd"):
        shown = mesh_of(plot.surface(ds, "dx", statistic)).get_array()
        npt.assert_array_equal(np.ma.filled(shown, np.nan), ds["dx"].sel(statistic=statistic))


@pytest.mark.parametrize(
    ("variable", "statistic", "cmap", "limits"),
    [
        ("dx", "mean", "RdBu_r", "symmetric"),
        ("dx_significant", "mean", "RdBu_r", "symmetric"),
        ("dx", "sd", "cividis", "data"),
        ("value", "mean", "cividis", "data"),
        ("gradient_magnitude", "mean", "cividis", "data"),
        ("gradient_direction", "mean", "twilight", (-np.pi, np.pi)),
        ("dx_p_positive", "mean", "cividis", (0.0, 1.0)),
    ],
)
def test_colours_suit_the_quantity(variable, statistic, cmap, limits):
    mesh = mesh_of(plot.surface(surface(), variable, statistic))
    shown = mesh.get_array()
    expected = {"symmetric": (-np.abs(shown).max(), np.abs(shown).max())}
    expected["data"] = (shown.min(), shown.max())
    assert mesh.get_cmap().name == cmap
    assert mesh.get_clim() == (limits if isinstance(limits, tuple) else expected[limits])


def test_a_value_of_both_signs_is_centred_at_zero():
    ds = surface()
    ds["value"] = ds["value"] - 6
    mesh = mesh_of(plot.surface(ds))
    assert mesh.get_cmap().name == "RdBu_r"
    assert mesh.get_clim()[0] == -mesh.get_clim()[1]


def test_direction_in_degrees_takes_a_full_turn():
    ds = surface()
    ds["gradient_direction"] = np.degrees(ds["gradient_direction"]) % 360
    ds["gradient_direction"].attrs["units"] = "degree"
    ax = plot.surface(ds, "gradient_direction")
    assert mesh_of(ax).get_clim() == (0.0, 360.0)
    labels = [t.get_text() for t in ax.child_axes[0].get_yticklabels()]
    assert labels == ["0", "90", "180", "270", "360"]


def test_labels_have_names_and_units_and_ticks_are_plain():
    ax = plot.surface(surface(), "dx")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("easting (m)", "northing (m)")
    assert bar_label(ax) == "gradient along x (mg kg$^{-1}$ m$^{-1}$)"
    assert ax.get_title(loc="left") == "Gradient along x: posterior mean"
    assert ax.get_aspect() == 1.0
    assert {"181000", "182000"} < set(tick_labels(ax))
    assert ax.xaxis.get_offset_text().get_text() == ""


def test_the_colour_bar_has_the_height_of_the_map():
    ax = plot.surface(surface())
    ax.figure.canvas.draw()
    bar = ax.child_axes[0].get_window_extent()
    npt.assert_allclose([bar.y0, bar.y1], [ax.bbox.y0, ax.bbox.y1], atol=1.0)  # a pixel


@pytest.mark.parametrize("variable", ["value", "dx", "gradient_direction"])
def test_no_label_is_cut_off(variable):
    ax = plot.surface(surface(), variable)
    ax.figure.canvas.draw()
    needed, given = ax.figure.get_tightbbox(), ax.figure.bbox_inches
    npt.assert_array_less([-0.05, -0.05], needed.min)  # inches
    npt.assert_array_less(needed.max, given.max + 0.05)


def test_significance_is_outlined_faded_and_its_rule_named():
    ds = surface()
    ax = plot.surface(ds, "dx")
    fade = [c for c in ax.collections if isinstance(c, QuadMesh)][1].get_array()
    npt.assert_array_equal(~np.ma.getmaskarray(fade), ds["dx_significant"] == 0)
    assert f"rule: {RULE}" in legend_text(ax)
    assert plot.surface(ds, "dx", significant=False).get_legend() is None
    assert plot.surface(ds, "value").get_legend() is None


@pytest.mark.parametrize("flag", [0.0, 1.0])
def test_nothing_or_everything_significant_can_be_drawn(flag):
    ds = surface()
    ds["dx_significant"] = ds["dx_significant"] * 0 + flag
    plot.surface(ds, "dx").figure.canvas.draw()


def test_a_surface_without_attributes_or_with_y_descending_can_be_drawn():
    ds = surface().drop_attrs().isel(y=slice(None, None, -1))
    ax = plot.surface(ds, "gradient_magnitude")
    assert (ax.get_xlabel(), bar_label(ax)) == ("x", "gradient magnitude")
    assert ax.get_ylim()[0] < ax.get_ylim()[1]


def test_a_surface_that_cannot_be_drawn_is_an_error():
    with pytest.raises(ValueError, match="must be in the surface; got 'slope'"):
        plot.surface(surface(), "slope")
    with pytest.raises(ValueError, match=r"one of \['mean', 'sd'\]; got 'q50'"):
        plot.surface(surface(), "value", "q50")
    with pytest.raises(ValueError, match="keep_draws=False"):
        plot.surface(surface().rename(statistic="draw"))


def test_arrows_are_the_mean_gradient_dark_where_it_is_certain():
    ds = surface()
    ax = plot.gradient_arrows(ds, every=3)
    pale, dark = (c for c in ax.collections if isinstance(c, Quiver))
    mean = ds.sel(statistic="mean")
    certain = (ds.dx_significant != 0) | (ds.dy_significant != 0)
    for arrows, flag in ((pale, False), (dark, True)):
        at = {"x": xr.DataArray(arrows.X), "y": xr.DataArray(arrows.Y)}
        npt.assert_array_equal(certain.sel(at), flag)
        npt.assert_array_equal(arrows.U, mean.dx.sel(at))
        npt.assert_array_equal(arrows.V, mean.dy.sel(at))
    assert pale.U.size + dark.U.size == 8 * 10  # 24 x 30 cells, every third
    assert f"rule: {RULE}" in legend_text(ax)
    assert "longest arrow: 0.0017 (mg kg$^{-1}$ m$^{-1}$)" in legend_text(ax)


def test_arrows_can_be_drawn_where_none_is_certain():
    ds = surface()
    for name in ("dx_significant", "dy_significant"):
        ds[name] = ds[name] * 0
    plot.gradient_arrows(ds).figure.canvas.draw()


def test_arrows_are_thinned_to_about_twenty_a_side():
    fine = surface().interp(x=np.linspace(181000, 183300, 90), y=np.linspace(332000, 334900, 130))
    arrows = [c for c in plot.gradient_arrows(fine).collections if isinstance(c, Quiver)]
    assert len(np.unique(np.concatenate([a.Y for a in arrows]))) in range(18, 24)


# Lines --------------------------------------------------------------------------------------------


def test_segments_are_thick_where_significant_and_centred_at_zero():
    gdf = circle_segments()
    ax = plot.segments(gdf)
    lines = [c for c in ax.collections if isinstance(c, LineCollection)][-1]
    npt.assert_array_equal(lines.get_array(), gdf["average_gradient_mean"])
    npt.assert_array_equal(np.array(lines.get_linewidths()) > 3, gdf["gradient_significant"] != 0)
    assert lines.get_cmap().name == "RdBu_r"
    assert lines.get_clim()[0] == -lines.get_clim()[1]
    assert ax.get_xlabel() == "easting (m)"
    assert "\n(mg kg$^{-1}$ m$^{-1}$)" in bar_label(ax)
    assert f"rule: {RULE}" in legend_text(ax)
    assert bar_label(plot.segments(gdf, "curvature")) == "average curvature across the line"


def test_boundaries_show_steepness_probability_and_number():
    ax = plot.boundaries(boundary_lines())
    lines = [c for c in ax.collections if isinstance(c, LineCollection)][-1]
    npt.assert_array_equal(lines.get_array(), [2e-3, 1e-3, 1e-3])  # two parts in the second
    npt.assert_allclose(lines.get_linewidths(), [5.0, 1.2, 1.2])
    assert [t.get_text() for t in ax.texts] == ["7", "8"]
    assert bar_label(ax).endswith("(mg kg$^{-1}$ m$^{-1}$)")
    assert "probability" in legend_text(ax)


def test_boundaries_on_a_surface_are_black_and_keep_its_labels_and_legend():
    ax = plot.surface(surface(), "dx")
    assert plot.boundaries(boundary_lines(), ax=ax) is ax
    assert len(ax.child_axes) == 1
    assert ax.get_xlabel() == "easting (m)"
    assert "faded: not significant" in legend_text(ax)
    assert "probability" in legend_text(ax)


def test_no_boundary_says_so():
    for ax in (None, plot.surface(surface())):
        drawn = plot.boundaries(boundary_lines().iloc[:0], ax=ax)
        assert [t.get_text() for t in drawn.texts] == ["no boundary found"]


def test_a_profile_runs_along_the_arc_length_with_its_interval():
    gdf = circle_segments()
    ax = plot.along(gdf.sample(frac=1, random_state=1))  # in any order
    band, mean = ax.patches
    npt.assert_allclose(mean.get_data().edges[-1], gdf["length"].sum())
    npt.assert_array_equal(mean.get_data().values, gdf["average_gradient_mean"])
    npt.assert_array_equal(band.get_data().baseline, gdf["average_gradient_q025"])
    npt.assert_array_equal(band.get_data().values, gdf["average_gradient_q975"])
    assert ax.get_xlabel() == "distance along the curve (m)"
    assert ax.get_ylabel() == "average gradient (mg kg$^{-1}$ m$^{-1}$)"


def test_significant_pieces_of_a_profile_are_coloured_where_they_are():
    gdf = circle_segments()
    edges = np.concatenate([[0.0], np.cumsum(gdf["length"])])
    drawn = {c.get_label(): c for c in plot.along(gdf).collections}
    for side, colour, word in ((1, "#b2182b", "rises"), (-1, "#2166ac", "falls")):
        at = np.flatnonzero(gdf["gradient_significant"] == side)
        lines = drawn[f"significant: {word}"]
        mean = gdf["average_gradient_mean"][at]
        expected = np.stack([[edges[at], mean], [edges[at + 1], mean]]).transpose(2, 0, 1)
        npt.assert_allclose(lines.get_segments(), expected)
        assert mpl.colors.same_color(lines.get_colors(), colour)
    gdf["gradient_significant"] = 0
    assert not plot.along(gdf).collections


def test_a_profile_shows_the_simultaneous_band_if_there_is_one():
    gdf = circle_segments()
    assert "joint band" not in legend_text(plot.along(gdf))
    gdf["average_gradient_band_lower"] = gdf["average_gradient_mean"] - 0.8
    gdf["average_gradient_band_upper"] = gdf["average_gradient_mean"] + 0.9
    ax = plot.along(gdf)
    joint, interval, _ = ax.patches
    npt.assert_array_equal(joint.get_data().baseline, gdf["average_gradient_band_lower"])
    npt.assert_array_equal(joint.get_data().values, gdf["average_gradient_band_upper"])
    npt.assert_array_equal(interval.get_data().values, gdf["average_gradient_q975"])
    assert "joint band" in legend_text(ax)
    assert len(plot.along(gdf, "curvature").patches) == 2


def test_a_profile_needs_one_curve():
    gdf = circle_segments()
    gdf["curve_id"] = gdf["segment_id"] // 8
    with pytest.raises(ValueError, match="exactly one curve; got the curves"):
        plot.along(gdf)


@pytest.mark.parametrize("draw", [plot.segments, plot.boundaries, plot.along, plot.spaghetti])
def test_a_table_without_its_columns_is_an_error(draw):
    table = gpd.GeoDataFrame({"a": [1]}, geometry=gpd.points_from_xy([0], [0]))
    with pytest.raises(ValueError, match="must have the columns"):
        draw(table)


# Draws --------------------------------------------------------------------------------------------


def draws_of_lines():
    """Four draws, of which one has two lines and one has none."""
    lines = [
        shapely.LineString([(181000, 332000 + 10 * i), (182000, 332500 + 10 * i)]) for i in range(4)
    ]
    gdf = gpd.GeoDataFrame({"draw": [0, 0, 1, 3]}, geometry=lines, crs="EPSG:28992")
    gdf.attrs["womble"] = {"samples": 4}
    return gdf


def probabilities():
    raster = surface()["value"].sel(statistic="mean", drop=True) / 20
    raster.name, raster.attrs = "boundary_probability", {"units": "1"}
    return raster


def profiles():
    """sech^2 and tanh of x / 100 across boundaries 3 and 5, the latter twice as steep."""
    distance = np.linspace(-300.0, 300.0, 121)
    mean, sd = np.cosh(distance / 100) ** -2, 0.1
    slope = np.stack([mean, 0 * mean + sd, mean - sd, mean, mean + sd], axis=-1)
    value = 100 * np.tanh(distance / 100)
    value = np.stack([value, 0 * value + 5, value - 5, value, value + 5], axis=-1)
    dims, coords = ("boundary", "offset", "statistic"), {"boundary": [3, 5]}
    coords["statistic"] = ["mean", "sd", "q025", "q50", "q975"]
    both = {"slope": (dims, np.stack([slope, 2 * slope])), "value": (dims, np.stack([value] * 2))}
    ds = xr.Dataset(both, coords)
    ds = ds.assign_coords(distance=(("boundary", "offset"), np.stack([distance] * 2)))
    ds["distance"].attrs["units"] = "m"
    ds["slope"].attrs = {"units": "mg kg-1 m-1", "long_name": "slope uphill"}
    return ds


def test_spaghetti_are_thin_and_the_boundaries_of_the_mean_on_top():
    ax = plot.spaghetti(draws_of_lines(), lines=boundary_lines())
    thin, *thick = (c for c in ax.collections if isinstance(c, LineCollection))
    assert [len(c.get_paths()) for c in (thin, thick[-1])] == [4, 3]
    assert thin.get_alpha() == 1 / 3  # three draws with lines: all are seen
    assert thin.get_zorder() < thick[-1].get_zorder()
    assert thin.get_linewidths()[0] < thick[-1].get_linewidths()[0]
    assert ax.get_title(loc="left") == "Boundaries of 4 draws"
    assert ax.get_xlabel() == "easting (m)"


def test_draws_without_a_line_say_so():
    for lines in (None, boundary_lines()):
        ax = plot.spaghetti(draws_of_lines().iloc[:0], lines=lines)
        assert [t.get_text() for t in ax.texts] == ["no boundary in any draw"]


def test_probabilities_are_coloured_from_zero():
    raster = probabilities()
    ax = plot.probability(raster)
    mesh = mesh_of(ax)
    npt.assert_array_equal(np.ma.filled(mesh.get_array(), np.nan), raster)
    assert mesh.get_cmap().name == "cividis"
    assert mesh.get_clim() == (0.0, float(raster.max()))
    assert bar_label(ax).replace("\n", " ") == "probability of a boundary in the cell"
    assert mesh_of(plot.probability(0 * raster)).get_clim() == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"dimensions \('y', 'x'\); got \('x',\)"):
        plot.probability(raster.isel(y=0, drop=True))


def test_a_profile_across_has_bands_and_its_half_width():
    ds = profiles()
    ax = plot.profile(ds, 5)
    mean, half, _ = ax.get_lines()
    npt.assert_array_equal(mean.get_ydata(), ds.slope.sel(boundary=5, statistic="mean"))
    # sech^2 falls to a half at arcosh(sqrt 2); nodes 5 m apart, read linearly.
    edge = 100 * np.arccosh(np.sqrt(2))
    npt.assert_allclose(half.get_xdata(), [-edge, edge], atol=0.05)
    npt.assert_allclose(half.get_ydata(), 1.0, atol=1e-3)
    band = ax.collections[0].get_paths()[0].vertices
    npt.assert_allclose([band[:, 1].min(), band[:, 1].max()], [ds.slope[1, 0, 2], 2.2])
    assert ax.get_xlabel() == "distance across the boundary, uphill (m)"
    assert ax.get_ylabel() == "slope uphill (mg kg$^{-1}$ m$^{-1}$)"
    (other,) = (axes for axes in ax.figure.axes if axes is not ax)
    npt.assert_array_equal(
        other.get_lines()[0].get_ydata(), ds.value.sel(boundary=5, statistic="mean")
    )


def test_a_half_width_that_is_not_reached_is_not_marked():
    ds = profiles().isel(offset=slice(55, 66))
    assert len(plot.profile(ds, 3).get_lines()) == 2  # the mean and the place of the boundary


def test_an_unknown_boundary_has_no_profile():
    with pytest.raises(ValueError, match=r"`boundary_id` must be one of \[3, 5\]; got 4"):
        plot.profile(profiles(), 4)


# Data ---------------------------------------------------------------------------------------------


def test_data_are_coloured_where_they_lie():
    coords, values = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 5.0]]), np.array([3.0, 1.0, 2.0])
    ax = plot.data(coords, values, label="zinc (mg/kg)")
    points = ax.collections[0]
    drawn = np.column_stack([points.get_offsets(), points.get_array()])
    expected = np.column_stack([coords, values])
    npt.assert_array_equal(drawn[np.argsort(drawn[:, 2])], expected[np.argsort(values)])
    assert points.get_cmap().name == "cividis"
    assert (bar_label(ax), ax.get_xlabel(), ax.get_aspect()) == ("zinc (mg/kg)", "x", 1.0)
    signed = plot.data(coords, values - 1.5).collections[0]
    assert (signed.get_cmap().name, signed.get_clim()) == ("RdBu_r", (-1.5, 1.5))


def test_a_geodataframe_of_points_names_the_axes():
    points = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy([181000, 182000], [332000, 333000], crs=28992)
    )
    ax = plot.data(points, [1.0, 2.0])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("easting (m)", "northing (m)")


def test_data_of_unequal_length_are_an_error():
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(2,\)"):
        plot.data(np.zeros((3, 2)), [1.0, 2.0])
    with pytest.raises(ValueError, match=r"got \(3,\) and \(3,\)"):
        plot.data(np.zeros(3), np.zeros(3))


def test_every_plot_draws_on_the_axes_it_is_given():
    draws = [
        lambda ax: plot.surface(surface(), ax=ax),
        lambda ax: plot.gradient_arrows(surface(), ax=ax),
        lambda ax: plot.segments(circle_segments(), ax=ax),
        lambda ax: plot.boundaries(boundary_lines(), ax=ax),
        lambda ax: plot.along(circle_segments(), ax=ax),
        lambda ax: plot.data(np.eye(2), [1.0, 2.0], ax=ax),
        lambda ax: plot.spaghetti(draws_of_lines(), ax=ax),
        lambda ax: plot.probability(probabilities(), ax=ax),
        lambda ax: plot.profile(profiles(), 3, ax=ax),
    ]
    for draw in draws:
        _, ax = plt.subplots()
        before = len(plt.get_fignums())
        assert draw(ax) is ax
        assert len(plt.get_fignums()) == before


# --- checks ----------------------------------------------------------------------------------


def test_check_shows_calibration_predictions_and_residuals(given):
    found = given.check()
    left, middle, right = plot.check(found)
    seen = found.observations
    # The largest step of the PIT's distribution away from the uniform is Kolmogorov's statistic.
    line = left.get_lines()[0].get_ydata()
    pit = np.sort(seen["pit"])
    steps = np.arange(41) / 40
    npt.assert_allclose(np.abs(line).max(), max((steps[1:] - pit).max(), (pit - steps[:-1]).max()))
    npt.assert_array_equal(middle.get_lines()[0].get_ydata(), seen["observed"])
    assert middle.get_ylabel() == "observed zinc (mg kg$^{-1}$)"
    z = (seen["observed"] - seen["mean"]) / seen["sd"]
    npt.assert_allclose(right.collections[0].get_array(), z)
    assert right.get_xlabel() == "easting (m)"


def test_check_without_a_map_and_on_given_axes():
    import womble as wb

    x = np.linspace(0, 1, 20)
    found = wb.FieldModel().condition(
        (x, np.sin(5 * x)), lengthscale=0.3, amplitude=1.0, noise_sd=0.1
    )
    axes = plt.subplots(1, 3)[1]
    assert plot.check(found.check(), ax=axes) is axes
    assert axes[2].get_ylabel() == "residual / sd"
    with pytest.raises(ValueError, match=r"`ax` must be an array of three Axes.*got shape \(\)"):
        plot.check(found.check(), ax=axes[0])


@pytest.fixture(scope="module")
def responses():
    """Checks of presence and of counts, along a line and in the plane."""
    import womble as wb

    rng = np.random.default_rng(1)
    coords = rng.uniform(0, 10, (60, 2))
    rate = np.exp(np.sin(coords[:, 0]))
    given = {"lengthscale": 3.0, "amplitude": 1.0}
    presence = wb.FieldModel(likelihood="bernoulli")
    counts = wb.FieldModel(likelihood="poisson")
    return (
        presence.condition((coords, rng.random(60) < rate / (1 + rate)), **given).check(rng=1),
        counts.condition((coords, rng.poisson(rate)), **given).check(rng=1),
    )


def test_presence_has_a_reliability_diagram(responses):
    found, _ = responses
    left, middle, right = plot.check(found)
    seen = found.observations.sort_values("mean")
    (shares,) = (line for line in left.get_lines() if line.get_marker() == "o")
    # Sixty sites make six classes of ten.
    expected = seen["observed"].to_numpy().reshape(6, 10).mean(axis=1)
    npt.assert_allclose(shares.get_ydata(), expected)
    npt.assert_allclose(shares.get_xdata(), seen["mean"].to_numpy().reshape(6, 10).mean(axis=1))
    assert left.get_xlabel() == "predicted probability"
    heights = [patch.get_height() for patch in middle.patches]
    assert sum(heights) == 60
    assert "Brier" in middle.get_title(loc="left")
    residual = found.observations["observed"] - found.observations["mean"]
    npt.assert_allclose(right.collections[0].get_array(), residual)


def test_counts_are_drawn_on_square_roots(responses):
    from scipy.stats import norm

    _, found = responses
    left, middle, right = plot.check(found)
    assert left.get_xlabel() == "PIT"
    assert middle.get_xscale() == middle.get_yscale() == "function"
    seen = found.observations
    bars = np.array([path.vertices[:, 0] for path in middle.collections[0].get_paths()])
    npt.assert_allclose(bars, seen[["q025", "q975"]])
    npt.assert_allclose(right.collections[0].get_array(), norm.ppf(seen["pit"]))
    middle.figure.canvas.draw()


def test_censored_values_have_quantile_residuals(zinc):
    from scipy.stats import norm

    import womble as wb

    limit = zinc["zinc"].quantile(0.2)
    frame = zinc.assign(zinc=zinc["zinc"].clip(lower=limit), below=zinc["zinc"] < limit)
    given = {"lengthscale": 30.0, "amplitude": 2.0, "noise_sd": 0.5}
    post = wb.FieldModel().condition(frame, "zinc", left_censored="below", **given)
    found = post.check(rng=1)
    residuals = plot.check(found)[2].collections[0].get_array()
    npt.assert_allclose(residuals, norm.ppf(found.observations["pit"]))
