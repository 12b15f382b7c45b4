"""A log density with its analytic gradient as a PyTensor operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op

from womble.arrays import FloatArray

# States of a NUTS trajectory at the greatest depth, 10: the next one starts at one of them.
REMEMBERED = 1024


class LogDensity(Op):
    """A vector's log density and gradient, computed together once per leapfrog step.

    The second output, the gradient, is only read by `pullback`. Recent answers are kept: every
    trajectory asks for its starting point again. Equal to another only if it is the same object,
    as PyTensor merges equal operations and densities hold different data.

    Parameters
    ----------
    density : function
        From an array (k,) to a number and an array (k,).
    """

    def __init__(self, density: Callable[[FloatArray], tuple[float, FloatArray]]) -> None:
        self.density = density
        self._recent: dict[bytes, tuple[float, FloatArray]] = {}

    def make_node(self, vector: Variable) -> Apply:
        """One node: vector in, scalar and vector out."""
        return Apply(self, [pt.as_tensor_variable(vector)], [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: list[np.ndarray], outputs: list[list[Any]]) -> None:
        """Evaluate both outputs."""
        key = inputs[0].tobytes()
        answer = self._recent.get(key)
        if answer is None:
            if len(self._recent) >= REMEMBERED:
                self._recent.clear()
            answer = self._recent[key] = self.density(inputs[0])
        outputs[0][0], outputs[1][0] = np.asarray(answer[0]), answer[1].copy()

    def pullback(
        self, inputs: list[Variable], outputs: list[Variable], cotangents: list[Variable]
    ) -> list[Variable]:
        """The gradient times the first output's cotangent; the second is never differentiated."""
        return [cotangents[0] * outputs[1]]

    # PyTensor 2 asks for the same thing under its older name.
    L_op = pullback
