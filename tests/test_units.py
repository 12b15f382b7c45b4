"""Results scale exactly with units, and turn exactly with the axes."""

import numpy as np
import numpy.testing as npt
import pytest
from cases import A2, KERNELS, TRENDS, highest_order, jet_rotation, rotation, simulate
from shapely.affinity import affine_transform
from shapely.geometry import LineString

from womble import jet
from womble.grid import Grid
from womble.kernels import Matern
from womble.model import FieldModel
from womble.quantity import QUANTITIES

LENGTH, ORIGIN, VALUE = 1000.0, 5e6, 1e-4  # metres for kilometres, say, and another unit of mass
GIVEN = {"lengthscale": 0.3, "amplitude": 8.0, "noise_sd": 1.0}
SCALED = {
    "lengthscale": 0.3 * LENGTH,
    "amplitude": 8.0 * VALUE,
    "noise_sd": 1.0 * VALUE,
}
COORDS, VALUES = simulate(A2, 60, np.random.default_rng(0))
# Multiples of 2^-20, so that moving them by 5e6 rounds nothing: what differs is the package's own.
COORDS = np.round(COORDS * 2**20) / 2**20
POINTS = np.round(np.random.default_rng(1).uniform(size=(7, 2)) * 2**20) / 2**20

every_kernel = pytest.mark.parametrize("kernel", KERNELS, ids=repr)
every_trend = pytest.mark.parametrize("trend", TRENDS)
every_target = pytest.mark.parametrize("target", ["surface", "process"])


def pair(kernel=None, trend="linear"):
    """The same field in two systems of units."""
    model = FieldModel(kernel=kernel or Matern(3.5), trend=trend)
    plain = model.condition((COORDS, VALUES), **GIVEN)
    return plain, model.condition((COORDS * LENGTH + ORIGIN, VALUES * VALUE), **SCALED)


def compare_moments(actual, expected):
    """Means relative to the sd, covariances relative to the sds."""
    sd = np.sqrt(np.diagonal(expected[1], axis1=1, axis2=2))
    size = sd[:, :, None] * sd[:, None, :]
    npt.assert_allclose(actual[0] / sd, expected[0] / sd, rtol=0, atol=1e-8)
    npt.assert_allclose(actual[1] / size, expected[1] / size, rtol=0, atol=1e-8)


@every_kernel
@every_trend
@every_target
def test_jet_moments_scale(kernel, trend, target):
    order = highest_order(kernel)
    plain, scaled = pair(kernel, trend)
    powers = np.array([len(indices) for indices in jet.components(2, order)])
    units = VALUE / LENGTH**powers
    mean, covariance = plain.jet_moments(POINTS, order=order, target=target)
    expected = mean * units, covariance * np.outer(units, units)
    compare_moments(
        scaled.jet_moments(POINTS * LENGTH + ORIGIN, order=order, target=target), expected
    )


@pytest.mark.parametrize("kernel", [Matern(1.5), Matern(3.5)], ids=repr)
@pytest.mark.filterwarnings("ignore:.*has no Hessian:UserWarning")
def test_surfaces_scale(kernel):
    plain, scaled = pair(kernel)
    bounds = np.array([0.0, 0.0, 1.0, 1.0])
    small = Grid.from_data(plain.data, spacing=1 / 8, mask=None, bounds=tuple(bounds))
    large = Grid.from_data(
        scaled.data, spacing=LENGTH / 8, mask=None, bounds=tuple(bounds * LENGTH + ORIGIN)
    )
    assert small.shape == large.shape == (8, 8)
    options = {"samples": 50, "rng": 3, "progress": False}
    expected, actual = plain.surface(small, **options), scaled.surface(large, **options)
    npt.assert_allclose(actual.x, expected.x * LENGTH + ORIGIN, rtol=1e-15)
    assert set(actual.data_vars) == set(expected.data_vars)
    for name in expected.data_vars:
        base = name.removesuffix("_p_positive").removesuffix("_significant")
        quantity = QUANTITIES[base]
        here, there = expected[name].to_numpy(), actual[name].to_numpy()
        if name != base:  # probabilities and signs
            npt.assert_allclose(there, here, rtol=0, atol=1e-8, err_msg=name)
            continue
        unit = VALUE**quantity.response / LENGTH**quantity.length
        size = np.nanmax(np.abs(here))
        npt.assert_allclose(there / unit / size, here / size, rtol=0, atol=1e-8, err_msg=name)


@every_kernel
@pytest.mark.parametrize("by", ["segment", "curve"])
def test_wombling_measures_scale(kernel, by):
    plain, scaled = pair(kernel)
    line = LineString([(0.125, 0.25), (0.5, 0.375), (0.5625, 0.75)])
    moved = affine_transform(line, [LENGTH, 0, 0, LENGTH, ORIGIN, ORIGIN])
    expected = plain.womble(line, by=by, segment_length=0.1, progress=False)
    actual = scaled.womble(moved, by=by, segment_length=0.1 * LENGTH, progress=False)
    assert len(actual) == len(expected)
    npt.assert_allclose(actual["length"], expected["length"] * LENGTH)
    # The measures integrate a derivative of one order more than their length cancels.
    for order, q in list(enumerate(("gradient", "curvature")))[: highest_order(kernel)]:
        for prefix, unit in (
            ("", VALUE / LENGTH**order),
            ("average_", VALUE / LENGTH ** (order + 1)),
        ):
            sd = expected[f"{prefix}{q}_sd"]
            for statistic in ("mean", "sd", "q025", "q50", "q975"):
                name = f"{prefix}{q}_{statistic}"
                difference = (actual[name] / unit - expected[name]) / sd
                npt.assert_allclose(difference, 0, atol=1e-8, err_msg=name)
        npt.assert_allclose(actual[f"{q}_p_positive"], expected[f"{q}_p_positive"], atol=1e-8)
        for flag in (f"{q}_significant", f"{q}_significant_raw"):
            npt.assert_array_equal(actual[flag], expected[flag])


@every_kernel
@every_trend
@every_target
def test_jet_moments_turn_with_the_data(kernel, trend, target):
    # Gradients become turn g, Hessians turn H turn', and their covariances with them.
    order, turn, shift = highest_order(kernel), rotation(2.2), np.array([0.5, -0.25])
    model = FieldModel(kernel=kernel, trend=trend)
    mean, covariance = model.condition((COORDS, VALUES), **GIVEN).jet_moments(
        POINTS, order=order, target=target
    )
    T = jet_rotation(turn, order)
    turned = model.condition((COORDS @ turn.T + shift, VALUES), **GIVEN)
    actual = turned.jet_moments(POINTS @ turn.T + shift, order=order, target=target)
    compare_moments(actual, (mean @ T.T, T @ covariance @ T.T))


@pytest.mark.parametrize("trend", [trend for trend in TRENDS if trend != "none"])
def test_a_constant_added_to_the_values_moves_the_surface_alone(trend):
    model = FieldModel(trend=trend)
    plain, raised = (model.condition((COORDS, VALUES + c), **GIVEN) for c in (0.0, 1e4))
    for target, change in (("surface", 1e4), ("process", 0.0)):
        mean, covariance = plain.jet_moments(POINTS, target=target)
        mean[:, 0] += change
        # Values near 1e4 carry rounding of 1e-12, and the weights K^-1 y the condition number.
        compare_moments(raised.jet_moments(POINTS, target=target), (mean, covariance))


def test_without_a_trend_the_field_has_mean_zero():
    # Far from the data the surface goes to 0, whatever the data's mean is.
    model = FieldModel(trend="none")
    raised = model.condition((COORDS, VALUES + 50.0), **GIVEN)
    far = COORDS.max(axis=0) + 1e3 * np.ptp(COORDS, axis=0)
    mean, covariance = raised.jet_moments(far[None], order=0)
    npt.assert_allclose(mean, 0.0, atol=1e-10)
    npt.assert_allclose(covariance[0, 0, 0], GIVEN["amplitude"] ** 2, rtol=1e-10)
