r"""Posterior paths of a fitted scikit-learn Gaussian process, by Matheron's rule.

With a prior path f0 and noise e, both of the normalised output,

.. math:: f = m + s \bigl(f_0 + \sum_i v_i\, k(\cdot, x_i)\bigr), \qquad
          v = K^{-1} (y - f_0(X) - e)

is a draw from the posterior, as a function. Under one length scale per input, f0 is a path of unit
length scale in the inputs divided by theirs.

References
----------
Journel and Huijbregts (1978), sec. VII.A.1; Wilson et al. (2020, 2021), pathwise conditioning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import track

from womble import jet
from womble.arrays import FloatArray
from womble.covariance import Scale
from womble.engines.base import Path
from womble.engines.fourier import FourierPath, FourierPrior
from womble.engines.paths import TILE
from womble.engines.user_units import require_inside
from womble.interop.derivatives import Constant, Covariance, Linear, Scaled, Stationary, Sum
from womble.interop.posterior import SklearnPosterior, checked_points
from womble.kernels import Matern, SquaredExponential
from womble.paths import in_threads, path_domain

SUPPORTED = (
    "Paths are drawn for one or two inputs under kernels made of RBF, Matern (nu > 1), DotProduct, "
    "ConstantKernel and WhiteKernel by sums and constant factors; `jet_moments` has no such limits."
)


@dataclass(frozen=True, eq=False)
class SklearnPaths:
    """S draws of the field, each a function of the inputs. Made by `SklearnPosterior.paths`.

    Attributes
    ----------
    posterior : SklearnPosterior
    prior : tuple of Path
        S prior paths, of the normalised output.
    update_weights : array, shape (n, S)
        v of each path.
    domain : array, shape (2, d)
        Lowest and highest corner of the box in which they can be asked.
    """

    posterior: SklearnPosterior
    prior: tuple[Path, ...]
    update_weights: FloatArray
    domain: FloatArray

    def __len__(self) -> int:
        """Number of draws."""
        return len(self.prior)

    def jets(self, points: FloatArray, order: int = 2) -> FloatArray:
        """Value, gradient and Hessian of every draw at the same points.

        Parameters
        ----------
        points : array, shape (p, d)
            In the units of the training inputs, inside the domain.
        order : {0, 1, 2}
            Highest derivative.

        Returns
        -------
        array, shape (S, p, c)
            Components f; f_1 .. f_d; f_11, f_12, .., f_dd in units of y. The same at the same
            point, whatever the order or number of points, to 1e-9 of a component's prior sd.

        Raises
        ------
        ValueError
            If a point is outside the domain, the kernel is too rough for `order`, or points have
            the wrong shape.
        """
        post = self.posterior
        points = checked_points(post.covariance, points, post.dimension, order)
        require_inside(points, self.domain)
        out = np.empty((len(self), len(points), jet.size(post.dimension, order)))

        def fill(index: int) -> None:
            for start in range(0, len(points), TILE):
                tile = slice(start, start + TILE)
                out[index, tile] = self.prior[index].jets(points[tile], order)

        for _ in in_threads(fill, range(len(self))):
            pass
        for block, C in post.covariance.cross_blocks(points, post.coords, order):
            out[:, block] += np.moveaxis(C @ self.update_weights, -1, 0)
        out *= post.spread
        out[..., 0] += post.location
        return out


def draw_paths(
    posterior: SklearnPosterior,
    samples: int,
    domain: Sequence[float] | None,
    rng: np.random.Generator,
    progress: bool,
) -> SklearnPaths:
    """See `SklearnPosterior.paths`. Every draw has a stream of random numbers of its own."""
    if samples < 1:
        raise ValueError(f"`samples` must be 1 or more; got {samples!r}.")
    if posterior.dimension > 2:
        raise ValueError(f"the field has {posterior.dimension} inputs. {SUPPORTED}")
    box = path_domain(posterior.coords, domain)
    terms = prior_terms(posterior.covariance, box)
    noise_sd = np.sqrt(posterior.noise_variances)

    def one(stream: np.random.Generator) -> tuple[Path, FloatArray]:
        path = Total(tuple(term.draw(stream) for term in terms))
        noise = noise_sd * stream.standard_normal(len(noise_sd))
        return path, path.jets(posterior.coords, 0)[:, 0] + noise

    found = in_threads(one, rng.spawn(samples))
    shown = track(found, "paths", total=samples, disable=not progress, transient=True)
    paths, data = zip(*shown, strict=True)
    W = posterior.whitener
    update = posterior.weights[:, None] - W.T @ (W @ np.column_stack(data))
    return SklearnPaths(posterior, paths, update, box)


@dataclass(frozen=True, eq=False)
class Total:
    """A sum of paths."""

    parts: tuple[Path, ...]

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `Path.jets`."""
        return sum(part.jets(points, order) for part in self.parts)


@dataclass(frozen=True, eq=False)
class Stretched:
    """g(x / lengthscales) of a path g; derivatives by the chain rule."""

    path: FourierPath
    covariance: Stationary

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `Path.jets`."""
        scaled = self.path.jets(points / self.covariance.lengthscales, order)
        return scaled * self.covariance.units(order)


@dataclass(frozen=True, eq=False)
class Affine:
    """value + slopes . x, slopes of shape (d,)."""

    value: float
    slopes: FloatArray

    def jets(self, points: FloatArray, order: int) -> FloatArray:
        """See `Path.jets`."""
        out = np.zeros((len(points), jet.size(len(self.slopes), order)))
        out[:, 0] = self.value + points @ self.slopes
        if order > 0:
            out[:, 1 : 1 + len(self.slopes)] = self.slopes
        return out


@dataclass(frozen=True, eq=False)
class StretchedPrior:
    """Paths under a stationary covariance; `unit` has its kernel with lengthscale 1."""

    covariance: Stationary
    unit: FourierPrior

    def draw(self, rng: np.random.Generator) -> Stretched:
        """One path."""
        return Stretched(self.unit.draw(rng), self.covariance)


@dataclass(frozen=True, eq=False)
class AffinePrior:
    """Affine functions of d inputs; sds of the value at 0 and of each slope."""

    value_sd: float
    slope_sd: float
    d: int

    def draw(self, rng: np.random.Generator) -> Affine:
        """One path."""
        noise = rng.standard_normal(1 + self.d)
        return Affine(self.value_sd * noise[0], self.slope_sd * noise[1:])


def prior_terms(
    covariance: Covariance, domain: FloatArray, variance: float = 1.0
) -> list[StretchedPrior | AffinePrior]:
    """Independent terms of the prior with covariance `variance` k, good in a box (2, d).

    Raises
    ------
    ValueError
        If a term is neither stationary with a closed form of its spectrum's tail nor affine.
    """
    d = domain.shape[1]
    match covariance:
        case Sum(left, right):
            return prior_terms(left, domain, variance) + prior_terms(right, domain, variance)
        case Scaled(factor, inner):
            return prior_terms(inner, domain, factor * variance)
        case Constant(value):
            return [AffinePrior(np.sqrt(variance * value), 0.0, d)]
        case Linear(value):
            return [AffinePrior(np.sqrt(variance * value), np.sqrt(variance), d)]
        case Stationary(Matern() | SquaredExponential() as kernel, lengthscales):
            scale = Scale(np.sqrt(variance), 1.0)
            return [StretchedPrior(covariance, FourierPrior(kernel, scale, domain / lengthscales))]
    raise ValueError(f"no paths under the covariance {covariance}. {SUPPORTED}")
