"""The posterior density of the hyperparameters, on coordinates without bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from womble.arrays import BoolArray, FloatArray
from womble.engines.base import Engine
from womble.hyperparameters import Layout, Theta
from womble.laplace import NormalApproximation, curvature
from womble.laws import Law

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

# A PyTensor function keeps its inputs and outputs: threads take turns.
_TURN = Lock()


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
    """Priors in closed form: what PyTensor takes 0.4 ms for.

    Parameters
    ----------
    laws : mapping of str to Law
        By name, in order; at least one.
    """

    laws: Mapping[str, Law]

    @property
    def start(self) -> FloatArray:
        """Each law's own."""
        return np.array([law.start for law in self.laws.values()])

    def at(self, q: FloatArray) -> PriorAt:
        """See `Prior.at`."""
        laws = self.laws.values()
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
        with _TURN:
            value, gradient, theta, slope = self._function(q)
        return PriorAt(float(value), gradient, theta, slope)


@dataclass(frozen=True, eq=False)
class Mixed:
    """Some hyperparameters in closed form, the others by PyMC; independent of one another.

    Parameters
    ----------
    closed : ClosedForm
    compiled : Compiled
    users : bool array, shape (k,)
        Which of them are the second's.
    """

    closed: ClosedForm
    compiled: Compiled
    users: BoolArray

    @property
    def start(self) -> FloatArray:
        """Each one's own."""
        return self._merged(self.closed.start, self.compiled.start)

    def at(self, q: FloatArray) -> PriorAt:
        """See `Prior.at`."""
        ours, theirs = self.closed.at(q[~self.users]), self.compiled.at(q[self.users])
        pairs = zip(ours[1:], theirs[1:], strict=True)
        return PriorAt(ours.value + theirs.value, *(self._merged(*pair) for pair in pairs))

    def _merged(self, ours: FloatArray, theirs: FloatArray) -> FloatArray:
        out = np.empty(len(self.users))
        out[~self.users], out[self.users] = ours, theirs
        return out


def joint_prior(
    laws: Mapping[str, Law], users: Mapping[str, TensorVariable], names: Sequence[str]
) -> Prior:
    """The prior of all hyperparameters, in the order of `names`.

    Parameters
    ----------
    laws, users : mapping
        By name; together they have each name once.
    """
    closed = ClosedForm({name: laws[name] for name in names if name in laws})
    compiled = Compiled({name: users[name] for name in names if name in users})
    if not users:
        return closed
    return Mixed(closed, compiled, np.isin(names, [*users])) if laws else compiled


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
        theta = self._scaled(prior)
        if theta is None:
            return -np.inf, np.zeros(len(q))
        value, gradient = self.engine.log_likelihood(theta)
        return prior.value + value, prior.gradient + gradient * prior.slope / self.units

    def value(self, q: FloatArray) -> float:
        """The density at `q` (k,) without its gradient, which takes most of the time."""
        prior = self.prior.at(q)
        theta = self._scaled(prior)
        if theta is None:
            return -np.inf
        return prior.value + self.engine.log_likelihood_value(theta)

    @cached_property
    def broad(self) -> NormalApproximation:
        """The normal with the prior's curvature at its start: what is known without data."""

        def prior(q: FloatArray) -> tuple[float, FloatArray]:
            return self.prior.at(q)[:2]

        return NormalApproximation(self.prior.start, curvature(prior, self.prior.start), 0.0)

    def _scaled(self, prior: PriorAt) -> Theta | None:
        """Scaled hyperparameters, or None out of range."""
        scaled = prior.theta / self.units
        return self.layout.theta(scaled) if self.layout.in_range(scaled) else None

    def theta(self, q: FloatArray) -> FloatArray:
        """Hyperparameters in user units at points `q` (..., k)."""
        flat = [self.prior.at(point).theta for point in q.reshape(-1, q.shape[-1])]
        return np.array(flat).reshape(q.shape)
