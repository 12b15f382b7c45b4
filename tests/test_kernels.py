"""Radial derivatives against 40-digit arithmetic, and spectra against their definition."""

from itertools import pairwise

import mpmath as mp
import numpy as np
import numpy.testing as npt
import pytest
from cases import KERNELS, exact_radial
from scipy.integrate import quad
from scipy.special import j0

from womble import jet
from womble.covariance import _recipe
from womble.kernels import Matern, RationalQuadratic, SquaredExponential, Sum

# Every product z^power D^order rho that covariances of jets are made of.
TERMS = _recipe(tuple(jet.components(2, 4))).terms
ALL = [*KERNELS, *(Matern(nu) for nu in (1.7, 2.0, 3.0, 10.2, 49.5, 50.0))]
WHOLE = [kernel for kernel in ALL if float(kernel.differentiability).is_integer()]
Z = [1e-100, 1e-9, 0.1, 1.0, 2.5, 6.0, 30.0]
SMALLEST = 1e-300  # products below this are 0 or denormal in double precision
HALF_INTEGER = [kernel for kernel in ALL if kernel.exponential_polynomials([(0, 0)]) is not None]


def finite_at_zero(kernel, order, power):
    """x^power x^m K_m, m = nu - order, behaves like x^power, or x^(power + 2 m) for m < 0."""
    index = kernel.differentiability - order
    return index > 0 or (index < 0 and power + 2 * index >= 0) or (index == 0 and power > 0)


@pytest.fixture(autouse=True)
def forty_digits():
    with mp.workdps(40):
        yield


def test_covariances_need_these_terms():
    assert TERMS == [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 2), (3, 3), (4, 4)]


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_radials_agree_with_forty_digits(kernel):
    for (order, power), actual in zip(TERMS, kernel.radials(np.array(Z), TERMS), strict=True):
        exact = [float(exact_radial(kernel, z, order, power)) for z in Z]
        # 1e-10: the Bessel routine keeps 13 to 14 digits; closed forms keep 15.
        npt.assert_allclose(
            actual, exact, rtol=1e-10, atol=SMALLEST, err_msg=f"order {order}, power {power}"
        )


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_radials_at_zero_are_the_limits(kernel):
    for order, power in TERMS:
        if finite_at_zero(kernel, order, power):
            # At z = 1e-1000, which only mpmath can hold, what is not the limit has gone.
            limit = float(exact_radial(kernel, mp.mpf("1e-1000"), order, power))
            actual = kernel.radial(np.zeros(2), order, power)
            npt.assert_allclose(actual, limit, rtol=1e-12, err_msg=f"{order}, {power}")


@pytest.mark.parametrize("kernel", [k for k in ALL if k not in WHOLE], ids=repr)
@pytest.mark.parametrize("z", [0.3, 1.9])
def test_radial_is_the_derivative_by_half_z_squared(kernel, z):
    # D = (1/z) d/dz is d/dw for w = z^2 / 2, which checks the recurrence and not only the values.
    def rho(w):
        return exact_radial(kernel, mp.sqrt(2 * w), 0)

    for order in range(5):
        derivative = mp.diff(rho, mp.mpf(z) ** 2 / 2, order)
        npt.assert_allclose(kernel.radial(np.array([z]), order), float(derivative), rtol=1e-10)


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_correlation_is_one_at_zero_and_keeps_shape(kernel):
    z = np.array([[0.0, 1.0, 2.0], [0.5, 3.0, 9.0]])
    assert kernel.radial(z, 0)[0, 0] == pytest.approx(1.0, rel=1e-13)
    assert [array.shape for array in kernel.radials(z, TERMS[:3])] == [z.shape] * 3


@pytest.mark.parametrize("kernel", ALL, ids=repr)
def test_arguments_are_not_changed(kernel):
    z = np.array([0.0, 1e-9, 1.0])
    kernel.radials(z, TERMS[:3])
    npt.assert_array_equal(z, [0.0, 1e-9, 1.0])


@pytest.mark.parametrize("kernel", HALF_INTEGER, ids=repr)
def test_exponential_polynomials_are_the_radials(kernel):
    terms = [term for term in TERMS if finite_at_zero(kernel, *term)]
    closed = kernel.exponential_polynomials(terms)
    z = np.array([0.0, *Z])
    decay = np.exp(-closed.rate * z**closed.exponent)
    for row, expected in zip(closed.coefficients, kernel.radials(z, terms), strict=True):
        actual = np.polynomial.polynomial.polyval(z, row) * decay
        npt.assert_allclose(actual, expected, rtol=1e-12, atol=SMALLEST)


def test_exponential_polynomials_do_not_exist_for_other_kernels_and_divergent_terms():
    assert Matern(3.3).exponential_polynomials([(0, 0)]) is None
    assert Matern(1.5).exponential_polynomials([(2, 0)]) is None


@pytest.mark.parametrize("kernel", [*KERNELS, Matern(10.2)], ids=repr)
@pytest.mark.parametrize("z", [0.0, 0.4, 1.5])
def test_spectral_density_integrates_back_in_one_dimension(kernel, z):
    def spectrum(w):
        return kernel.spectral_density(np.array(w), 1) / np.pi

    integral = (
        quad(spectrum, 0, np.inf, epsabs=1e-12)[0]
        if z == 0
        else quad(spectrum, 0, np.inf, weight="cos", wvar=z, epsabs=1e-10, limlst=200)[0]
    )
    npt.assert_allclose(integral, kernel.radial(np.array(z)[None], 0)[0], atol=1e-8)


@pytest.mark.parametrize("kernel", [*KERNELS, Matern(10.2)], ids=repr)
@pytest.mark.parametrize("z", [0.0, 0.4, 1.5])
def test_spectral_density_integrates_back_in_two_dimensions(kernel, z):
    # rho(z) = (1 / 2 pi) int S(w) J_0(w z) w dw; |J_0| <= 1, so that the part beyond the last
    # frequency is at most that of z = 0: (1 + W^2 / 2 nu)^-nu, exp(-W^2 / 2) for the Gaussian.
    last = 300.0
    nu = kernel.differentiability
    beyond = (1 + last**2 / (2 * nu)) ** -nu if np.isfinite(nu) else 0.0

    def integrand(w):
        return kernel.spectral_density(np.array(w), 2) * j0(w * z) * w / (2 * np.pi)

    ends = [0, 2, 5, 20, 100, last]
    parts = [quad(integrand, a, b, epsabs=1e-12, limit=200)[0] for a, b in pairwise(ends)]
    expected = kernel.radial(np.array([z]), 0)[0]
    npt.assert_allclose(sum(parts), expected, atol=beyond + 1e-10)


@pytest.mark.parametrize("kernel", [*KERNELS, Matern(10.2)], ids=repr)
@pytest.mark.parametrize("dimension", [1, 2])
def test_spectral_density_of_a_section_is_the_integral_across(kernel, dimension):
    # A field in d + 1 dimensions, seen on a hyperplane, has the spectrum of d dimensions.
    for w in (0.0, 0.8, 3.0):
        across = quad(
            lambda v, w=w: kernel.spectral_density(np.hypot(w, v), dimension + 1) / np.pi, 0, np.inf
        )[0]
        npt.assert_allclose(across, kernel.spectral_density(np.array(w), dimension), rtol=1e-7)


@pytest.mark.parametrize("nu", [-1.0, 0.5, 1.0, 50.1, np.inf, np.nan])
def test_nu_outside_its_range_is_refused(nu):
    with pytest.raises(ValueError, match=r"`nu` must be above 1 .* at most 50; got"):
        Matern(nu)


@pytest.mark.parametrize(
    ("kernel", "order", "what"),
    [
        (Matern(1.5), 2, "a Hessian"),
        (Matern(2.0), 2, "a Hessian"),
        (Matern(2.5), 3, "derivatives of order 3"),
    ],
)
def test_a_kernel_too_rough_names_the_remedy(kernel, order, what):
    with pytest.raises(ValueError, match=rf"do not have {what}. Use .* nu > {order}"):
        kernel.require_derivatives(order)


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.inf, np.nan])
def test_alpha_outside_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match="`alpha` must be positive and finite; got"):
        RationalQuadratic(alpha)


def test_a_sum_is_its_components():
    one, two, three = Matern(3.5), SquaredExponential(), Matern(1.5)
    both = one + two
    assert both == Sum((one, two))
    assert (both + three).components == (one + (two + three)).components == (one, two, three)
    assert repr(both + three) == "Matern(nu=3.5) + SquaredExponential() + Matern(nu=1.5)"
    assert (both.differentiability, (both + three).differentiability) == (3.5, 1.5)
    with pytest.raises(ValueError, match=r"Matern\(nu=1.5\) has no .* do not have a Hessian"):
        (both + three).require_derivatives(2)


def test_what_is_no_sum():
    with pytest.raises(ValueError, match="a Sum has at least two components; got 1"):
        Sum((Matern(2.5),))
    with pytest.raises(TypeError, match=r"components of a Sum must be plain kernels.*got 2\.5"):
        Sum((Matern(2.5), 2.5))
    with pytest.raises(TypeError, match="unsupported operand"):
        Matern(2.5) + 1.0


def test_derivatives_that_exist_are_allowed():
    Matern(1.5).require_derivatives(1)
    Matern(2.1).require_derivatives(2)
    Matern(3.5).require_derivatives(3)
    SquaredExponential().require_derivatives(10)
