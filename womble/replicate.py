r"""Other data at the same sites: simulated from the stationary model, and conditioned on.

With hyperparameters theta, trend coefficients b from their law given the data and theta, a path Z
of the prior and noise e,

.. math:: y^*_i = H(s_i) b + Z(s_i) + e_i.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from womble.arrays import FloatArray
from womble.engines.anisotropic import AnisotropicEngine
from womble.engines.base import Conditional
from womble.engines.dense import DenseEngine
from womble.engines.ensemble import Ensemble, Result, draw_normal
from womble.engines.fourier import FourierPrior, component_priors
from womble.hyperparameters import Theta


@dataclass(frozen=True)
class Replicate(Ensemble):
    """Field draws given one simulated data set, made in the thread that asks for them.

    Parameters
    ----------
    conditional : Conditional
        In user units; made once, as the search asks for it many times.
    """

    conditional: Conditional

    def map(
        self,
        function: Callable[[Conditional, np.random.Generator], Result],
        rng: np.random.Generator,
        label: str,
        progress: bool,
    ) -> Iterator[Result]:
        """See `Ensemble.map`; replicates run beside each other, so this does not."""
        yield function(self.conditional, rng.spawn(1)[0])


@dataclass(frozen=True, eq=False)
class Simulator:
    """Data at an engine's sites from the stationary model with its fitted trend.

    Attributes
    ----------
    engine : DenseEngine
        In coordinates in which the field is isotropic.
    theta : Theta
    priors : list of FourierPrior
        Of the field's components, over the sites.
    trend_mean, trend_covariance : array, shape (k,) and (k, k)
        Law of the trend's coefficients given the engine's data, in units of their prior sd.
    """

    engine: DenseEngine
    theta: Theta
    priors: list[FourierPrior]
    trend_mean: FloatArray
    trend_covariance: FloatArray

    @classmethod
    def at(cls, engine: DenseEngine | AnisotropicEngine, theta: Theta) -> Simulator:
        """With the law of the trend at these hyperparameters, and the prior."""
        engine, theta = engine.isotropic(theta)
        box = np.stack([engine.sites.min(axis=0), engine.sites.max(axis=0)])
        return cls(
            engine,
            theta,
            component_priors(engine.kernel, theta.scales, box),
            *engine.condition(theta).coefficient_law(),
        )

    def values(self, rng: np.random.Generator) -> FloatArray:
        """One data set, shape (n,) or with slopes (n + m,), in the engine's scaled units.

        The field is a path: repeated sites share its value and have noise of their own.
        """
        field = sum(self.engine.observed(prior.draw(rng).jets) for prior in self.priors)
        noise = self.engine.noise.draw(self.theta, rng)
        coefficients = draw_normal(self.trend_mean, self.trend_covariance, 1, rng)[0]
        return self.engine.trend_basis @ coefficients + field + noise


def recondition(ensemble: Ensemble, theta: Theta, values: FloatArray, samples: int) -> Replicate:
    """The field given other values (n,) at the same sites, scaled as the engine's own are."""
    engine = replace(ensemble.engine, values=values)
    conditional = ensemble.in_user_units(engine.condition(theta, ensemble.target))
    return Replicate(engine, ensemble.scaling, [theta], samples, ensemble.target, conditional)
