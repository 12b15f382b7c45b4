"""A polynomial's force: exact for polynomials, refused where far off; NUTS stays exact."""

from dataclasses import dataclass

import numpy as np
import numpy.testing as npt
import pytest
from scipy.special import digamma, polygamma

from womble import inference
from womble.force import REACH, PolynomialForce, monomial_gradients, powers, with_force
from womble.laplace import NormalApproximation


@dataclass
class Quartic:
    """- u'u / 2 - sum_i c_i u_i^4 + u_0^2 u_1 / 20 in u = q - 1, an odd term and all."""

    fourth: np.ndarray

    def __call__(self, q):
        u = q - 1.0
        slopes = -u - 4 * self.fourth * u**3
        slopes[0] += u[0] * u[1] / 10
        slopes[1] += u[0] ** 2 / 20
        return self.value(q), slopes

    def value(self, q):
        u = q - 1.0
        return -0.5 * u @ u - self.fourth @ u**4 + u[0] ** 2 * u[1] / 20


class LogGammas:
    """log of independent gamma variables with shape 8: skewed."""

    def __call__(self, q):
        return self.value(q), 8 - np.exp(q)

    def value(self, q):
        return (8 * q - np.exp(q)).sum()


class Kinked:
    def __call__(self, q):
        return self.value(q), -np.sign(q)

    def value(self, q):
        return -np.abs(q).sum()


def normal_at(mode, sd):
    return NormalApproximation(np.array(mode), np.diag(np.array(sd) ** 2), 0.0)


def test_gradients_of_monomials():
    exponents, u, step = powers(3), np.array([[0.3, -0.7, 1.1]]), 1e-6
    assert len(exponents) == 34  # (3 + 4)! / (3! 4!) less the constant
    ours = monomial_gradients(u, exponents)[0]
    for j, e in enumerate(step * np.eye(3)):
        high, low = (np.prod((u[0] + s * e) ** exponents, axis=1) for s in (1, -1))
        npt.assert_allclose(ours[j], (high - low) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("k", [2, 5])
def test_a_quartic_is_moved_by_its_own_gradient(k):
    density = Quartic(np.linspace(0.01, 0.05, k))
    force = with_force(density, normal_at(np.ones(k), np.linspace(0.8, 1.2, k)))
    assert isinstance(force, PolynomialForce)
    for q in 1 + np.random.default_rng(0).uniform(-1, 1, size=(10, k)):
        value, slopes = density(q)
        npt.assert_allclose(force(q)[1], slopes, rtol=1e-8, atol=1e-8)
        assert force(q)[0] == value


def test_far_from_the_mode_the_gradient_is_the_true_one():
    density = LogGammas()
    force = with_force(density, normal_at(np.log([8.0, 8.0]), np.sqrt([0.125, 0.125])))
    assert isinstance(force, PolynomialForce)
    inside, outside = (np.log(8.0) + s * REACH * np.sqrt([0.125, 0.0]) for s in (-0.99, -1.01))
    assert (force(outside)[1] == density(outside)[1]).all()
    assert (force(inside)[1] != density(inside)[1]).any()


def test_what_no_polynomial_follows_keeps_its_gradient():
    density = Kinked()
    assert with_force(density, normal_at([0.0, 0.0], [1.0, 1.0])) is density


@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_draws_are_exact_whatever_the_force(shift):
    """Means and variances of log gamma variables, also with a force that is wrong by `shift`."""
    from pymc.step_methods.hmc.quadpotential import QuadPotentialFull

    density = LogGammas()
    force = with_force(density, normal_at(np.log([8.0, 8.0]), np.sqrt([0.125, 0.125])))

    def moved(q):
        value, slopes = force(q)
        return value, slopes + shift

    begin = [np.log([8.0, 8.0]), np.ones(2)]
    points, stats = inference.sample(
        moved,
        QuadPotentialFull(np.diag([0.125, 0.125])),
        begin,
        draws=2000,
        tune=500,
        seed=1,
        progress=False,
    )
    flat = points.reshape(-1, 2)
    # 4,000 draws of which at least 1,000 count.
    error = np.sqrt(polygamma(1, 8) / 1000)
    npt.assert_allclose(flat.mean(axis=0), digamma(8), atol=4 * error)
    npt.assert_allclose(flat.var(axis=0), polygamma(1, 8), rtol=4 * np.sqrt(4 / 1000))
    assert not stats["diverging"].any()
