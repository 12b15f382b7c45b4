"""Antiderivatives of correlations, and covariances of antiderivatives on a line."""

from itertools import pairwise
from math import factorial

import mpmath as mp
import numpy as np
import numpy.testing as npt
import pytest
from cases import KERNELS, TRENDS, WITH_PATHS, correlation, exact_radial

from womble.covariance import Scale, jet_covariance
from womble.kernels import Matern, SquaredExponential
from womble.primitive import OnLine, primitive_covariance
from womble.trend import Trend

CLOSED = [kernel for kernel in WITH_PATHS if kernel != Matern(3.3)]
# Both sides of where the kernels leave their series (1 and 1.5), nearly 0 and far out.
Z = np.array([1e-9, 0.3, 0.999999, 1.000001, 1.499999, 1.500001, 4.0, 12.0])
ORDERS = (-2, -1, 0, 1, 2)
SCALE = Scale(1.3, 0.7)
ORIGIN = 0.2


def exact_primitive(kernel, z, order):
    """z^m int_0^1 (1 - v)^(m - 1) / (m - 1)! rho(z v) dv to 25 digits."""

    def integrand(v):
        return (1 - v) ** (order - 1) * exact_radial(kernel, z * v, 0)

    pieces = mp.linspace(0, 1, 2 + int(z / 2))
    integral = mp.quad(integrand, pieces, method="gauss-legendre")
    return float(z**order * integral / factorial(order - 1))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [*CLOSED, Matern(49.5)], ids=repr)
def test_primitive_is_the_integral(kernel, order):
    with mp.workdps(25):
        exact = [exact_primitive(kernel, mp.mpf(float(z)), order) for z in Z]
    # Closed forms lose a digit where the series gives way to them.
    npt.assert_allclose(kernel.primitive(Z, order), exact, rtol=2e-14)


@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_primitive_at_zero_of_any_shape(kernel):
    z = np.array([[0.0, 0.4, 2.0]])
    for order in (1, 2, 3, 4):
        found = kernel.primitive(z, order)
        assert found.shape == z.shape
        assert found[0, 0] == 0
        assert kernel.primitive(np.array(2.0), order) == pytest.approx(found[0, 2], rel=1e-14)
    npt.assert_array_equal(z, [[0.0, 0.4, 2.0]])


def test_a_kernel_without_closed_form_names_those_that_have_one():
    with pytest.raises(ValueError, match=r"Matern\(nu=3.3\) has no closed form.*: 1.5, 2.5"):
        Matern(3.3).primitive(Z, 1)


def test_primitive_covariance_has_the_parity_of_its_order():
    h = np.array([0.1, 0.9, 5.0])
    for order in range(-4, 5):
        there, back = (primitive_covariance(Matern(4.5), SCALE, x, order) for x in (h, -h))
        npt.assert_allclose(back, (-1) ** order * there, rtol=1e-14)


# --- covariances against quadrature -----------------------------------------------------------


def panel(start, stop):
    """Gauss-Legendre on one interval, exact to rounding on half a lengthscale."""
    x, w = np.polynomial.legendre.leggauss(40)
    return start + (stop - start) * 0.5 * (x + 1), (stop - start) * 0.5 * w


def nodes(order, x, kink):
    """Where f is taken, and weights, for f^(order)(x), order <= 0; split at `kink`."""
    if order == 0:
        return np.array([x]), np.array([1.0])
    ends = [ORIGIN, x]
    if min(ends) < kink < max(ends):
        ends.insert(1, kink)
    parts = [panel(*pair) for pair in pairwise(ends)]
    at, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return at, weights * (x - at) ** (-order - 1)


def quadrature(kernel, s, a, t, b):
    """Cov(f^(a)(s), f^(b)(t)), a and b <= 0, split where the arguments of k meet."""
    total = 0.0
    for u, weight in zip(*nodes(a, s, t), strict=True):
        v, weights = nodes(b, t, u)
        total += weight * weights @ correlation(kernel, np.abs(u - v) / SCALE.lengthscale)
    return SCALE.amplitude**2 * total


@pytest.mark.parametrize(("s", "t"), [(1.1, -0.6), (0.9, 1.4), (-0.1, -0.1)])
@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_covariances_are_double_integrals(kernel, s, t):
    orders = (-2, -1, 0)
    found = OnLine(np.array([s, t]), orders, ORIGIN).covariance(kernel, SCALE)[:3, 3:]
    exact = [[quadrature(kernel, s, a, t, b) for b in orders] for a in orders]
    # The reference's Bessel functions keep 13 digits.
    npt.assert_allclose(found, exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_derivatives_of_covariances_are_the_next_order(kernel):
    orders = [a for a in ORDERS if a < kernel.differentiability]
    s, t, step = np.array([1.1, -0.6, ORIGIN]), np.array([0.4, 2.0]), 1e-3

    def rows(t):
        V = OnLine(np.concatenate([s, t]), tuple(orders), ORIGIN).covariance(kernel, SCALE)
        return V.reshape(5, len(orders), 5, len(orders))[:3, :, 3:]

    def central(step):
        return (rows(t + step) - rows(t - step)) / (2 * step)

    differences = (4 * central(step / 2) - central(step)) / 3
    # Truncation is of order step^4 = 1e-12 times a fifth derivative; rounding 1e-16 / step.
    npt.assert_allclose(differences[..., :-1], rows(t)[..., 1:], atol=2e-9)


@pytest.mark.parametrize("kernel", [k for k in KERNELS if k.differentiability > 2], ids=repr)
def test_orders_from_0_are_the_jet(kernel):
    x = np.array([1.1, -0.6, 0.2])
    found = OnLine(x, (0, 1, 2), 5.0).covariance(kernel, SCALE).reshape(3, 3, 3, 3)
    h = (x[:, None] - x)[..., None]
    exact = jet_covariance(kernel, SCALE, h, 2).transpose(0, 2, 1, 3)
    npt.assert_allclose(found, exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_variances_and_cross_covariances_are_parts_of_the_covariance(kernel):
    x, orders = np.array([1.1, ORIGIN, -3.0]), (-1, -2, 1, 0)
    rows = OnLine(x, orders, ORIGIN)
    V = rows.covariance(kernel, SCALE)
    npt.assert_allclose(rows.variances(kernel, SCALE), np.diag(V), rtol=1e-13)
    npt.assert_allclose(
        rows.cross_covariance(kernel, SCALE, x[:, None]), V[:, 3::4], rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("kernel", CLOSED, ids=repr)
def test_at_the_origin_antiderivatives_are_exactly_zero(kernel):
    rows = OnLine(np.array([ORIGIN, 1.0]), (-2, -1, 0), ORIGIN)
    npt.assert_array_equal(rows.variances(kernel, SCALE)[:2], 0.0)
    npt.assert_array_equal(rows.covariance(kernel, SCALE)[:2], 0.0)
    npt.assert_array_equal(rows.cross_covariance(kernel, SCALE, Z[:, None])[:2], 0.0)


# --- the trend --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRENDS)
def test_trends_on_a_line(name):
    trend, x, step = Trend(name), np.array([-1.2, 0.1, 0.7]), 0.5

    def central(order, step):
        pair = [trend.on_line(x + e, order, ORIGIN) for e in (step, -step)]
        return (pair[0] - pair[1]) / (2 * step)

    for order in (-2, -1, 0, 1):
        # Extrapolated central differences are exact for polynomials of degree 4.
        differences = (4 * central(order, step / 2) - central(order, step)) / 3
        npt.assert_allclose(differences, trend.on_line(x, order + 1, ORIGIN), atol=1e-13)
    for order in (-2, -1):
        npt.assert_array_equal(trend.on_line(np.array([ORIGIN]), order, ORIGIN), 0.0)


def test_rows_of_the_constant():
    rows = OnLine(np.array([3.0, 0.0]), ORDERS, 1.0)
    npt.assert_allclose(rows.of_one.reshape(2, 5), [[2, 2, 1, 0, 0], [0.5, -1, 1, 0, 0]])


def test_the_squared_exponential_is_the_limit_of_matern():
    # rho of Matern(49.5) differs from the limit by less than 1 / nu.
    rough, smooth = (k.primitive(Z, 2) for k in (Matern(49.5), SquaredExponential()))
    npt.assert_allclose(rough, smooth, rtol=1 / 49.5)


@pytest.mark.parametrize("order", [-4, -1, 0, 2])
def test_the_components_of_a_sum_add_up(order):
    kernel, scales = Matern(3.5) + SquaredExponential(), (Scale(1.3, 0.4), Scale(0.6, 2.0))
    h = np.linspace(-3, 3, 7)
    added = sum(
        primitive_covariance(*one, h, order) for one in zip(kernel.components, scales, strict=True)
    )
    npt.assert_allclose(primitive_covariance(kernel, scales, h, order), added, rtol=1e-14)
