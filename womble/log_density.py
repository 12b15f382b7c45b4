"""The posterior density of the hyperparameters, on coordinates without bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from womble.arrays import FloatArray
from womble.engines.base import Engine
from womble.hyperparameters import Layout
from womble.priors import DefaultPriors

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable


class PriorAt(NamedTuple):
    """A prior at a point q of R^k: what a density with a change of variables needs.

    Attributes
    ----------
    value : float
        Log density of q, the Jacobian of theta(q) included.
    gradient : array, shape (k,)
    theta : array, shape (k,)
        Hyperparameters in user units.
    slope : array, shape (k,)
        d theta_i / d q_i; theta_i depends on q_i alone.
    """

    value: float
    gradient: FloatArray
    theta: FloatArray
    slope: FloatArray


class Prior(Protocol):
    """Prior of the hyperparameters on coordinates without bounds."""

    @property
    def start(self) -> FloatArray:
        """A point in the prior's bulk, shape (k,)."""
        ...

    def at(self, q: FloatArray) -> PriorAt:
        """The prior at `q`, shape (k,)."""
        ...


@dataclass(frozen=True)
class ClosedForm:
    """The default priors in closed form: what PyTensor takes 0.4 ms for."""

    priors: DefaultPriors

    @property
    def start(self) -> FloatArray:
        """Each law's own."""
        return np.array([law.start for law in self.priors.laws.values()])

    def at(self, q: FloatArray) -> PriorAt:
        """See `Prior.at`."""
        laws = self.priors.laws.values()
        found = [law.at(x) for law, x in zip(laws, q.tolist(), strict=True)]
        values, *others = zip(*found, strict=True)
        return PriorAt(sum(values), *map(np.array, others))


@dataclass(frozen=True)
class Compiled:
    """Any PyMC distributions, with PyMC's own transforms to coordinates without bounds.

    Parameters
    ----------
    priors : mapping of str to PyMC distributions
        By name, in order.
    """

    priors: Mapping[str, TensorVariable]

    @cached_property
    def _model(self):
        import pymc as pm

        with pm.Model(model=None) as model:  # not part of a model that is open
            for name, prior in self.priors.items():
                model.register_rv(prior, name)
        return model

    @cached_property
    def start(self) -> FloatArray:
        """PyMC's initial point."""
        values = self._model.initial_point()
        return np.array([float(values[v.name]) for v in self._model.value_vars])

    @cached_property
    def _function(self):
        import pytensor
        import pytensor.tensor as pt
        from pytensor.compile.mode import Mode
        from pytensor.graph.replace import graph_replace

        model, q = self._model, pt.dvector("q")
        theta = model.replace_rvs_by_values([model[name] for name in self.priors])
        replaced = {v: q[i] for i, v in enumerate(model.value_vars)}
        logp, *theta = graph_replace([model.logp(), *theta], replaced, strict=False)
        theta = pt.stack(theta)
        outputs = [logp, pytensor.grad(logp, q), theta, pytensor.grad(theta.sum(), q)]
        # Two dozen scalars: rewriting them helps, compiling does not.
        return pytensor.function([q], outputs, mode=Mode(linker="py", optimizer="fast_run"))

    def at(self, q: FloatArray) -> PriorAt:
        """See `Prior.at`."""
        value, gradient, theta, slope = self._function(q)
        return PriorAt(float(value), gradient, theta, slope)


@dataclass(frozen=True)
class HyperparameterDensity:
    """log p(q | y) but for a constant, and its gradient.

    Parameters
    ----------
    engine : Engine
    prior : Prior
    layout : Layout
    units : array, shape (k,)
        Factors from scaled hyperparameters to user units.
    """

    engine: Engine
    prior: Prior
    layout: Layout
    units: FloatArray

    def __call__(self, q: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at `q` (k,); -inf, which NUTS counts as a divergence, out of range."""
        prior = self.prior.at(q)
        scaled = prior.theta / self.units
        if not self.layout.in_range(scaled):
            return -np.inf, np.zeros(len(q))
        value, gradient = self.engine.log_likelihood(self.layout.theta(scaled))
        return prior.value + value, prior.gradient + gradient * prior.slope / self.units

    def theta(self, q: FloatArray) -> FloatArray:
        """Hyperparameters in user units at points `q` (..., k)."""
        flat = [self.prior.at(point).theta for point in q.reshape(-1, q.shape[-1])]
        return np.array(flat).reshape(q.shape)
