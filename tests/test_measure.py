"""Wombling measures through a Posterior: identities, brute force, quadrature error."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pytest
import shapely
from cases import A2, KERNELS, TRENDS, WITH_HESSIAN, highest_order, rotation, simulate
from scipy.sparse import csr_array
from scipy.stats import norm
from shapely.affinity import affine_transform
from shapely.geometry import LineString, Point, Polygon, box

from womble import curve, measure
from womble.curve import measures, segments
from womble.functional import Functional
from womble.kernels import Matern
from womble.model import FieldModel

GIVEN = {"lengthscale": 0.3, "amplitude": 8.0, "noise_sd": 1.0}
COORDS, VALUES = simulate(A2, 60, np.random.default_rng(0))
LINE = LineString([(0.15, 0.2), (0.5, 0.35), (0.55, 0.8), (0.8, 0.75)])
RING = Polygon([(0.3, 0.3), (0.7, 0.3), (0.7, 0.65), (0.3, 0.65)])

every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)
every_kernel_with_hessian = pytest.mark.parametrize("kernel", WITH_HESSIAN, ids=repr)


def posterior(kernel=None, trend="constant", coords=COORDS, values=VALUES):
    model = FieldModel(kernel=kernel or Matern(3.5), trend=trend)
    return model.condition((coords, values), **GIVEN)


def conditional(post, target="surface"):
    ensemble = post.ensemble(target, None, np.random.default_rng(0))
    return ensemble.condition(ensemble.thetas[0])


def womble(post, curves, **options):
    return post.womble(curves, progress=False, **options)


def dense_measures(pieces, rows, order):
    return measures(pieces, rows, GIVEN["lengthscale"], order)


def compare(actual, expected, tolerance, quantities=("gradient", "curvature")):
    """Means relative to the sd, sds relative to themselves."""
    for q in quantities:
        sd = expected[f"{q}_sd"].to_numpy()
        npt.assert_allclose(
            actual[f"{q}_mean"] / sd, expected[f"{q}_mean"] / sd, rtol=0, atol=tolerance
        )
        npt.assert_allclose(actual[f"{q}_sd"] / sd, 1, rtol=0, atol=tolerance)


# -- identities ------------------------------------------------------------------------------------


# Just under 4 and 2 panels of half a lengthscale, so that finer panels divide them evenly.
BENT = LineString([(0.2, 0.15), (0.5564, 0.6252), (0.794, 0.447)])
SQUARE = box(0.35, 0.3, 0.647, 0.597)


def rise_identity(f):
    """int grad f . t dl - (f(b) - f(a)) along BENT and f(b) - f(a): joint mean and covariance.

    By the gradient measure's own nodes and weights, with t = (-n_y, n_x) for n.
    """
    across = dense_measures(segments([BENT]), np.zeros(2, dtype=int), 1)
    W = across.weights.toarray().reshape(-1, 3)
    along = np.column_stack([W[:, 0], -W[:, 2], W[:, 1]])
    closing = np.array([[1.0, 0, 0], [-1.0, 0, 0]])  # f(a) - f(b)
    rows = [np.concatenate([along, closing]), np.concatenate([0 * along, -closing])]
    nodes = np.concatenate([across.nodes, [BENT.coords[0], BENT.coords[-1]]])
    return f.joint(Functional(nodes, csr_array(np.stack(rows).reshape(2, -1)), 1))


def flux_identity(f):
    """Flux out of SQUARE less the integral of the Laplacian in it, and that flux: joint law."""
    ring = dense_measures(segments([SQUARE]), np.zeros(4, dtype=int), 1)
    around = np.zeros((len(ring.nodes), 6))
    around[:, :3] = ring.weights.toarray().reshape(-1, 3)
    left, low, right, high = SQUARE.bounds
    count = round(1 / curve.PANEL)
    (x, wx), (y, wy) = panels(left, right, count), panels(low, high, count)
    inside = np.zeros((len(x) * len(y), 6))
    inside[:, [3, 5]] = np.outer(wx, wy).reshape(-1, 1)
    rows = [np.concatenate([around, -inside]), np.concatenate([around, 0 * inside])]
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    nodes = np.concatenate([ring.nodes, grid])
    return f.joint(Functional(nodes, csr_array(np.stack(rows).reshape(2, -1)), 2))


def panels(start, stop, count):
    """Gauss-Legendre nodes and weights on equal panels."""
    x, w = np.polynomial.legendre.leggauss(curve.NODES)
    edges = np.linspace(start, stop, count + 1)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (x + 1)).ravel(), (half * w).ravel()


# A variance that cancels to nothing is known to rounding times the condition number of the data's
# covariance, about 1e4, and times what the terms exceed the total by.
CANCELLATION = 1e-11


def mean_bound(covariance):
    """A functional of the mean is at most |mean| = (y' K^-1 y)^(1/2), about n^(1/2), times its sd.

    By Cauchy and Schwarz, with prior sds; posterior ones are of the same order for what the data
    do not resolve.
    """
    return np.sqrt(len(VALUES) * (max(covariance[0, 0], 0) + CANCELLATION * covariance[1, 1]))


@every_kernel
@pytest.mark.parametrize("target", ["surface", "process"])
def test_integral_of_the_gradient_along_a_curve_is_the_rise(kernel, target, monkeypatch):
    f = conditional(posterior(kernel), target)
    mean, covariance = rise_identity(f)
    assert abs(mean[0]) < mean_bound(covariance)
    # Slopes |h| apart differ by |h|^(nu - 1) on a path, integrals over a panel are off by |h|^nu,
    # nearly independently in each of 1 / |h| panels: a variance of order |h|^(2 nu - 1), to 0.
    monkeypatch.setattr(curve, "PANEL", curve.PANEL / 4)
    _, finer = rise_identity(f)
    rate = 4 ** (2 * min(kernel.differentiability, 5) - 1)
    assert finer[0, 0] < 1.1 * covariance[0, 0] / rate + CANCELLATION * finer[1, 1]


@every_kernel_with_hessian
def test_flux_out_of_a_ring_is_the_integral_of_the_laplacian(kernel, monkeypatch):
    f = conditional(posterior(kernel))
    mean, covariance = flux_identity(f)
    assert abs(mean[0]) < mean_bound(covariance)
    # Laplacians |h| apart differ by |h|^(nu - 2), integrals over a cell are off by |h|^nu, nearly
    # independently in each of 1 / |h|^2 cells: a variance of order |h|^(2 nu - 2).
    monkeypatch.setattr(curve, "PANEL", curve.PANEL / 2)
    _, finer = flux_identity(f)
    rate = 2 ** (2 * min(kernel.differentiability, 5) - 2)
    assert finer[0, 0] < 1.1 * covariance[0, 0] / rate + CANCELLATION * finer[1, 1]


@every_kernel
def test_reversal_turns_the_gradient_measure_and_keeps_the_curvature_measure(kernel):
    post, order = posterior(kernel), highest_order(kernel)
    there, back = (womble(post, line) for line in (LINE, LINE.reverse()))
    back = back.iloc[::-1].reset_index(drop=True)
    back["gradient_mean"] *= -1
    # The nodes are the same up to rounding.
    compare(back, there, 1e-10, ("gradient", "curvature")[:order])
    npt.assert_allclose(back["gradient_p_positive"], 1 - there["gradient_p_positive"], atol=1e-10)
    npt.assert_allclose(back["gradient_q025"], -there["gradient_q975"], rtol=1e-9)


@every_kernel_with_hessian
def test_means_add_under_splitting(kernel):
    post = posterior(kernel)
    whole, parts = (womble(post, LINE, segment_length=d) for d in (None, 0.11))
    parts["segment"] = np.repeat([0, 1, 2], np.ceil(whole["length"] / 0.11).astype(int))
    for q in ("gradient", "curvature"):
        added = parts.groupby("segment")[f"{q}_mean"].sum().to_numpy()
        difference = (added - whole[f"{q}_mean"]) / whole[f"{q}_sd"]
        npt.assert_allclose(difference, 0, atol=1e-3)


@every_kernel_with_hessian
def test_the_law_of_a_curve_is_that_of_the_sum_of_its_segments(kernel):
    post = posterior(kernel)
    pieces = segments([LINE], 0.1)
    count = len(pieces.start)
    mean, covariance = conditional(post).joint(dense_measures(pieces, np.arange(count), 2))
    row = womble(post, LINE, segment_length=0.1, by="curve").iloc[0]
    table = womble(post, LINE, segment_length=0.1)
    for i, q in enumerate(("gradient", "curvature")):
        own = slice(i * count, (i + 1) * count)
        npt.assert_allclose(row[f"{q}_mean"], mean[own].sum(), rtol=1e-9)
        npt.assert_allclose(row[f"{q}_sd"], np.sqrt(covariance[own, own].sum()), rtol=1e-8)
        # The segments are dependent: adding variances would be wrong.
        assert abs(row[f"{q}_sd"] / np.sqrt(np.sum(table[f"{q}_sd"] ** 2)) - 1) > 0.02
    assert row["length"] == pytest.approx(LINE.length)


@every_kernel
@pytest.mark.parametrize("trend", TRENDS)
def test_rotating_everything_changes_nothing(kernel, trend):
    turn, shift = rotation(0.8), np.array([0.2, -0.1])
    moved = affine_transform(LINE, [*turn.ravel(), *shift])
    there = womble(posterior(kernel, trend), LINE)
    turned = womble(posterior(kernel, trend, COORDS @ turn.T + shift), moved)
    compare(turned, there, 1e-8, ("gradient", "curvature")[: highest_order(kernel)])


# -- against brute force ---------------------------------------------------------------------------


@every_kernel
@pytest.mark.parametrize("target", ["surface", "process"])
def test_joint_law_of_segments_is_that_of_all_jets_at_all_nodes(kernel, target):
    order = highest_order(kernel)
    f = conditional(posterior(kernel, "linear"), target)
    pieces = segments([LINE])
    functional = dense_measures(pieces, np.arange(3), order)
    mean, covariance = f.groups(functional.nodes[None], order)  # checked in test_dense
    functional = replace(functional, panels=None)  # the plain quadrature in both points
    W = functional.weights.toarray()
    expected = W @ mean[0], W @ covariance[0] @ W.T
    sd = np.sqrt(np.diag(expected[1]))
    actual = f.joint(functional)
    npt.assert_allclose(actual[0] / sd, expected[0] / sd, atol=1e-8)
    npt.assert_allclose(actual[1] / np.outer(sd, sd), expected[1] / np.outer(sd, sd), atol=1e-8)


def test_segments_in_chunks_have_the_law_of_all_together(monkeypatch):
    post = posterior()
    monkeypatch.setattr(measure, "TOGETHER", 3)
    table = womble(post, LINE, segment_length=0.1)
    pieces = segments([LINE], 0.1)
    mean, covariance = conditional(post).joint(
        dense_measures(pieces, np.arange(len(pieces.start)), 2)
    )
    sd = np.sqrt(np.diag(covariance)).reshape(2, -1)
    assert len(table) == sd.shape[1] > 3
    for i, q in enumerate(("gradient", "curvature")):
        npt.assert_allclose(table[f"{q}_mean"], mean.reshape(2, -1)[i], rtol=1e-8)
        npt.assert_allclose(table[f"{q}_sd"], sd[i], rtol=1e-8)


def test_summaries_are_those_of_a_normal():
    # Given hyperparameters leave a single normal.
    table = womble(posterior(), LINE, segment_length=0.1, rule="fdr", alpha=0.1)
    for q in ("gradient", "curvature"):
        mean, sd = table[f"{q}_mean"], table[f"{q}_sd"]
        for name, level in (("q025", 0.025), ("q50", 0.5), ("q975", 0.975)):
            npt.assert_allclose(
                table[f"{q}_{name}"], norm.ppf(level, mean, sd), atol=1e-9 * sd.max()
            )
        p = norm.cdf(mean / sd)
        npt.assert_allclose(table[f"{q}_p_positive"], p, atol=1e-12)
        raw = np.where(p > 0.95, 1, np.where(p < 0.05, -1, 0))
        npt.assert_array_equal(table[f"{q}_significant_raw"], raw)
        for statistic in ("mean", "sd", "q025", "q50", "q975"):
            npt.assert_allclose(
                table[f"average_{q}_{statistic}"], table[f"{q}_{statistic}"] / table["length"]
            )
    assert set(table["rule"]) == {"fdr, alpha = 0.1, per segment"}


# -- simultaneous bands ----------------------------------------------------------------------------

# A ring of long segments and a wavy line of short ones: panels above and below a segment's length.
WAVE = LineString([(x, 0.5 + 0.2 * np.sin(9 * x)) for x in np.linspace(0.1, 0.9, 13)])


@pytest.mark.parametrize("by", ["segment", "curve"])
@pytest.mark.parametrize("kernel", [Matern(1.5), Matern(3.5)], ids=repr)
def test_a_band_covers_the_exact_joint_law_of_all_rows(kernel, by, monkeypatch):
    monkeypatch.setattr("womble.engines.fourier.MOST_MODES", 41)
    samples, count, order = 300, 20_000, highest_order(kernel)
    post = posterior(kernel)
    table = womble(post, [RING, WAVE], by=by, rule="simultaneous", samples=samples, rng=1)
    pieces = segments([RING, WAVE])
    rows = np.arange(len(pieces.start)) if by == "segment" else pieces.curve
    mean, covariance = conditional(post).joint(dense_measures(pieces, rows, order))
    sd = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(sd, sd))
    root = sd[:, None] * vectors * np.sqrt(np.maximum(values, 0))
    draws = mean + np.random.default_rng(2).standard_normal((count, len(mean))) @ root.T
    # Beta law of an order statistic, binomial counts; 1% in the quadrature would move it by 0.003.
    error = np.sqrt(0.05 * 0.95 * (1 / samples + 1 / count))
    for q, own in zip(("gradient", "curvature"), np.split(draws, order, axis=1), strict=False):
        low, high = (table[f"{q}_band_{bound}"].to_numpy() for bound in ("lower", "upper"))
        covered = ((low <= own) & (own <= high)).all(axis=1).mean()
        assert abs(covered - 0.95) < 4.5 * error + 0.003, q


def test_a_band_is_the_mean_and_c_sds_and_decides_the_signs(monkeypatch):
    monkeypatch.setattr("womble.engines.fourier.MOST_MODES", 41)
    post, options = posterior(), {"segment_length": 0.1, "samples": 99}
    table = womble(post, LINE, rule="simultaneous", rng=1, **options)
    plain = womble(post, LINE, rng=1, **options)
    for q in ("gradient", "curvature"):
        c = table.attrs["critical_value"][q]
        assert c > 1.96
        mean, sd = table[f"{q}_mean"], table[f"{q}_sd"]
        low, high = table[f"{q}_band_lower"], table[f"{q}_band_upper"]
        npt.assert_allclose(low, mean - c * sd, rtol=1e-12)
        npt.assert_allclose(high, mean + c * sd, rtol=1e-12)
        npt.assert_array_equal(table[f"{q}_significant"], 1 * (low > 0) - 1 * (high < 0))
        for bound in ("lower", "upper"):
            name = f"{q}_band_{bound}"
            npt.assert_allclose(table[f"average_{name}"], table[name] / table["length"])
        for name in ("mean", "q975", "p_positive", "significant_raw"):
            npt.assert_array_equal(table[f"{q}_{name}"], plain[f"{q}_{name}"])
    assert (table["gradient_significant"] != 0).any()
    assert set(table["rule"]) == {"simultaneous, alpha = 0.05, over all segments"}
    assert not [name for name in plain if "band" in name]
    assert "critical_value" not in plain.attrs


def test_a_band_has_units_and_a_seed(monkeypatch):
    monkeypatch.setattr("womble.engines.fourier.MOST_MODES", 41)
    data = gpd.GeoDataFrame({"v": VALUES}, geometry=gpd.points_from_xy(*COORDS.T), crs="EPSG:28992")
    data.attrs["units"] = {"v": "K"}
    post = FieldModel().condition(data, "v", **GIVEN)
    first, again, other = (
        womble(post, LINE, rule="simultaneous", samples=19, rng=seed) for seed in (1, 1, 2)
    )
    assert first.attrs["units"]["gradient_band_lower"] == "K"
    assert first.attrs["units"]["average_curvature_band_upper"] == "K m-2"
    assert first.equals(again)
    assert not first.equals(other)


def test_measures_find_the_truth_where_noise_is_small():
    # 400 data with noise 0.01: within 4 posterior sds, and near the truth.
    rng = np.random.default_rng(1)
    coords = rng.uniform(size=(400, 2))
    post = FieldModel().condition(
        (coords, A2.value(coords) + 0.01 * rng.standard_normal(400)),
        lengthscale=0.4,
        amplitude=8.0,
        noise_sd=0.01,
    )
    table = womble(post, RING)
    pieces = segments([RING])
    functional = measures(pieces, np.arange(4), 0.05, 2)
    truth = functional.apply(A2.jets(functional.nodes)).reshape(2, 4)
    for q, exact in zip(("gradient", "curvature"), truth, strict=True):
        assert (np.abs(table[f"{q}_mean"] - exact) < 4 * table[f"{q}_sd"]).all()
        npt.assert_allclose(table[f"{q}_mean"], exact, atol=0.05 * np.abs(exact).max())


# -- quadrature ------------------------------------------------------------------------------------

# Lengths from far below a panel (half a lengthscale, 0.15) over just below and above to several.
LENGTHS = (0.01, 0.149, 0.151, 0.4)
SPOKES = [
    LineString([(0.5, 0.5), (0.5 + length * np.cos(a), 0.5 + length * np.sin(a))])
    for length in LENGTHS
    for a in (0.0, 1.0)
]


def quadrature_change(kernel, monkeypatch):
    """Relative change of means (to the sd) and sds when nodes and panels are refined 4 x."""
    post = posterior(kernel)
    coarse = womble(post, SPOKES)
    monkeypatch.setattr(curve, "NODES", 2 * curve.NODES)
    monkeypatch.setattr(curve, "PANEL", curve.PANEL / 2)
    fine = womble(post, SPOKES)
    return {
        q: (
            float((np.abs(coarse[f"{q}_mean"] - fine[f"{q}_mean"]) / fine[f"{q}_sd"]).max()),
            float(np.abs(coarse[f"{q}_sd"] / fine[f"{q}_sd"] - 1).max()),
        )
        for q in ("gradient", "curvature")[: highest_order(kernel)]
    }


@pytest.mark.parametrize(
    ("kernel", "quantity"),
    [
        pytest.param(
            kernel,
            quantity,
            id=f"{kernel!r}-{quantity}",
        )
        for kernel in KERNELS
        for order, quantity in enumerate(("gradient", "curvature")[: highest_order(kernel)], 1)
    ],
)
def test_quadrature_error_is_below_a_thousandth(kernel, quantity, monkeypatch):
    of_mean, of_sd = quadrature_change(kernel, monkeypatch)[quantity]
    assert of_mean < 1e-3
    assert of_sd < 1e-3


# -- tables ----------------------------------------------------------------------------------------


def test_a_table_keeps_the_curves_own_columns_and_crs():
    data = gpd.GeoDataFrame({"v": VALUES}, geometry=gpd.points_from_xy(*COORDS.T), crs="EPSG:28992")
    post = FieldModel().condition(data, "v", **GIVEN)
    both = shapely.MultiLineString([LINE, LINE.reverse()])
    curves = gpd.GeoDataFrame(
        {"name": ["a", "b"], "length": [1, 2]}, geometry=[RING, both], crs=data.crs, index=[7, 9]
    )
    table = womble(post, curves)
    assert table.crs == data.crs
    assert list(table["name"]) == ["a"] * 4 + ["b"] * 6
    assert list(table["length_curve"]) == [1] * 4 + [2] * 6
    npt.assert_array_equal(table["curve_id"], np.repeat([0, 1, 2], [4, 3, 3]))
    npt.assert_array_equal(table["segment_id"], [0, 1, 2, 3, 0, 1, 2, 0, 1, 2])
    npt.assert_allclose(table["length"], table.geometry.length)
    whole = womble(post, curves, by="curve")
    assert list(whole["name"]) == ["a", "b", "b"]
    npt.assert_allclose(whole["length"], [RING.length, LINE.length, LINE.length])
    npt.assert_allclose(whole.geometry.length, whole["length"])
    npt.assert_allclose(whole["gradient_mean"][2], -whole["gradient_mean"][1], rtol=1e-9)


def test_a_curve_in_another_crs_is_refused():
    data = gpd.GeoDataFrame({"v": VALUES}, geometry=gpd.points_from_xy(*COORDS.T), crs="EPSG:28992")
    post = FieldModel().condition(data, "v", **GIVEN)
    curves = gpd.GeoSeries([LINE], crs="EPSG:3857")
    with pytest.raises(ValueError, match=r"`curves` must be in the data's CRS.*to_crs"):
        womble(post, curves)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "row"}, "`by` must be 'segment' or 'curve'"),
        ({"segment_length": 0.0}, "`segment_length` must be positive"),
        ({"rule": "bonferroni"}, "`rule` must be"),
        ({"rule": "simultaneous", "samples": 18}, "needs at least 19 draws; got 18. Ask for more"),
        ({"target": "trend"}, "`target` must be one of 'surface', 'process'"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        womble(posterior(), LINE, **options)


def test_points_are_refused():
    with pytest.raises(TypeError, match="must be LineStrings or Polygons"):
        womble(posterior(), Point(0.5, 0.5))


def test_data_on_a_line_have_no_curves():
    x = np.linspace(0, 1, 12)
    post = FieldModel().condition((x, np.sin(5 * x)), **GIVEN)
    with pytest.raises(ValueError, match=r"womble\(\) needs data in the plane"):
        womble(post, box(0, 0, 1, 1))


def test_a_kernel_without_hessian_has_no_curvature_measure():
    table = womble(posterior(Matern(1.5)), LINE)
    assert not [name for name in table.columns if "curvature" in name]
