"""Default priors, weakly informative on the data's scale, and the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import root_scalar
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import invgamma

from womble.arrays import FloatArray
from womble.hyperparameters import PLAIN, Layout
from womble.laws import Gamma, HalfNormal, InverseGamma, Law, Normal
from womble.penalised_complexity import PenalisedComplexity
from womble.spatial_data import SpatialData

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

    # As `FieldModel` takes them.
    Priors = (
        Mapping[str, TensorVariable] | PenalisedComplexity | Literal["penalised_complexity"] | None
    )

# Of each of the two numbers of the anisotropy: half of all ratios are above 2.3, 5% above 5.5.
ANISOTROPY_SD = 0.7

# Prior mass of the lengthscale below the spacing of neighbours and above twice the domain.
TAIL = 0.01

# Of priors="penalised_complexity". Intervals covered well in the paper's simulations where the
# amplitude's bound is 2.5 to 40 times the truth and the range's 1/10 to 2/5 of it.
PENALISED_TAIL, PENALISED_SDS = 0.05, 3.0


@dataclass(frozen=True)
class DefaultPriors:
    """The default priors, in user units.

    Attributes
    ----------
    laws : mapping of str to Law
        By name, in the order of the model's `Layout`.
    """

    laws: Mapping[str, Law]

    @classmethod
    def of(cls, data: SpatialData, layout: Layout = PLAIN) -> DefaultPriors:
        """Weakly informative on the data's scale.

        `lengthscale` has an inverse gamma law with 1% of its mass below the median spacing of
        distinct neighbours (but at least 1/200 of the domain's diameter) and 1% above twice the
        diameter; `amplitude` is half normal with scale two, `noise_sd` with one standard deviation
        of the data. Components of a sum share that range of lengthscales out, the longest first
        (see `divided_range`), so that equal components are not interchangeable. The anisotropy is
        normal around 0, isotropy, whatever its angle. Of other likelihoods: `noise_scale` as
        `noise_sd`; `degrees_of_freedom` gamma with shape 2 and rate 0.1 (Juarez and Steel 2010),
        95% between 2.4 and 56; `shape` gamma with shape 2 and rate 0.25, 95% between 1 and 22;
        `dispersion` half normal with scale 1.
        """
        ranges = divided_range(*lengthscale_range(data.coords), layout.components)
        lengthscales = iter([InverseGamma(*inverse_gamma(*one)) for one in ranges])
        of_kind = {
            "amplitude": HalfNormal(2 * data.scaling.scale),
            "noise_sd": HalfNormal(data.scaling.scale),
            "noise_scale": HalfNormal(data.scaling.scale),
            "degrees_of_freedom": Gamma(2.0, 0.1),
            "shape": Gamma(2.0, 0.25),
            "dispersion": HalfNormal(1.0),
            "anisotropy": Normal(ANISOTROPY_SD),
        }
        pairs = zip(layout.names, layout.kinds, strict=True)
        return cls({name: of_kind.get(kind) or next(lengthscales) for name, kind in pairs})

    def as_pymc(self) -> dict[str, TensorVariable]:
        """PyMC distributions by name."""
        return {name: law.as_pymc() for name, law in self.laws.items()}


def stated_priors(
    given: Priors, data: SpatialData, layout: Layout = PLAIN
) -> tuple[dict[str, Law], dict[str, TensorVariable]]:
    """Laws in closed form of those hyperparameters that are not the user's, and the user's.

    Parameters
    ----------
    given : mapping of str to PyMC distributions, PenalisedComplexity or str, optional
        As `FieldModel` takes them.

    Returns
    -------
    laws : dict of str to Law
    users : dict of str to PyMC distributions
        Each name of the layout is in one of the two.

    Raises
    ------
    ValueError, TypeError
        If the priors cannot be used.
    """
    laws = dict(DefaultPriors.of(data, layout).laws)
    if isinstance(given, str):
        given = penalised_complexity(given, data, layout)
    if isinstance(given, PenalisedComplexity):
        laws |= given.laws(layout, data.coords.shape[1])
        given = given.others
    users = check_priors(given, layout.names)
    return {name: law for name, law in laws.items() if name not in users}, users


def penalised_complexity(
    name: str, data: SpatialData, layout: Layout = PLAIN
) -> PenalisedComplexity:
    """The prior of that name on the data's scale.

    P = 0.05 each that the lengthscale is below the median spacing of distinct neighbours (but at
    least 1/200 of the domain's diameter), and that the amplitude is above three standard deviations
    of the data; above 3 where the link is log or logit.

    Raises
    ------
    ValueError
        If the name is another, or the kernel is a sum, whose components it could not tell apart.
    """
    if name != "penalised_complexity":
        raise ValueError(
            "`priors` must be a mapping of names to PyMC distributions, PenalisedComplexity(...) "
            f"or 'penalised_complexity'; got {name!r}."
        )
    if layout.components > 1:
        raise ValueError(
            "priors='penalised_complexity' is for kernels of one component; this one has "
            f"{layout.components}. Give PenalisedComplexity(lengthscale=[(l1, p1), ..], "
            "amplitude=[(s1, q1), ..]) with a pair for each."
        )
    shortest, _ = lengthscale_range(data.coords)
    return PenalisedComplexity(
        lengthscale=(shortest, PENALISED_TAIL),
        amplitude=(PENALISED_SDS * data.scaling.scale, PENALISED_TAIL),
    )


def check_priors(
    given: Mapping[str, TensorVariable] | None, names: Sequence[str]
) -> dict[str, TensorVariable]:
    """The user's priors, if they can be used.

    Parameters
    ----------
    given : mapping of str to PyMC distributions, optional
    names : sequence of str
        Of the model's hyperparameters.

    Raises
    ------
    ValueError
        If a name is no hyperparameter.
    TypeError
        If they are no mapping, or a prior is not a PyMC distribution.
    """
    from pytensor.tensor import TensorVariable

    if not isinstance(given, Mapping | None):
        raise TypeError(
            "`priors` must be a mapping of names to PyMC distributions, PenalisedComplexity(...) "
            f"or 'penalised_complexity'; got {type(given).__name__}."
        )
    given = dict(given or {})
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise ValueError(f"`priors` may name {', '.join(names)}; got {', '.join(unknown)}.")
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


def divided_range(low: float, high: float, components: int) -> list[tuple[float, float]]:
    """Ranges of the lengthscales of a sum's components, the longest first.

    On logarithms the whole is cut into equal parts, one more than there are components, and each
    component has two neighbouring ones: of two, the first has the upper two thirds, the second the
    lower two. A plain kernel has it all.
    """
    edges = np.geomspace(low, high, components + 2).tolist()
    return list(zip(edges[:-2], edges[2:], strict=True))[::-1]


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
