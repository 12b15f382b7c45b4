"""Linear functionals of a field: derivatives, line integrals, block averages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, csr_array, eye_array, kron

from womble import jet
from womble.arrays import FloatArray


class Entries(NamedTuple):
    """The weights of a Functional that are not 0, node by node.

    Attributes
    ----------
    start : int array, shape (m + 1,)
        Node i has entries start[i] to start[i + 1].
    row, component : int array, shape (e,)
        The row of each, and its place in `Functional.components`.
    weight : array, shape (e,)
    """

    start: npt.NDArray[np.intp]
    row: npt.NDArray[np.intp]
    component: npt.NDArray[np.intp]
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class Panels:
    """Straight pieces over which rows of a Functional integrate a derivative along a direction.

    The covariance of what is integrated has a cusp where two points of one panel meet, which no
    quadrature in both points resolves well; knowing the panels, `covariance` integrates it exactly.

    Attributes
    ----------
    row : int array, shape (m,)
        The row that each panel is part of.
    order : int array, shape (m,)
        1 integrates grad f . n, 2 integrates n' Hess f n, n a unit vector.
    length : array, shape (m,)
        In coordinate units.
    weight : array, shape (m,)
        What the integral is multiplied by.
    nodes : int
        Gauss-Legendre nodes on each; of no account for whole segments.
    tangent : array, shape (m, 2), optional
        Unit vectors along the pieces; needed by `mapped` alone.
    along : array, shape (m,), optional
        Cosine of the angle between n and the piece; None where n is its normal.
    """

    row: npt.NDArray[np.intp]
    order: npt.NDArray[np.intp]
    length: FloatArray
    weight: FloatArray
    nodes: int
    tangent: FloatArray | None = None
    along: FloatArray | None = None

    def mapped(self, matrix: FloatArray) -> Panels:
        """The same pieces for g with f(s) = g(matrix @ s), where n is the normal of each.

        grad f . n = grad g . M n and dl = dl' / |M t|, with M n no longer orthogonal to M t.
        """
        tx, ty = self.tangent.T
        tangent, normal = self.tangent @ matrix.T, np.column_stack([ty, -tx]) @ matrix.T
        stretch, size = np.linalg.norm(tangent, axis=1), np.linalg.norm(normal, axis=1)
        return replace(
            self,
            length=self.length * stretch,
            weight=self.weight * size**self.order / stretch,
            tangent=None,
            along=np.sum(tangent * normal, axis=1) / (stretch * size),
        )

    def rescaled(self, length: float, units: FloatArray) -> Panels:
        """The same pieces for a field of coordinates divided by `length`.

        Parameters
        ----------
        units : array, shape (order,)
            What a derivative of each order along a unit vector is multiplied by.
        """
        weight = self.weight * length * units[self.order - 1]
        return replace(self, length=self.length / length, weight=weight)


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
    segments : Panels, optional
        Where each row integrates over one straight segment: those segments, a row each.
    """

    nodes: FloatArray
    weights: csr_array
    order: int
    panels: Panels | None = None
    segments: Panels | None = None

    @property
    def size(self) -> int:
        """Number of rows q."""
        return self.weights.shape[0]

    @cached_property
    def components(self) -> list[tuple[int, ...]]:
        """The components of the jet that have any weight."""
        every = jet.components(self.nodes.shape[1], self.order)
        return [every[i] for i in np.unique(self.weights.indices % len(every))]

    @cached_property
    def entries(self) -> Entries:
        """The weights node by node."""
        every = jet.components(self.nodes.shape[1], self.order)
        columns = csc_array(self.weights)
        column = np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
        place = np.array([self.components.index(a) if a in self.components else -1 for a in every])
        return Entries(
            columns.indptr[:: len(every)].astype(np.intp),
            columns.indices.astype(np.intp),
            place[column % len(every)],
            columns.data,
        )

    @cached_property
    def value_weights(self) -> FloatArray:
        """Sum of the weights of values in each row, shape (q,)."""
        c = self.weights.shape[1] // len(self.nodes)
        return np.asarray(csc_array(self.weights)[:, ::c].sum(axis=1)).ravel()

    def apply(self, jets: FloatArray) -> FloatArray:
        """The rows for given jets at the nodes, shape (m, c) -> (q,) or (m, c, k) -> (q, k)."""
        return self.weights @ jets.reshape(self.weights.shape[1], *jets.shape[2:])

    def mapped(self, matrix: FloatArray) -> Functional:
        """The same rows for g, where f(s) = g(matrix @ s), shape (d, d)."""
        chain = jet.chain_rule(matrix, self.order)
        weights = self.weights @ kron(eye_array(len(self.nodes)), chain, format="csr")
        panels, segments = (
            None if pieces is None else pieces.mapped(matrix)
            for pieces in (self.panels, self.segments)
        )
        nodes = self.nodes @ matrix.T
        return Functional(nodes, csr_array(weights), self.order, panels, segments)

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
        first = [jet.size(self.nodes.shape[1], order) for order in range(self.order)]
        panels, segments = (
            None if pieces is None else pieces.rescaled(length, units[first])
            for pieces in (self.panels, self.segments)
        )
        nodes = (self.nodes - origin) / length
        return Functional(nodes, csr_array(weights), self.order, panels, segments)
