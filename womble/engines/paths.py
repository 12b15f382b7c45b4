r"""Posterior paths by Matheron's rule: a prior path, moved by what the data say of it.

With a prior path f0, trend coefficients b0 and noise e drawn from the prior,

.. math:: f = f_0 + H (b_0 + B H' v) + \sum_i v_i\, k(\cdot, s_i), \qquad
          v = K^{-1} (y - H b_0 - f_0(X) - e)

is a draw from the posterior, as a function.

References
----------
Journel and Huijbregts (1978), sec. VII.A.1; Wilson et al. (2020, 2021), pathwise conditioning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.covariance import Scale, kernel_sums
from womble.engines.base import Target, has_process
from womble.engines.fourier import FourierPath, FourierPrior, component_priors
from womble.kernels import Correlation
from womble.slope_covariance import slope_sums
from womble.trend import COEFFICIENT_SD

if TYPE_CHECKING:
    from womble.engines.conditional import DenseConditional
    from womble.engines.dense import DenseEngine

# Of `update_error`, in posterior sds. Measured, the mean of a jet errs 3 to 30 times less than that
# bound (nu = 3/2, 5/2, 7/2; noise 0.003 to 0.3 sd; even and clustered data), by 0.5% of an sd here.
UPDATE_TOLERANCE = 0.05
# Points evaluated at a time: the tail's waves there take 8 MB.
TILE = 8_192


@dataclass(frozen=True, eq=False)
class Component:
    """What one component of the kernel adds to a posterior path.

    Attributes
    ----------
    kernel : Correlation
    scale : Scale
    fourier : FourierPath
        The prior path; with the update's kernel sum where the band is wide enough for it.
    kernel_weights : array, shape (n,) or (n + m,), or None
        v, where the kernel is summed over the data; None where the band holds that sum.
    """

    kernel: Correlation
    scale: Scale
    fourier: FourierPath
    kernel_weights: FloatArray | None

    def jets(self, points: FloatArray, engine: DenseEngine, order: int) -> FloatArray:
        """Jets at `points` (p, d), shape (p, c), with the engine's data."""
        out = self.fourier.jets(points, order)
        if self.kernel_weights is None:
            return out
        v, to_slopes = np.split(self.kernel_weights, [len(engine.coords)])
        out += kernel_sums(self.kernel, self.scale, points, engine.coords, v, order)
        if engine.slopes is not None:
            out += slope_sums(self.kernel, self.scale, points, engine.slopes, to_slopes, order)
        return out


@dataclass(frozen=True, eq=False)
class DensePath:
    """One posterior path of the dense engine.

    Attributes
    ----------
    engine : DenseEngine
    components : tuple of Component
        Of the kernel: their paths are added; none for the covariates alone.
    trend_weights : array, shape (k,)
        Coefficients of trend and covariates, in units of their prior sd.
    target : Target
    """

    engine: DenseEngine
    components: tuple[Component, ...]
    trend_weights: FloatArray
    target: Target

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """Jets at `points` (p, d) inside the domain, shape (p, c).

        A function of the point, to 1e-9 of the prior sd of each component.
        """
        out = np.empty((len(points), jet.size(points.shape[1], order)))
        for start in range(0, len(points), TILE):
            tile = slice(start, start + TILE)
            out[tile] = self._tile(points[tile], order)
        return out

    def at_sites(self, points: FloatArray, design: FloatArray) -> FloatArray:
        """See `Path.at_sites`."""
        weights = self.trend_weights[-design.shape[1] :]
        return self.jets(points, 0)[:, 0] + COEFFICIENT_SD * design @ weights

    def _tile(self, points: FloatArray, order: int) -> FloatArray:
        engine = self.engine
        out = engine.terms(points, order, self.target) @ self.trend_weights
        for part in self.components:
            out += part.jets(points, engine, order)
        return out


def draw_path(
    conditional: DenseConditional, rng: np.random.Generator, domain: FloatArray
) -> DensePath:
    """One posterior path.

    Parameters
    ----------
    conditional : DenseConditional
    rng : Generator
    domain : array, shape (2, d)
        Corners of a box that holds the data and all points that the path will be asked for.
    """
    engine, theta = conditional.engine, conditional.theta
    priors = component_priors(engine.kernel, theta.scales, domain)
    drawn = [prior.draw(rng) for prior in priors]
    b0 = rng.standard_normal(engine.trend_basis.shape[1])
    e = engine.noise.draw(theta, rng)
    field = sum(engine.observed(path.jets) for path in drawn)
    residual = engine.values - engine.trend_basis @ b0 - field - e
    v, of_trend = conditional.factor.solve(residual)
    trend_weights = b0 + of_trend
    if not has_process(conditional.target):
        return DensePath(engine, (), trend_weights, conditional.target)
    components = []
    for prior, path in zip(priors, drawn, strict=True):
        if update_error(conditional, prior) > UPDATE_TOLERANCE / len(priors):
            components.append(Component(prior.kernel, prior.scale, path, v))
            continue
        # k(h) = sum_k S(w_k) / prod(P) exp(i w_k . h) on the band: the sum over data joins it.
        update = prior.spectrum * prior.torus.adjoint(engine.coords, v)
        path = replace(path, coefficients=path.coefficients + update)
        components.append(Component(prior.kernel, prior.scale, path, None))
    return DensePath(engine, tuple(components), trend_weights, conditional.target)


def update_error(conditional: DenseConditional, prior: FourierPrior) -> float:
    r"""What leaving the tail out of the update's kernel costs, in posterior sds of a jet, at most.

    The update lost is :math:`C_t v`, with C_t the tail's covariance with the data. For data from
    the model it has mean square :math:`C_t K^{-1} C_t'`: what the data tell of the tail through
    their noise. With N data within a wavelength of the band's edge that is at most
    :math:`N \, \mathrm{Var}(f_t) / \tau^2` of the tail's own variance, and the posterior variance
    contains the tail's. For other data, and residuals from a prior path, it is
    :math:`1 + y' K^{-1} y / n` times as much.

    Infinite where there is no noise, and with slopes, which tell more of the tail than values do.
    """
    engine, theta = conditional.engine, conditional.theta
    noise = engine.noise.variance(theta).min()
    if noise == 0 or engine.slopes is not None:
        return np.inf
    cells = np.floor(engine.coords * prior.torus.edge / (2 * np.pi))
    _, counts = np.unique(cells, axis=0, return_counts=True)
    share = counts.max() * prior.tail_share(0)
    misfit = 1 + engine.values @ conditional.weights / len(engine.values)
    return float(prior.scale.amplitude * np.sqrt(share * misfit / noise))
