"""Covariances of jets against 40-digit differentiation, rotation and explicit sums."""

import mpmath as mp
import numpy as np
import numpy.testing as npt
import pytest
from cases import KERNELS, WITH_HESSIAN, exact_radial, highest_order, jet_rotation, rotation
from scipy.sparse import csr_array, random_array

from womble import covariance, jet
from womble.covariance import (
    Scale,
    cross_covariance,
    jet_covariance,
    kernel_sums,
    pair_partials,
    partials,
)
from womble.functional import Functional
from womble.functional_covariance import functional_covariance, functional_cross_covariance
from womble.kernels import Kernel, Matern, RationalQuadratic

SCALE = Scale(amplitude=1.3, lengthscale=0.7)
EPS = np.finfo(float).eps


def exact_partial(kernel, h, indices):
    """d^indices of amplitude^2 rho(|h| / lengthscale) by mpmath's numerical differentiation."""

    def k(*h):
        z = mp.sqrt(sum(x * x for x in h)) / mp.mpf(SCALE.lengthscale)
        return mp.mpf(SCALE.amplitude) ** 2 * exact_radial(kernel, z, 0)

    orders = tuple(indices.count(i) for i in range(len(h)))
    with mp.workdps(40):
        if len(h) == 1:
            return float(mp.diff(k, h[0], orders[0]))
        return float(mp.diff(k, tuple(h), orders))


# mpmath's Bessel functions, which Matern(3.3) needs, take seconds: a few partials do for it.
QUICK = [kernel for kernel in KERNELS if kernel != Matern(3.3)]
ALL_ORDERS = tuple(jet.components(2, 4))
assert len(ALL_ORDERS) == 15


@pytest.mark.parametrize(
    ("kernel", "wanted"),
    [(kernel, ALL_ORDERS) for kernel in QUICK] + [(Matern(3.3), ((0, 1), (0, 0, 1), (0, 0, 1, 1)))],
    ids=lambda x: repr(x) if isinstance(x, Kernel) else f"{len(x)} partials",
)
@pytest.mark.parametrize("h", [(0.4, -0.3), (-0.05, 0.9)])
def test_planar_partials_agree_with_forty_digits(kernel, wanted, h):
    exact = [exact_partial(kernel, h, indices) for indices in wanted]
    actual = partials(kernel, SCALE, np.array(h), wanted)
    # The products of a mixed partial partly cancel: relative to the largest of its order.
    size = [
        max(abs(e) for e, j in zip(exact, wanted, strict=True) if len(j) == len(i)) for i in wanted
    ]
    npt.assert_allclose(actual / size, np.array(exact) / size, atol=1e-10)


@pytest.mark.parametrize("kernel", QUICK, ids=repr)
@pytest.mark.parametrize(
    ("h", "wanted"),
    [
        ((0.6,), ((), (0,), (0, 0), (0, 0, 0), (0, 0, 0, 0))),
        ((0.3, -0.5, 0.2), ((0, 2), (0, 1, 2), (0, 1, 1, 2), (0, 0, 2, 2), (2, 2, 2, 2))),
    ],
    ids=["line", "space"],
)
def test_partials_in_other_dimensions_agree_with_forty_digits(kernel, h, wanted):
    exact = [exact_partial(kernel, h, indices) for indices in wanted]
    npt.assert_allclose(partials(kernel, SCALE, np.array(h), wanted), exact, rtol=1e-10)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_pair_partials_are_the_partials_of_all_differences(kernel, dimension, monkeypatch):
    monkeypatch.setattr(covariance, "PAIRS_PER_BLOCK", 30)  # several blocks, the last one short
    rng = np.random.default_rng(0)
    t = rng.normal(size=(9, dimension))
    t[3] = t[2]
    # Coincident, 1e-9 apart and apart.
    s = np.concatenate([t[:4], t[4:6] + 1e-9, rng.normal(size=(5, dimension))])
    wanted = tuple(jet.components(dimension, 2 * highest_order(kernel)))
    expected = partials(kernel, SCALE, (s[:, None] - t).transpose(2, 0, 1).copy(), wanted)
    expected = expected.transpose(1, 0, 2)
    actual = pair_partials(kernel, SCALE, s, t, wanted)
    size = np.abs(expected).max(axis=(0, 2))[None, :, None]
    # s / l - t / l and (s - t) / l differ by 1e-16, which 1e-9 apart turns u by 1e-7; but the terms
    # with a u vanish there like |h| or faster: 1e-16 at most.
    npt.assert_allclose(actual / size, expected / size, atol=1e-12)
    started = pair_partials(kernel, SCALE, s, t, wanted, np.ones_like(actual))
    npt.assert_allclose(started, 1 + actual, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_partials_are_continuous_at_zero(kernel):
    wanted = tuple(jet.components(2, 2 * highest_order(kernel)))
    at_zero = partials(kernel, SCALE, np.zeros(2), wanted)
    nearby = partials(kernel, SCALE, np.array([6e-10, -8e-10]), wanted)
    assert np.isfinite(at_zero).all()
    # Odd partials, and the cusp |h|^(2 nu - order) of even ones, here with 2 nu - order >= 1, are
    # at most |h| times a derivative of one order more: below 1e3 at these scales.
    npt.assert_allclose(nearby, at_zero, atol=1e3 * 1e-9)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_prior_jet_at_a_point(kernel):
    # k_j(0) = sigma^2 / l^(2 j) D^j rho(0); for Matern D rho(0) = -nu / (nu - 1) and
    # D^2 rho(0) = nu^2 / ((nu - 1)(nu - 2)), for the squared exponential -1 and 1, for the
    # rational quadratic -1 and 1 + 1 / alpha.
    nu, order = kernel.differentiability, highest_order(kernel)
    V = jet_covariance(kernel, SCALE, np.zeros(2), order)
    smooth, kurtosis = np.isinf(nu), 1.0
    if isinstance(kernel, RationalQuadratic):
        kurtosis += 1 / kernel.alpha
    k0 = SCALE.amplitude**2
    k1 = -k0 / SCALE.lengthscale**2 * (1 if smooth else nu / (nu - 1))
    expected = np.diag([k0, -k1, -k1])
    if order == 2:
        k2 = k0 / SCALE.lengthscale**4 * (kurtosis if smooth else nu**2 / ((nu - 1) * (nu - 2)))
        full = np.zeros((6, 6))
        full[:3, :3] = expected
        full[3:, 3:] = [[3 * k2, 0, k2], [0, k2, 0], [k2, 0, 3 * k2]]
        full[0, 3:] = full[3:, 0] = [k1, 0, k1]
        expected = full
    npt.assert_allclose(V, expected, rtol=1e-12, atol=1e-12 * k0)


def test_fourth_derivative_of_matern_five_halves_at_zero_is_25():
    # Where automatic differentiation gives -540 or -351.
    assert partials(Matern(2.5), Scale(1, 1), np.zeros(1), ((0, 0, 0, 0),)) == pytest.approx(25)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("angle", [0.3, np.pi / 2, 2.0])
def test_jet_covariance_turns_with_the_axes(kernel, angle):
    h = np.array([[0.0, 0.0], [1e-9, 0.0], [0.3, -0.4], [0.0, 1.5], [4.0, 2.0]])
    turn, order = rotation(angle), highest_order(kernel)
    T = jet_rotation(turn, order)
    turned = jet_covariance(kernel, SCALE, h @ turn.T, order)
    expected = T @ jet_covariance(kernel, SCALE, h, order) @ T.T
    npt.assert_allclose(turned, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_jet_covariance_in_space_turns_with_the_axes(kernel):
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    T, h, order = (
        jet_rotation(turn, highest_order(kernel)),
        np.array([0.3, -0.4, 0.2]),
        highest_order(kernel),
    )
    expected = T @ jet_covariance(kernel, SCALE, h, order) @ T.T
    turned = jet_covariance(kernel, SCALE, turn @ h, order)
    npt.assert_allclose(turned, expected, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_joint_prior_is_symmetric_and_positive_semidefinite(kernel):
    points, order = np.random.default_rng(2).uniform(size=(12, 2)), highest_order(kernel)
    points[1] = points[0] + 1e-9
    V = jet_covariance(kernel, SCALE, points[:, None] - points, order)
    V = V.transpose(0, 2, 1, 3).reshape(12 * V.shape[-1], -1)
    npt.assert_allclose(V, V.T, rtol=0, atol=4 * EPS * np.abs(V).max())
    sd = np.sqrt(np.diag(V))
    values = np.linalg.eigvalsh(V / np.outer(sd, sd))
    # Rounding of the entries moves eigenvalues by at most their number times 10 eps.
    assert values[0] > -10 * len(V) * EPS


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_a_derivative_on_the_second_point_is_a_difference_in_it(kernel):
    order, s, t, step = highest_order(kernel), np.array([0.8, -0.2]), np.array([0.1, 0.4]), 1e-3
    columns = jet.components(2, order)
    V = jet_covariance(kernel, SCALE, s - t, order)
    for b, by in enumerate(columns[1:], start=1):
        e = step * np.eye(2)[by[-1]]
        lower = columns.index(by[:-1])
        plus, minus = (
            jet_covariance(kernel, SCALE, s - (t + shift), order)[:, lower] for shift in (e, -e)
        )
        # A central difference is off by step^2 / 6 times the third derivative of what it differs,
        # a derivative of order 6 at most: |d^6 k| < 6e3 sigma^2 at these distances.
        npt.assert_allclose(V[:, b], (plus - minus) / (2 * step), atol=1e3 * step**2 * 1.3**2)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_first_and_second_point_exchange(kernel):
    h, order = np.array([0.3, 0.5]), highest_order(kernel)
    npt.assert_allclose(
        jet_covariance(kernel, SCALE, h, order),
        jet_covariance(kernel, SCALE, -h, order).T,
        rtol=1e-14,
    )


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_cross_covariance_is_the_first_column(kernel):
    rng, order = np.random.default_rng(3), highest_order(kernel)
    s, t = rng.uniform(size=(4, 2)), rng.uniform(size=(3, 2))
    expected = jet_covariance(kernel, SCALE, s[:, None] - t, order)[..., 0].transpose(0, 2, 1)
    actual = cross_covariance(kernel, SCALE, s, t, order)
    npt.assert_allclose(actual, expected, atol=1e-12 * np.abs(expected).max())


# -- Functionals ---------------------------------------------------------------------------------


def random_functional(order, dimension=2):
    rng = np.random.default_rng(4)
    nodes = rng.uniform(size=(5, dimension))
    shape = (3, len(nodes) * jet.size(dimension, order))
    return Functional(nodes, csr_array(random_array(shape, density=0.6, rng=rng)), order)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("dimension", [1, 2])
def test_kernel_sums_are_weighted_cross_covariances(kernel, dimension):
    rng = np.random.default_rng(3)
    t, weights = rng.normal(size=(40, dimension)), rng.normal(size=40)
    # At and next to a point, near and so far away that the correlation underflows.
    s = np.concatenate([t[:1], t[1:2] + 1e-9, rng.normal(size=(20, dimension)), t[:1] + 1e4])
    order = highest_order(kernel)
    sums = kernel_sums(kernel, SCALE, s, t, weights, order)
    terms = np.abs(cross_covariance(kernel, SCALE, s, t, order)) @ np.abs(weights)
    expected = cross_covariance(kernel, SCALE, s, t, order) @ weights
    npt.assert_array_less(np.abs(sums - expected), 100 * EPS * terms + 1e-280)


@pytest.mark.parametrize("kernel", WITH_HESSIAN, ids=repr)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_functional_covariances_are_explicit_sums(kernel, dimension, monkeypatch):
    monkeypatch.setattr(covariance, "PAIRS_PER_BLOCK", 12)
    functional = random_functional(2, dimension)
    nodes, W = functional.nodes, functional.weights.toarray()
    V = jet_covariance(kernel, SCALE, nodes[:, None] - nodes, 2)
    V = V.transpose(0, 2, 1, 3).reshape(W.shape[1], W.shape[1])
    t = np.random.default_rng(5).uniform(size=(4, dimension))
    C = cross_covariance(kernel, SCALE, nodes, t, 2).reshape(W.shape[1], len(t))
    for actual, expected in [
        (functional_covariance(kernel, SCALE, functional), W @ V @ W.T),
        (functional_cross_covariance(kernel, SCALE, functional, t), W @ C),
    ]:
        npt.assert_allclose(actual, expected, atol=1e-12 * np.abs(expected).max())


def test_apply_sums_weights_times_jets():
    functional = random_functional(2)
    jets = np.random.default_rng(6).normal(size=(5, 6, 2))
    W = functional.weights.toarray().reshape(3, 5, 6)
    npt.assert_allclose(functional.apply(jets), np.einsum("qic,ick->qk", W, jets), rtol=1e-13)
    npt.assert_allclose(functional.apply(jets[..., 0]), functional.apply(jets)[:, 0], rtol=1e-13)
    assert functional.size == 3


def test_entries_are_the_weights_node_by_node():
    W = np.zeros((2, 3 * 6))
    W[0, 1::6], W[1, 4::6], W[0, 5], W[1, 0] = [1, 2, 3], [4, 0, 5], 7, -2
    functional = Functional(np.zeros((3, 2)), csr_array(W), 2)
    assert functional.components == [(), (0,), (0, 1), (1, 1)]
    start, row, component, weight = functional.entries
    again = np.zeros_like(W)
    node = np.repeat(np.arange(3), np.diff(start))
    columns = [jet.components(2, 2).index(a) for a in functional.components]
    again[row, 6 * node + np.array(columns)[component]] = weight
    npt.assert_array_equal(again, W)
    npt.assert_array_equal(functional.value_weights, [0, -2])


@pytest.mark.parametrize("order", [1, 2])
def test_rescaled_rows_are_the_same_numbers(order):
    # f(s) = 7 g((s - o) / L): jets scale by 7 / L^k.
    functional = random_functional(order)
    origin, length = np.array([2.0, -1.0]), 5.0
    powers = np.array([len(indices) for indices in jet.components(2, order)])
    units = 7.0 * length**-powers
    scaled = functional.rescaled(origin, length, units)
    npt.assert_allclose(scaled.nodes * length + origin, functional.nodes, rtol=1e-14)
    g = np.random.default_rng(7).normal(size=(5, len(powers)))
    npt.assert_allclose(scaled.apply(g), functional.apply(units * g), rtol=1e-13)
