"""Measures of whole straight segments: their variances in one dimension instead of two."""

import numpy as np
import numpy.testing as npt
import pytest
from cases import KERNELS, highest_order
from scipy.integrate import quad
from shapely import LineString

from womble.covariance import Scale
from womble.curve import measures, segments
from womble.engines.dense import DenseEngine
from womble.functional import Panels
from womble.functional_covariance import segment_variances
from womble.hyperparameters import PLAIN
from womble.kernels import Matern
from womble.trend import Trend

ROUGH = Matern(2.05)  # |h|^0.1 in the covariance of second derivatives


@pytest.mark.parametrize("kernel", [*KERNELS, ROUGH], ids=repr)
@pytest.mark.parametrize("length", [0.03, 0.7, 6.0])
def test_variance_of_a_segments_measure_is_the_double_integral(kernel, length):
    """2 int_0^p (p - t) c(t) dt by adaptive quadrature in t = s^8, where the cusp is smooth."""
    scale, order = Scale(1.3, 0.7), highest_order(kernel)
    pieces = Panels(
        np.arange(order), np.arange(1, order + 1), np.full(order, length), np.full(order, 2.0), 0
    )
    for k, factor in ((1, -1.0), (2, 3.0))[:order]:

        def integrand(s, k=k, factor=factor):
            t = s**8
            c = factor * kernel.radial(np.array([t / scale.lengthscale]), k)[0]
            return 2 * (length - t) * c * 8 * s**7

        exact = quad(integrand, 0, length**0.125, epsabs=0, epsrel=1e-12, limit=400)[0]
        exact *= 4 * (scale.amplitude / scale.lengthscale**k) ** 2
        actual = segment_variances(kernel, scale, pieces)[k - 1]
        npt.assert_allclose(actual, exact, rtol=1e-10)


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("target", ["surface", "process"])
def test_rows_by_themselves_have_the_joint_laws_mean_and_variance(kernel, target):
    rng = np.random.default_rng(8)
    engine = DenseEngine(kernel, Trend("linear"), rng.normal(size=(30, 2)), rng.normal(size=30))
    conditional = engine.condition(PLAIN.theta([0.8, 1.2, 0.3]), target)
    ring = segments([LineString([(-1, -1), (1.2, -0.6), (0.4, 1.5), (0.41, 1.52)])])
    order = highest_order(kernel)
    functional = measures(ring, np.arange(3), 0.8, order)
    mean, variance = conditional.marginal(functional)
    joint_mean, joint = conditional.joint(functional)
    npt.assert_allclose(mean, joint_mean, rtol=1e-13)
    # In the joint law neighbouring panels touch where the covariance has its cusp, which the nodes
    # of the roughest kernels see to five digits.
    npt.assert_allclose(variance, np.diag(joint), rtol=1e-5)
