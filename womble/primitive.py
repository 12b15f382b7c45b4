r"""Derivatives and antiderivatives of a field on a line, and their covariances.

The antiderivative of order n from the origin o is any antiderivative :math:`g^{(-n)}` of f less its
Taylor polynomial about o,

.. math:: f^{(-n)}(x) = g^{(-n)}(x) - \sum_{j < n} \frac{(x - o)^j}{j!} g^{(j - n)}(o).

Let :math:`k^{(m)}` be the m-th derivative of the covariance k(h), and for m < 0 its (-m)-fold
antiderivative from 0. Integrating k(s - t) from o in s, in t or in both takes off the same terms in
each argument: covariances are those that follow from

.. math:: Cov(g^{(a)}(s), g^{(b)}(t)) = (-1)^b k^{(a + b)}(s - t),

which for derivatives is the covariance of jets.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np

from womble.arrays import FloatArray
from womble.covariance import Scales, partials, parts
from womble.kernels import Kernel
from womble.scaling import Scaling
from womble.trend import Trend


@dataclass(frozen=True, eq=False)
class OnLine:
    """Derivatives and antiderivatives of a field at points of a line: a row a point and order.

    Attributes
    ----------
    points : array, shape (p,)
        In coordinate units.
    orders : tuple of int, length c
        Of each derivative, -2 to 2: -1 is the integral from the origin, -2 the integral of that.
    origin : float
        Where antiderivatives are 0.
    """

    points: FloatArray
    orders: tuple[int, ...]
    origin: float

    def cross_covariance(
        self, kernel: Kernel, scale: Scales, t: FloatArray, order: int = 0
    ) -> FloatArray:
        """Prior covariance of the rows with a derivative at `t` (n, 1), shape (p * c, n)."""
        across = self._covariances(kernel, scale, self.points[:, None], t[:, 0], (order,))
        return across.transpose(2, 0, 1, 3).reshape(-1, len(t))

    def covariance(self, kernel: Kernel, scale: Scales) -> FloatArray:
        """Prior covariance of the rows, shape (p * c, p * c)."""
        s, size = self.points[:, None], len(self.points) * len(self.orders)
        V = self._covariances(kernel, scale, s, self.points, self.orders)
        V = V.transpose(2, 0, 3, 1).reshape(size, size)
        return 0.5 * (V + V.T)

    def variances(self, kernel: Kernel, scale: Scales) -> FloatArray:
        """Prior variance of each row, shape (p * c,)."""
        of_order = [
            OnLine(self.points, (a,), self.origin)._covariances(
                kernel, scale, self.points, self.points, (a,)
            )[0, 0]
            for a in self.orders
        ]
        return np.stack(of_order, axis=1).ravel()

    def _covariances(
        self, kernel: Kernel, scale: Scales, s: FloatArray, t: FloatArray, others: tuple[int, ...]
    ) -> FloatArray:
        """Cov(f^(a)(s), f^(b)(t)), a in `orders`, b in `others`; s and t broadcast: (c, o, ...)."""

        @cache
        def k(at_s: bool, at_t: bool, order: int) -> FloatArray:
            h = (s if at_s else self.origin) - (t if at_t else self.origin)
            return primitive_covariance(kernel, scale, np.asarray(h), order)

        def with_other(at_s: bool, a: int, b: int) -> FloatArray:
            """Cov(g^(a)(s), f^(b)(t)), or with the origin in place of s."""
            terms = self._terms(t, b)
            return sum(v * (-1.0) ** order * k(at_s, at_t, a + order) for at_t, v, order in terms)

        out = np.empty((len(self.orders), len(others), *np.broadcast_shapes(s.shape, t.shape)))
        for i, a in enumerate(self.orders):
            for j, b in enumerate(others):
                # Terms of s outermost: where s is the origin they cancel to an exact 0.
                out[i, j] = sum(
                    u * with_other(at_s, order, b) for at_s, u, order in self._terms(s, a)
                )
        return out

    def _terms(self, points: FloatArray, order: int) -> list[tuple[bool, FloatArray | float, int]]:
        """f^(order) by g: whether at the points or at the origin, factor and order of each term."""
        x = points - self.origin
        taken_off = [(False, -(x**j) / factorial(j), order + j) for j in range(-order)]
        return [(True, 1.0, order), *taken_off]

    def basis(self, trend: Trend) -> FloatArray:
        """The rows for each of the trend's basis functions in place of f, shape (p * c, k)."""
        of_order = [trend.on_line(self.points, order, self.origin) for order in self.orders]
        rows = np.stack(of_order, axis=1)
        return rows.reshape(len(self.points) * len(self.orders), rows.shape[-1])

    @property
    def of_one(self) -> FloatArray:
        """The rows for f = 1: 0 for derivatives, (x - origin)^n / n! for order -n; (p * c,)."""
        return self.basis(Trend("constant"))[:, 0]

    def rescaled(self, scaling: Scaling) -> OnLine:
        """The same rows for a field of scaled coordinates."""
        origin = scaling.coords_in(np.array([self.origin]))[0]
        points = scaling.coords_in(self.points[:, None])[:, 0]
        return OnLine(points, self.orders, float(origin))

    def units(self, scaling: Scaling) -> FloatArray:
        """What the rows of the scaled field are multiplied by, shape (p * c,)."""
        by_order = scaling.scale / scaling.length ** np.array(self.orders, dtype=float)
        return np.tile(by_order, len(self.points))


def primitive_covariance(kernel: Kernel, scale: Scales, h: FloatArray, order: int) -> FloatArray:
    """Derivative of the covariance k(h) on a line by h; for order < 0 antiderivative from 0.

    Parameters
    ----------
    h : array
        Differences s - t, in coordinate units.
    order : int
        -4 to 4.

    Returns
    -------
    array, shape of `h`
        In response units squared per coordinate unit to the order. Odd in h for odd orders.

    Raises
    ------
    ValueError
        If `order` is negative and the kernel has no closed form for it.
    """
    if order >= 0:
        return partials(kernel, scale, h[None], ((0,) * order,))[0]
    of_distance = sum(
        one.amplitude**2
        * one.lengthscale**-order
        * component.primitive(np.abs(h) / one.lengthscale, -order)
        for component, one in parts(kernel, scale)
    )
    return np.sign(h) * of_distance if order % 2 else of_distance
