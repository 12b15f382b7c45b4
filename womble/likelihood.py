"""The marginal likelihood as a PyTensor operation with its analytic gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from womble.engines.base import Engine, Theta

# Scaled hyperparameters beyond these are no model of anything, and their powers overflow. Leapfrog
# steps that overshoot before the step size has adapted get there.
SMALLEST, LARGEST = 1e-50, 1e50


class LogLikelihood(Op):
    """An engine's log-likelihood and gradient, computed together once per leapfrog step.

    Takes the vector of `Theta` in scaled units; returns the log-likelihood and, as a second
    output that only `pullback` reads, its gradient. Equal to another only if it is the same
    object, as PyTensor merges equal operations and engines hold different data.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def make_node(self, theta: Variable) -> Apply:
        """One node: vector in, scalar and vector out."""
        return Apply(self, [pt.as_tensor_variable(theta)], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: list[np.ndarray], outputs: list[list[Any]]) -> None:
        """Evaluate both outputs; -inf, which NUTS counts as a divergence, out of range."""
        theta = Theta(*map(float, inputs[0]))
        value, gradient = -np.inf, np.zeros(len(theta))
        if all(SMALLEST < number < LARGEST for number in theta):
            value, gradient = self.engine.log_likelihood(theta)
        outputs[0][0] = np.asarray(value)
        outputs[1][0] = gradient

    def pullback(
        self, inputs: list[Variable], outputs: list[Variable], cotangents: list[Variable]
    ) -> list[Variable]:
        """The gradient times the first output's cotangent; the second is never differentiated."""
        return [cotangents[0] * outputs[1]]

    # PyTensor 2 asks for the same thing under its older name.
    L_op = pullback
