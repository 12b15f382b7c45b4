"""Linear functionals of a field: derivatives, line integrals, block averages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array

from womble import jet
from womble.arrays import FloatArray

# Weights of up to this many entries are full arrays: their products cost far less to set up.
FULL_ENTRIES = 1_000_000


@dataclass(frozen=True, eq=False)
class Panels:
    """Straight pieces over which rows of a Functional integrate a derivative along the normal.

    The covariance of what is integrated has a cusp where two points of one panel meet, which no
    quadrature in both points resolves well; knowing the panels, `covariance` integrates it exactly.

    Attributes
    ----------
    row : int array, shape (m,)
        The row that each panel is part of.
    order : int array, shape (m,)
        1 integrates grad f . n, 2 integrates n' Hess f n.
    length : array, shape (m,)
        In coordinate units.
    weight : array, shape (m,)
        What the integral is multiplied by.
    nodes : int
        Gauss-Legendre nodes on each.
    """

    row: npt.NDArray[np.intp]
    order: npt.NDArray[np.intp]
    length: FloatArray
    weight: FloatArray
    nodes: int


@dataclass(frozen=True, eq=False)
class Functional:
    """Rows of weighted sums of jets: row q is sum_i weights[q, i] . J f(nodes[i]).

    Parameters
    ----------
    nodes : array, shape (m, d)
        Where the jets are taken, in coordinate units.
    weights : csr_array, shape (q, m * c)
        Column i * c + a weighs component a of the jet at node i.
    order : int
        Order of the jets, which fixes c.
    panels : Panels, optional
        The straight pieces that the weights integrate over, where they do.
    """

    nodes: FloatArray
    weights: csr_array
    order: int
    panels: Panels | None = None

    @property
    def size(self) -> int:
        """Number of rows q."""
        return self.weights.shape[0]

    @cached_property
    def by_component(self) -> dict[tuple[int, ...], csr_array | FloatArray]:
        """The weights of each component that has any, shape (q, m) each; full arrays if small."""
        columns = jet.components(self.nodes.shape[1], self.order)
        split = csc_array(self.weights)
        parts = {a: csr_array(split[:, i :: len(columns)]) for i, a in enumerate(columns)}
        full = self.size * len(self.nodes) <= FULL_ENTRIES
        return {a: w.toarray() if full else w for a, w in parts.items() if w.nnz}

    def apply(self, jets: FloatArray) -> FloatArray:
        """The rows for given jets at the nodes, shape (m, c) -> (q,) or (m, c, k) -> (q, k)."""
        return self.weights @ jets.reshape(self.weights.shape[1], *jets.shape[2:])

    def rescaled(self, origin: FloatArray, length: float, units: FloatArray) -> Functional:
        """The same rows for a field g of scaled coordinates.

        f(s) = g((s - origin) / length) up to units: J f(s) = units * J g((s - origin) / length).

        Parameters
        ----------
        units : array, shape (c,)
            What each component of g's jet is multiplied by to become f's.
        """
        weights = self.weights @ csr_array(
            (np.tile(units, len(self.nodes)), (np.arange(self.weights.shape[1]),) * 2)
        )
        panels = self.panels
        if panels is not None:
            # A derivative along a unit vector has the units of the first component of its order.
            first = [jet.size(self.nodes.shape[1], order) for order in range(self.order)]
            factor = length * units[first][panels.order - 1]
            panels = replace(panels, length=panels.length / length, weight=panels.weight * factor)
        return Functional((self.nodes - origin) / length, csr_array(weights), self.order, panels)
