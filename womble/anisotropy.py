r"""Geometric anisotropy: a linear map of the plane in front of an isotropic field.

Two numbers a = (a_1, a_2) = log(ratio) (cos 2 angle, sin 2 angle), with ratio = longest / shortest
lengthscale and the angle of the longest, make

.. math:: A = \begin{pmatrix} a_1 & a_2 \\ a_2 & -a_1 \end{pmatrix}, \qquad
          M = e^{-A / 2}, \qquad \rho(|M h| / \ell),

so that distances are divided by the square root of the ratio along the angle and multiplied by it
across. det M = 1: :math:`\ell` is the geometric mean of the two lengthscales, and isotropy is the
interior point (0, 0).

References
----------
Chiles and Delfiner (2012), Geostatistics, sec. 2.5.2.
"""

from __future__ import annotations

import numpy as np

from womble.arrays import FloatArray

# Below this sinh(r) / r and its derivative are taken from series, exact to 1e-15 there.
SMALL = 0.1


def pair_of(ratio: float, angle: float) -> tuple[float, float]:
    """The pair (a_1, a_2) of a ratio, at least 1, and an angle in degrees."""
    turn = 2 * np.deg2rad(angle)
    return float(np.log(ratio) * np.cos(turn)), float(np.log(ratio) * np.sin(turn))


def ratio_and_angle(pairs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Longest over shortest lengthscale, and the angle of the longest in degrees in (-90, 90].

    Parameters
    ----------
    pairs : array, shape (..., 2)

    Returns
    -------
    ratio, angle : array, shape (...)
        The angle is counter-clockwise from the x axis.
    """
    a, b = np.moveaxis(np.asarray(pairs, dtype=float), -1, 0)
    return np.exp(np.hypot(a, b)), 0.5 * np.rad2deg(np.arctan2(b, a))


def coordinate_map(pair: tuple[float, float]) -> FloatArray:
    """M, shape (2, 2), symmetric and positive, with determinant 1."""
    return _exponential((0.5 * pair[0], 0.5 * pair[1]))


def squared_map_derivatives(pair: tuple[float, float]) -> FloatArray:
    r"""Derivatives of M^2 = e^-A by a_1 and a_2, shape (2, 2, 2), the first axis by which.

    With r = |a|, :math:`e^{-A} = \cosh r \, I - s A`, s = sinh(r) / r, and s' = r t.
    """
    s, t = _sinh_ratio(float(np.hypot(*pair)))
    A, basis = _traceless(pair), (_traceless((1.0, 0.0)), _traceless((0.0, 1.0)))
    return np.stack(
        [s * a * np.eye(2) - t * a * A - s * E for a, E in zip(pair, basis, strict=True)]
    )


def _exponential(pair: tuple[float, float]) -> FloatArray:
    """e^-A, shape (2, 2)."""
    r = float(np.hypot(*pair))
    return np.cosh(r) * np.eye(2) - _sinh_ratio(r)[0] * _traceless(pair)


def _traceless(pair: tuple[float, float]) -> FloatArray:
    """A, shape (2, 2)."""
    return np.array([[pair[0], pair[1]], [pair[1], -pair[0]]])


def _sinh_ratio(r: float) -> tuple[float, float]:
    """s = sinh(r) / r, and (ds / dr) / r."""
    if r < SMALL:
        x = r * r
        s = 1 + x / 6 * (1 + x / 20 * (1 + x / 42 * (1 + x / 72)))
        return s, 1 / 3 + x / 30 + x**2 / 840 + x**3 / 45360
    s = np.sinh(r) / r
    return s, (np.cosh(r) - s) / r**2
