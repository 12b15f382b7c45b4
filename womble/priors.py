"""Default priors, weakly informative on the data's scale, and the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import root_scalar
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import invgamma

from womble.arrays import FloatArray
from womble.engines.base import Theta
from womble.spatial_data import SpatialData

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

# Prior mass of the lengthscale below the spacing of neighbours and above twice the domain.
TAIL = 0.01


@dataclass(frozen=True)
class DefaultPriors:
    """The default priors' numbers, in user units.

    Attributes
    ----------
    alpha, beta : float
        Shape and scale of the lengthscale's inverse gamma distribution.
    amplitude, noise_sd : float
        Scales of half normal distributions.
    """

    alpha: float
    beta: float
    amplitude: float
    noise_sd: float

    @classmethod
    def of(cls, data: SpatialData) -> DefaultPriors:
        """Weakly informative on the data's scale.

        `lengthscale` has 1% of its mass below the median spacing of distinct neighbours (but at
        least 1/200 of the domain's diameter) and 1% above twice the diameter; `amplitude` has
        scale two, `noise_sd` one standard deviation of the data.
        """
        alpha, beta = inverse_gamma(*lengthscale_range(data.coords))
        return cls(alpha, beta, 2 * data.scaling.scale, data.scaling.scale)

    def as_pymc(self) -> dict[str, TensorVariable]:
        """PyMC distributions by the names of `Theta`."""
        import pymc as pm

        return {
            "lengthscale": pm.InverseGamma.dist(alpha=self.alpha, beta=self.beta),
            "amplitude": pm.HalfNormal.dist(sigma=self.amplitude),
            "noise_sd": pm.HalfNormal.dist(sigma=self.noise_sd),
        }


def check_priors(given: Mapping[str, TensorVariable] | None) -> dict[str, TensorVariable]:
    """The user's priors, if they can be used.

    Raises
    ------
    ValueError
        If a name is no hyperparameter.
    TypeError
        If a prior is not a PyMC distribution.
    """
    from pytensor.tensor import TensorVariable

    given = dict(given or {})
    unknown = sorted(set(given) - set(Theta._fields))
    if unknown:
        raise ValueError(f"`priors` may name {', '.join(Theta._fields)}; got {', '.join(unknown)}.")
    for name, prior in given.items():
        if not isinstance(prior, TensorVariable):
            raise TypeError(
                f"the prior of {name} must be a PyMC distribution in user units, such as "
                f"pm.HalfNormal.dist(sigma=1.0); got {type(prior).__name__}."
            )
    return given


def lengthscale_range(coords: FloatArray) -> tuple[float, float]:
    """Shortest and longest lengthscale that the sites (n, d) can tell, in coordinate units."""
    diameter = domain_diameter(coords)
    return max(typical_spacing(coords), diameter / 200), 2 * diameter


def typical_spacing(coords: FloatArray) -> float:
    """Median distance of a distinct site of (n, d) from its nearest neighbour."""
    distinct = np.unique(coords, axis=0)
    return float(np.median(cKDTree(distinct).query(distinct, k=2)[0][:, 1]))


def domain_diameter(coords: FloatArray) -> float:
    """Largest distance between two of the sites (n, d)."""
    if coords.shape[1] > 1 and len(coords) > 1000:
        # Only the extreme points matter; the hull of points in the plane is small.
        from scipy.spatial import ConvexHull

        coords = coords[ConvexHull(coords).vertices]
    return float(pdist(coords).max()) if coords.shape[1] > 1 else float(np.ptp(coords))


def inverse_gamma(low: float, high: float) -> tuple[float, float]:
    """Shape and scale of the inverse gamma with mass TAIL below `low` and TAIL above `high`."""

    def log_ratio_error(log_alpha: float) -> float:
        below, above = invgamma.ppf([TAIL, 1 - TAIL], np.exp(log_alpha))
        return np.log(above / below) - np.log(high / low)

    # Shapes from 0.05 to e^7 span ratios from about 1.1 to far beyond any two sites.
    alpha = np.exp(root_scalar(log_ratio_error, bracket=(np.log(0.05), 7.0)).root)
    return float(alpha), float(low / invgamma.ppf(TAIL, alpha))
