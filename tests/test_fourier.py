"""Prior paths against the exact prior, their own differences, and plain sums."""

import numpy as np
import numpy.testing as npt
import pytest
from cases import WITH_PATHS, highest_order, standard_bound
from scipy.integrate import quad

from womble import jet
from womble.compiled.waves import HALF_TURN, cosines_and_sines
from womble.covariance import Scale, jet_covariance
from womble.engines import fourier, torus
from womble.engines.fourier import FourierPrior, image_distance
from womble.engines.torus import Tail
from womble.kernels import Matern, RationalQuadratic, SquaredExponential

DOMAIN = np.array([[-1.0, -0.5], [1.0, 0.5]])
SCALE = Scale(amplitude=1.3, lengthscale=0.3)
# Opposite corners, close pairs and pairs in between.
POINTS = np.array([[-1.0, -0.5], [1.0, 0.5], [0.0, 0.0], [0.01, 0.004], [0.3, -0.2], [0.31, -0.2]])

every_kernel = pytest.mark.parametrize("kernel", WITH_PATHS, ids=repr)


def few_modes(monkeypatch, count):
    monkeypatch.setattr(fourier, "MOST_MODES", count)


# -- spectra -------------------------------------------------------------------------------------


@every_kernel
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize("beyond", [0.0, 2.0])
def test_spectral_moments_are_integrals_of_the_spectral_density(kernel, dimension, beyond):
    sphere = {1: 2.0, 2: 2 * np.pi}[dimension] / (2 * np.pi) ** dimension
    for power in range(0, 2 * highest_order(kernel) + 1):

        def mass(w, power=power):
            density = kernel.spectral_density(w, dimension)
            return sphere * w ** (dimension - 1 + power) * density

        whole = quad(mass, beyond, np.inf, limit=500)[0]
        # quad's own error on algebraic tails is about 1e-8.
        npt.assert_allclose(kernel.spectral_moment(beyond, dimension, power), whole, rtol=1e-6)
        radius = kernel.frequency_beyond(0.3, beyond, dimension, power)
        left = kernel.spectral_moment(radius, dimension, power)
        npt.assert_allclose(
            left, 0.3 * kernel.spectral_moment(beyond, dimension, power), rtol=1e-10
        )


@every_kernel
def test_moments_are_prior_variances(kernel):
    V = jet_covariance(kernel, Scale(1.0, 1.0), np.zeros((1, 2)), highest_order(kernel))[0]
    npt.assert_allclose(kernel.spectral_moment(0.0, 2, 0), V[0, 0], rtol=1e-12)
    npt.assert_allclose(kernel.spectral_moment(0.0, 2, 2), V[1, 1] + V[2, 2], rtol=1e-12)
    if len(V) == 6:  # E (f_xx + f_yy)^2
        npt.assert_allclose(kernel.spectral_moment(0.0, 2, 4), V[3:6:2, 3:6:2].sum(), rtol=1e-12)


def test_a_kernel_without_a_tail_in_closed_form_is_refused():
    with pytest.raises(ValueError, match=r"RationalQuadratic.* no closed form .* Use Matern"):
        FourierPrior(RationalQuadratic(1.0), SCALE, DOMAIN).draw(np.random.default_rng(0))


@every_kernel
def test_images_are_out_of_sight_in_every_direction(kernel):
    order = highest_order(kernel)
    angle = np.linspace(0, np.pi, 13)
    h = image_distance(kernel, order) * np.column_stack([np.cos(angle), np.sin(angle)])
    sd = np.sqrt(np.diag(jet_covariance(kernel, Scale(1.0, 1.0), np.zeros((1, 2)), order)[0]))
    seen = np.abs(jet_covariance(kernel, Scale(1.0, 1.0), h, order)) / np.outer(sd, sd)
    # Mixed components have a third of the variance of pure ones, and reach as far.
    assert seen.max() <= 1.5 * fourier.IMAGE_CORRELATION


# -- covariance ----------------------------------------------------------------------------------


def assert_prior_law(kernel, domain, points, samples):
    prior, order = FourierPrior(kernel, SCALE, domain), highest_order(kernel)
    rng = np.random.default_rng(1)
    J = np.stack([prior.draw(rng).jets(points, order).ravel() for _ in range(samples)])
    V = jet_covariance(kernel, SCALE, points[:, None] - points, order)
    V = V.transpose(0, 2, 1, 3).reshape(J.shape[1], -1)
    variance = np.outer(np.diag(V), np.diag(V)) + V**2
    deviation = (J.T @ J / samples - V) / np.sqrt(variance / samples)
    assert np.abs(deviation).max() < standard_bound(V.size, samples)
    return prior


@every_kernel
@pytest.mark.parametrize("modes", [15, 41])
def test_paths_have_the_prior_covariance(kernel, modes, monkeypatch):
    few_modes(monkeypatch, modes)
    prior = assert_prior_law(kernel, DOMAIN, POINTS, 1000)
    shares = [prior.tail_share(order) for order in range(highest_order(kernel) + 1)]
    assert shares == sorted(shares)
    assert shares[-1] > (1e-3 if modes == 15 else 0.0)  # with 15 x 15 modes the tail matters


@every_kernel
def test_on_a_line_too(kernel, monkeypatch):
    few_modes(monkeypatch, 31)
    assert_prior_law(kernel, DOMAIN[:, :1], POINTS[2:, :1], 1000)


def test_a_negligible_tail_is_left_out():
    path = FourierPrior(SquaredExponential(), SCALE, DOMAIN).draw(np.random.default_rng(0))
    assert path.tail.frequencies.shape == (2, 0)
    npt.assert_array_equal(path.tail.jets(POINTS, 2), np.zeros((len(POINTS), 6)))


@every_kernel
def test_band_and_tail_share_out_the_lattice(kernel, monkeypatch):
    few_modes(monkeypatch, 15)
    prior = FourierPrior(kernel, SCALE, DOMAIN)
    torus = prior.torus
    tail = prior.draw(np.random.default_rng(0)).tail
    numbers = tail.frequencies * torus.period[:, None] / (2 * np.pi)
    npt.assert_allclose(numbers, np.round(numbers), rtol=1e-12)
    assert (np.abs(numbers) > np.array(torus.modes)[:, None]).any(axis=0).all()


# -- functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [Matern(3.5), SquaredExponential()], ids=repr)
@pytest.mark.parametrize("terms", [0, 10**9], ids=["nufft", "sums"])
def test_derivatives_are_differences(kernel, terms, monkeypatch):
    few_modes(monkeypatch, 41)
    monkeypatch.setattr(torus, "FEW_TERMS", terms)
    prior = FourierPrior(kernel, SCALE, DOMAIN)
    path = prior.draw(np.random.default_rng(3))
    step, points = 1e-4, POINTS[2:]
    sd = np.sqrt(np.diag(jet_covariance(kernel, SCALE, np.zeros((1, 2)), 2)[0]))
    jets = path.jets(points, 2)
    for i, column in enumerate([[1, 3, 4], [2, 4, 5]]):
        e = step * np.eye(2)[i]

        def central(h, e=e):
            return (path.jets(points + h * e, 1) - path.jets(points - h * e, 1)) / (2 * h * step)

        difference = (4 * central(0.5) - central(1.0)) / 3
        # Rounding 1e-11 / 1e-4; truncation (w step)^4 / 480 of the tail's waves, w up to 2,000.
        npt.assert_allclose(difference / sd[column], jets[:, column] / sd[column], atol=1e-5)


@every_kernel
def test_plain_sums_and_nufft_agree(kernel, monkeypatch):
    order = highest_order(kernel)
    path = FourierPrior(kernel, SCALE, DOMAIN).draw(np.random.default_rng(4))
    sd = np.sqrt(np.diag(jet_covariance(kernel, SCALE, np.zeros((1, 2)), order)[0]))
    monkeypatch.setattr(torus, "FEW_TERMS", 10**9)
    plain = path.jets(POINTS, order)
    monkeypatch.setattr(torus, "FEW_TERMS", 0)
    # The NUFFT's tolerance is 1e-11.
    npt.assert_allclose(path.jets(POINTS, order) / sd, plain / sd, atol=1e-9)


def test_the_series_is_the_sum_it_says(monkeypatch):
    few_modes(monkeypatch, 8)
    prior = FourierPrior(Matern(2.5), SCALE, DOMAIN)
    torus = prior.torus
    path = prior.draw(np.random.default_rng(5))
    wx, wy = torus.frequencies
    expected = np.zeros((len(POINTS), jet.size(2, 2)), dtype=complex)
    for c, w in zip(path.coefficients.ravel(), np.broadcast(wx, wy), strict=True):
        w = 1j * np.array(w)
        factors = np.array([1, w[0], w[1], w[0] * w[0], w[0] * w[1], w[1] * w[1]])
        expected += np.exp((POINTS - torus.centre) @ w)[:, None] * c * factors
    npt.assert_allclose(expected.imag, 0, atol=1e-9)
    npt.assert_allclose(torus.jets(path.coefficients, POINTS, 2), expected.real, atol=1e-9)


def test_adjoint_is_the_sum_over_points(monkeypatch):
    few_modes(monkeypatch, 8)
    torus = FourierPrior(Matern(2.5), SCALE, DOMAIN).torus
    weights = np.random.default_rng(6).normal(size=len(POINTS))
    wx, wy = torus.frequencies
    expected = sum(
        v * np.exp(-1j * (wx * s[0] + wy * s[1]))
        for v, s in zip(weights, POINTS - torus.centre, strict=True)
    )
    npt.assert_allclose(torus.adjoint(POINTS, weights), expected, atol=1e-9)


def test_the_tail_is_the_sum_it_says():
    rng = np.random.default_rng(7)
    frequencies, c = 50 * rng.normal(size=(2, 5)), rng.normal(size=5) + 1j * rng.normal(size=5)
    tail = Tail(np.array([0.2, -0.1]), frequencies, c)
    wx, wy = frequencies
    factors = np.array([1 + 0 * wx, 1j * wx, 1j * wy, -wx * wx, -wx * wy, -wy * wy])
    waves = np.exp(1j * (POINTS - tail.centre) @ frequencies)
    npt.assert_allclose(tail.jets(POINTS, 2), (waves @ (factors * c).T).real, atol=1e-9)


def test_cosines_and_sines():
    rng = np.random.default_rng(8)
    points, cycles = rng.uniform(-2, 2, (50, 2)), 100 * rng.normal(size=(2, 7))
    out = np.empty((50, 14))
    cosines_and_sines(points, cycles, HALF_TURN, out)
    angle = 2 * np.pi * points @ cycles
    # Rounding of angles up to 1,500 turns.
    npt.assert_allclose(out, np.hstack([np.cos(angle), np.sin(angle)]), atol=1e-11)
