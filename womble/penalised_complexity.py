r"""The penalised-complexity prior of lengthscale and amplitude.

The simplest field is constant: of infinite lengthscale l and amplitude 0. Another is the less
likely the farther it is from that, by :math:`\sqrt{2 KL}`, at a constant rate. With spectral
densities proportional to :math:`(\kappa^2 + |w|^2)^{-\nu - d/2}, \kappa = \sqrt{2 \nu} / l`, and
equal behaviour at high frequencies, the divergence of l from an infinite lengthscale is, per
volume, an integral over w that the substitution :math:`w = \kappa u` shows to be proportional to
:math:`\kappa^d`. It is finite for d < 4. So the distance goes with :math:`l^{-d/2}`; at given
l it goes with the amplitude:

.. math:: l^{-d/2} \sim Exp(\lambda_1), \quad \sigma \sim Exp(\lambda_2), \quad
          \lambda_1 = -\log(p)\, l_0^{d/2}, \quad \lambda_2 = -\log(q) / \sigma_0

have :math:`P(l < l_0) = p` and :math:`P(\sigma > \sigma_0) = q`. The paper states this for the
range :math:`\sqrt{8 \nu} / \kappa = 2 l`; a factor only moves :math:`l_0`. Other kernels (the
squared exponential, a limit of Matern's) and d > 3 have the same law by analogy.

References
----------
Fuglstad, Simpson, Lindgren and Rue (2019), Constructing priors that penalize the complexity of
Gaussian random fields, JASA 114, 445-452; Simpson, Rue, Riebler, Martins and Sorbye (2017),
Statistical Science 32, 1-28.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING

import numpy as np

from womble.arrays import FloatArray
from womble.hyperparameters import Layout
from womble.laws import Frechet, Gamma, Law

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

    Tail = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class PenalisedComplexity:
    """Prior of lengthscale and amplitude by a tail of each (Fuglstad et al. 2019).

    The lengthscale to the power of minus half the dimension is exponential, and so is the
    amplitude: short lengthscales and large amplitudes are unlikely, long and small ones are not.
    Nothing bounds the lengthscale above, least on a line: a component of a sum that the data do not
    need may be of any length.

    Parameters
    ----------
    lengthscale : (l0, p), or such a pair for each component of a sum of kernels
        P(lengthscale < l0) = p; l0 in coordinate units. Of an anisotropic model its geometric mean.
    amplitude : (s0, q), or such a pair for each component of a sum of kernels
        P(amplitude > s0) = q; s0 in link units.
    noise_sd : (t0, q), optional
        P(noise_sd > t0) = q, and an exponential law, with Gaussian noise. By default that of
        `womble.priors.DefaultPriors`.
    others : mapping of str to PyMC distributions, optional
        For other hyperparameters, as `FieldModel` takes them; those not named keep their defaults.

    Raises
    ------
    ValueError
        If a pair is not a positive number and a probability between 0 and 1.

    References
    ----------
    Fuglstad, Simpson, Lindgren and Rue (2019), JASA 114, 445-452.

    Examples
    --------
    >>> import womble as wb
    >>> priors = wb.PenalisedComplexity(lengthscale=(100.0, 0.05), amplitude=(2.0, 0.05))
    >>> model = wb.FieldModel(priors=priors)
    """

    lengthscale: Tail | Sequence[Tail]
    amplitude: Tail | Sequence[Tail]
    noise_sd: Tail | None = None
    others: Mapping[str, TensorVariable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("lengthscale", "amplitude", "noise_sd"):
            given = getattr(self, name)
            if given is not None:
                _tails(name, given)

    def laws(self, layout: Layout, dimension: int) -> dict[str, Law]:
        """The laws of the hyperparameters that are stated, by name.

        Raises
        ------
        ValueError
            If there are not as many pairs as the kernel has components, the model has no
            `noise_sd`, or `others` names a hyperparameter that is stated already.
        """
        tails = {
            "lengthscale": _tails("lengthscale", self.lengthscale),
            "amplitude": _tails("amplitude", self.amplitude),
        }
        for name, pairs in tails.items():
            if len(pairs) != layout.components:
                raise ValueError(
                    f"`{name}` of PenalisedComplexity must have a pair for each of the "
                    f"{layout.components} component(s) of the kernel; got {len(pairs)}. Components "
                    "with the same prior could not be told from one another."
                )
        if self.noise_sd is not None:
            if "noise_sd" not in layout.kinds:
                own = ", ".join(layout.kinds[2 * layout.components :]) or "none"
                raise ValueError(
                    "`noise_sd` of PenalisedComplexity needs Gaussian noise; this likelihood's "
                    f"own hyperparameters: {own}. Leave it out, or use `others`."
                )
            tails["noise_sd"] = _tails("noise_sd", self.noise_sd)
        left = {kind: iter(pairs) for kind, pairs in tails.items()}
        stated = {
            name: _law(kind, *next(left[kind]), dimension)
            for name, kind in zip(layout.names, layout.kinds, strict=True)
            if kind in left
        }
        twice = sorted(set(stated) & set(self.others))
        if twice:
            raise ValueError(
                f"`others` of PenalisedComplexity must not name {', '.join(twice)}, which it has "
                "a prior for. Leave out one of the two."
            )
        return stated


def _law(kind: str, number: float, probability: float, dimension: int) -> Law:
    """The law with this tail."""
    if kind == "lengthscale":
        shape = dimension / 2
        return Frechet(shape, number * (-log(probability)) ** (1 / shape))
    return Gamma(1.0, -log(probability) / number)


def _tails(name: str, given: Tail | Sequence[Tail]) -> FloatArray:
    """Checked pairs, a row each, shape (m, 2)."""
    try:
        pairs = np.asarray(list(given), dtype=float)
    except (TypeError, ValueError):  # no sequence, or not of numbers: no pair either
        pairs = np.empty(0)
    if pairs.shape == (2,):
        pairs = pairs[None]
    good = pairs.ndim == 2 and pairs.shape[1] == 2 and len(pairs) > 0
    if good:
        numbers, probabilities = pairs.T
        good = bool(
            (np.isfinite(numbers) & (numbers > 0)).all()
            and ((probabilities > 0) & (probabilities < 1)).all()
        )
    if not good:
        raise ValueError(
            f"`{name}` of PenalisedComplexity must be a pair of a positive number and a "
            f"probability between 0 and 1, such as (100.0, 0.05); got {given!r}."
        )
    return pairs
