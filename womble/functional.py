"""Linear functionals of a field: derivatives, line integrals, block averages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csc_array, csr_array

from womble import jet
from womble.arrays import FloatArray


# Weights of up to this many entries are kept as full arrays, whose products cost far less to set up.
FULL_ENTRIES = 1_000_000


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
    """

    nodes: FloatArray
    weights: csr_array
    order: int

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
        return Functional((self.nodes - origin) / length, csr_array(weights), self.order)
