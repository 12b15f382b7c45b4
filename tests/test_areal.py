"""Averages over polygons: closed forms, identities, quadrature error, tables."""

from functools import cache
from math import factorial

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import shapely
from cases import A2, KERNELS, TRUTH, simulate
from scipy.special import erf
from scipy.stats import norm
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from womble import areal
from womble.kernels import Matern, SquaredExponential
from womble.model import FieldModel

GIVEN = {"lengthscale": 0.3, "amplitude": 8.0, "noise_sd": 1.0}
COORDS, VALUES = simulate(A2, 60, np.random.default_rng(0))
ANGLES = np.linspace(0, 2 * np.pi, 800, endpoint=False)
COAST = Polygon(  # 800 vertices, and a hole
    np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
    * (0.3 + 0.05 * np.random.default_rng(1).random(800))[:, None]
    + 0.5,
    [[(0.45, 0.45), (0.55, 0.45), (0.5, 0.6)]],
)
RING = Polygon(box(0.1, 0.1, 0.7, 0.5).exterior, [box(0.2, 0.2, 0.4, 0.3).exterior])
PARTS = MultiPolygon([box(0.6, 0.6, 0.9, 0.9), Polygon([(0.1, 0.9), (0.3, 0.6), (0.35, 0.95)])])
SLIVER = Polygon([(0, 0), (1, 0.01), (1, 0.02)])
SHAPES = {"ring": RING, "parts": PARTS, "coast": COAST, "sliver": SLIVER}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@cache
def posterior(kernel=None, trend="constant"):
    return FieldModel(kernel=kernel or Matern(3.5), trend=trend).condition(
        (COORDS, VALUES), **GIVEN
    )


def integrate(post, polygons, **options):
    return post.integrate(gpd.GeoSeries(polygons), progress=False, **options)


# -- quadrature ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("i", "j"), [(i, k - i) for k in range(6) for i in range(k + 1)])
def test_the_rule_of_a_triangle_is_exact_to_degree_five(i, j):
    shares, weights = areal.radon_rule()
    # On the triangle (0, 0), (1, 0), (0, 1) of area 1/2: i! j! / (i + j + 2)!.
    found = 0.5 * weights @ (shares[:, 1] ** i * shares[:, 2] ** j)
    npt.assert_allclose(found, factorial(i) * factorial(j) / factorial(i + j + 2), rtol=1e-14)


def moment(polygon, i, j):
    """Integral of x^i y^j by Green's theorem: of x^(i + 1) y^j / (i + 1) dy round the rings."""
    x, w = np.polynomial.legendre.leggauss(4)
    total = 0.0
    for part in shapely.get_parts(shapely.orient_polygons(polygon)):
        for ring in (part.exterior, *part.interiors):
            ends = shapely.get_coordinates(ring)
            a, step = ends[:-1, None], np.diff(ends, axis=0)[:, None]
            px, py = np.moveaxis(a + 0.5 * (x[:, None] + 1) * step, -1, 0)
            total += np.sum(0.5 * w * step[..., 1] * px ** (i + 1) * py**j) / (i + 1)
    return total


@every_shape
@pytest.mark.parametrize("resolution", [0.02, 0.3, 5.0])
def test_the_rule_of_a_polygon_is_exact_to_degree_five(shape, resolution):
    nodes, weights = areal.quadrature(shape, resolution)
    for i, j in [(0, 0), (1, 0), (0, 2), (2, 1), (2, 3), (5, 0), (1, 4)]:
        found = weights @ (nodes[:, 0] ** i * nodes[:, 1] ** j)
        npt.assert_allclose(found, moment(shape, i, j), rtol=1e-11, err_msg=f"x^{i} y^{j}")


def test_an_outline_of_many_vertices_does_not_take_many_nodes():
    # A field of lengthscale 0.3 is known from six nodes every 0.15 on the box of side 0.7.
    assert len(areal.quadrature(COAST, 0.3)[0]) <= 36 * 25 < 7 * 800


def test_far_from_the_origin_no_digits_are_lost():
    far = shapely.transform(PARTS, lambda s: 2.0**-8 * s + 2.0**22)  # a few mm, half are gone
    nodes, weights = areal.quadrature(far, 1.0)
    npt.assert_allclose(weights.sum(), far.area, rtol=1e-12)
    assert shapely.intersects_xy(far.buffer(1e-8), *nodes.T).all()  # triangles


HALVED = {Matern(1.5): (2e-3, 1e-3)}  # of the mean, in sds, and of the sd, relative


# Without Bessel functions, a hundred million of which take minutes.
@pytest.mark.parametrize("kernel", [k for k in KERNELS if k != Matern(3.3)], ids=repr)
def test_halving_triangles_and_cells_changes_little(kernel, monkeypatch):
    of_mean, of_sd = HALVED.get(kernel, (2e-4, 1e-4))
    polygons = [*SHAPES.values(), box(0.6, 0.6, 1.1, 1.0), Point(0.4, 0.4).buffer(0.02)]
    coarse = integrate(posterior(kernel), polygons)
    monkeypatch.setattr(areal, "EDGE", areal.EDGE / 2)
    monkeypatch.setattr(areal, "CELL", areal.CELL / 2)
    fine = integrate(posterior(kernel), polygons)
    assert (np.abs(coarse["mean"] - fine["mean"]) / fine["sd"]).max() < of_mean
    assert np.abs(coarse["sd"] / fine["sd"] - 1).max() < of_sd


# -- closed forms and identities -------------------------------------------------------------------


def test_boxes_under_the_squared_exponential_have_their_closed_form():
    a, b, ell = np.array([0.2, 0.3]), np.array([0.75, 0.6]), GIVEN["lengthscale"]
    s = ell * np.sqrt(2)

    def single(t):  # integral over [a, b] of exp(-(x - t)^2 / (2 ell^2)), each axis
        return np.sqrt(np.pi) / 2 * s * (erf((b - t) / s) - erf((a - t) / s))

    def double(side):  # both over [0, side]: 2 int (side - h) exp(-h^2 / s^2) dh
        z = side / s
        return s**2 * (np.sqrt(np.pi) * z * erf(z) + np.exp(-(z**2)) - 1)

    area, size = np.prod(b - a), GIVEN["amplitude"] ** 2
    c = size * np.prod(single(COORDS), axis=1) / area
    square = ((COORDS[:, None] - COORDS) ** 2).sum(-1)
    K = size * np.exp(-square / (2 * ell**2)) + GIVEN["noise_sd"] ** 2 * np.eye(len(c))
    variance = size * np.prod(double(b - a)) / area**2 - c @ np.linalg.solve(K, c)
    table = integrate(posterior(SquaredExponential(), "none"), [box(*a, *b)])
    npt.assert_allclose(table["mean"][0], c @ np.linalg.solve(K, VALUES), rtol=1e-6)
    npt.assert_allclose(table["sd"][0], np.sqrt(variance), rtol=1e-6)
    for level, name in ((0.025, "q025"), (0.5, "q50"), (0.975, "q975")):
        expected = norm.ppf(level, table["mean"][0], table["sd"][0])
        npt.assert_allclose(table[name][0], expected, rtol=1e-9)


@every_shape
def test_a_plane_is_integrated_exactly(shape):
    plane = 3 + 2 * COORDS[:, 0] - COORDS[:, 1]
    post = FieldModel(trend="linear").condition(
        (COORDS, plane), lengthscale=0.3, amplitude=1e-4, noise_sd=1e-4
    )
    found = integrate(post, [shape], average=False)["mean"][0]
    x, y = (moment(shape, *power) for power in ((1, 0), (0, 1)))
    # The prior of the coefficients, sd 10 of the data's, shrinks them by noise / (10^2 n) at most.
    npt.assert_allclose(found, 3 * shape.area + 2 * x - y, rtol=1e-8)


@pytest.mark.parametrize("target", ["surface", "process"])
def test_a_small_polygon_has_the_law_of_its_point(target):
    point = np.array([[0.42, 0.57]])
    square = box(*(point[0] - 1e-5), *(point[0] + 1e-5))
    table = integrate(posterior(), [square], target=target)
    mean, covariance = posterior().jet_moments(point, order=0, target=target)
    npt.assert_allclose(table["mean"], mean[0], rtol=1e-7)
    npt.assert_allclose(table["sd"] ** 2, covariance[0, 0], rtol=1e-7)


def test_blocks_make_up_their_union_jointly():
    edges = np.linspace(0.1, 0.9, 6)
    blocks = [box(x, y, x + 0.16, y + 0.16) for x in edges[:-1] for y in edges[:-1]]
    parts, covariance = integrate(posterior(), blocks, return_cov=True)
    whole = integrate(posterior(), [box(0.1, 0.1, 0.9, 0.9)])
    share = parts["area"].to_numpy() / whole["area"][0]
    npt.assert_allclose(share @ parts["mean"], whole["mean"][0], atol=1e-4 * whole["sd"][0])
    npt.assert_allclose(np.sqrt(share @ covariance @ share), whole["sd"][0], rtol=1e-4)
    npt.assert_allclose(np.sqrt(np.diag(covariance)), parts["sd"], rtol=1e-9)


def test_chunks_change_nothing(monkeypatch):
    polygons = [*SHAPES.values(), *SHAPES.values()]
    one = integrate(posterior(), polygons)
    monkeypatch.setattr(areal, "TOGETHER", 1)
    other = integrate(posterior(), polygons)
    npt.assert_allclose(one[["mean", "sd"]], other[["mean", "sd"]], rtol=1e-9)
    npt.assert_allclose(one["mean"][:4], one["mean"][4:], rtol=1e-9)


def test_draws_are_mixed(fitted, zinc):
    corner = (181030, 332030, 181070, 332060)
    polygons = gpd.GeoSeries([box(*corner)], crs=zinc.crs)
    table, covariance = fitted.integrate(
        polygons, samples=6, rng=2, return_cov=True, progress=False
    )
    ensemble = fitted.ensemble("surface", 6, np.random.default_rng(2))
    units, laws = fitted.layout.units(fitted.data.scaling), []
    for theta in ensemble.thetas:
        numbers = fitted.layout.vector(theta) * units
        post = FieldModel().condition(
            zinc, "zinc", **dict(zip(fitted.layout.names, numbers, strict=True))
        )
        laws.append(post.integrate(polygons, progress=False).loc[0, ["mean", "sd"]])
    mean, sd = np.array(laws, dtype=float).T
    npt.assert_allclose(table["mean"][0], mean.mean(), rtol=1e-6)
    npt.assert_allclose(table["sd"][0] ** 2, np.mean(sd**2) + mean.var(), rtol=1e-4)
    npt.assert_allclose(table["sd"][0] ** 2, covariance[0, 0], rtol=1e-9)
    for level, name in ((0.025, "q025"), (0.5, "q50"), (0.975, "q975")):
        npt.assert_allclose(norm.cdf(table[name][0], mean, sd).mean(), level, rtol=1e-3)


# -- tables and errors -----------------------------------------------------------------------------


def test_a_table_keeps_columns_index_and_units(given, zinc):
    base = box(181010, 332010, 181050, 332050)
    frame = gpd.GeoDataFrame(
        {"name": ["a", "b"], "mean": [1, 2]},
        geometry=[base, base.buffer(-10)],
        crs=zinc.crs,
        index=[7, 3],
    )
    averages = given.integrate(frame, progress=False)
    totals = given.integrate(frame, average=False, progress=False)
    assert list(averages.index) == [7, 3]
    assert averages.crs == zinc.crs
    assert list(averages["mean_polygon"]) == [1, 2]
    assert list(averages["name"]) == ["a", "b"]
    npt.assert_allclose(averages["area"], frame.area)
    for name in ("mean", "sd", "q025", "q50", "q975"):
        npt.assert_allclose(totals[name], averages[name] * averages["area"], rtol=1e-9)
    assert averages.attrs["units"] == {
        "area": "m2", "mean": "mg kg-1", "sd": "mg kg-1",
        "q025": "mg kg-1", "q50": "mg kg-1", "q975": "mg kg-1",
    }  # fmt: skip
    assert totals.attrs["units"]["mean"] == "mg kg-1 m2"
    assert averages.attrs["scale"] == "link"
    assert (averages["sd"] < TRUTH["amplitude"]).all()


@pytest.mark.parametrize(
    ("polygons", "error", "message"),
    [
        ([RING], TypeError, "`polygons` must be a GeoDataFrame or GeoSeries .* got list"),
        (gpd.GeoSeries([RING], crs=28992), ValueError, "`polygons` and the data must be in one"),
        (gpd.GeoSeries([]), ValueError, "must hold at least one polygon; got none"),
        (gpd.GeoSeries([RING, None]), ValueError, "1 of 2 are missing or empty. Drop them"),
        (gpd.GeoSeries([LineString(COORDS)]), TypeError, "got LineString. Use womble"),
        (
            gpd.GeoSeries([Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])]),
            ValueError,
            "`polygons` must be valid; got a polygon with Self-intersection",
        ),
    ],
)
def test_what_is_no_polygon_is_refused(polygons, error, message):
    with pytest.raises(error, match=message):
        posterior().integrate(polygons, progress=False)


def test_data_on_a_line_have_intervals():
    x = np.linspace(0, 1, 20)
    post = FieldModel().condition((x, np.sin(5 * x)), **GIVEN)
    with pytest.raises(ValueError, match=r"data in the plane; .* 1 coord.* integral\(a, b\)"):
        post.integrate(gpd.GeoSeries([RING]))
