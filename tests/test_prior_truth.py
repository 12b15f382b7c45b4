"""The law that truths are drawn from: derivatives are differences, integrals are sums."""

import numpy as np
import pytest
from cases import correlation, difference_jets, highest_order
from numpy.testing import assert_allclose
from prior_truth import covariance, derivatives, integrals, jet, joint_covariance, root

import womble as wb

KERNELS = [wb.Matern(1.5), wb.Matern(2.5), wb.Matern(3.5), wb.SquaredExponential()]
AMPLITUDE, LENGTHSCALE = 1.3, 0.4
CURVE = np.array([[0.1, 0.2], [0.3, 0.25], [0.4, 0.5], [0.6, 0.8]])


def columns(kernel, points, order, rows):
    """Covariance of the jets at `points` with one row, (p, c)."""
    parts = [covariance(kernel, AMPLITUDE, LENGTHSCALE, a, rows) for a in jet(points, order)]
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_derivatives_are_differences(kernel):
    """In one point of the correlation as it is defined, then in the other of what that gave."""
    rng = np.random.default_rng(1)
    here, there = rng.uniform(0, 0.45, (4, 2)), rng.uniform(0.55, 1, (3, 2))
    order, step = highest_order(kernel), 0.004

    def prior(points):
        z = np.linalg.norm(points - there[0], axis=1) / LENGTHSCALE
        return AMPLITUDE**2 * correlation(kernel, z)

    # A step of 0.01 lengthscales: extrapolated differences truncate at its fourth power times a
    # sixth derivative of up to 100, and round at 1e-16 over its square.
    atol = 1e-6 * AMPLITUDE**2 / LENGTHSCALE**2
    found = columns(kernel, here, order, derivatives(there[:1]))
    assert_allclose(found, difference_jets(prior, here, order, step), atol=atol)
    for row in jet(here[:1], order):
        units = LENGTHSCALE**-row.order
        found = columns(kernel, there, order, row)
        expected = difference_jets(
            lambda points, row=row: columns(kernel, points, 0, row)[:, 0], there, order, step
        )
        assert_allclose(found, expected, atol=atol * units)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_integrals_are_sums(kernel):
    """Midpoint sums of 150 derivatives miss a cusp, or a corner, by about the square of a step."""
    steps, share = np.diff(CURVE, axis=0), (np.arange(150) + 0.5) / 150
    lengths = np.hypot(*steps.T)
    normals = np.column_stack([steps[:, 1], -steps[:, 0]]) / lengths[:, None]
    nodes = CURVE[:-1, None] + share[:, None] * steps[:, None]
    scale = kernel, AMPLITUDE, LENGTHSCALE
    for order in range(1, highest_order(kernel) + 1):
        C = joint_covariance(*scale, [integrals(CURVE, order, LENGTHSCALE)])
        fine = [derivatives(at, *[n] * order) for at, n in zip(nodes, normals, strict=True)]
        means = np.array([[covariance(*scale, a, b).mean() for b in fine] for a in fine])
        sd = np.sqrt(np.diag(C))
        assert_allclose(
            C / np.outer(sd, sd), means * np.outer(lengths / sd, lengths / sd), atol=1e-4
        )


def test_a_root_of_a_singular_covariance():
    """Of a smooth field over less than a lengthscale: most eigenvalues are rounding."""
    points = np.random.default_rng(3).uniform(0, 0.3, (40, 2))
    blocks = [derivatives(points), *jet(points[:5], 2), integrals(CURVE, 2, LENGTHSCALE)]
    C = joint_covariance(wb.SquaredExponential(), AMPLITUDE, LENGTHSCALE, blocks)
    A, sd = root(C), np.sqrt(np.diag(C))
    assert np.linalg.cond(C / np.outer(sd, sd)) > 1e15
    assert_allclose(A @ A.T / np.outer(sd, sd), C / np.outer(sd, sd), atol=1e-12)
