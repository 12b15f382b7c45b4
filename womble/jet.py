"""Jets: a field's value, gradient and Hessian at a point, and the quantities made of them.

A jet is the vector (f; f_1 .. f_d; f_11, f_12, .., f_dd), the Hessian as its row-major upper
triangle. Components trail: every function takes arrays of shape (..., c).
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from scipy.special import expit

from womble.arrays import FloatArray

# Names of the components in the plane, in jet order.
PLANAR = ("value", "dx", "dy", "dxx", "dxy", "dyy")


def components(dimension: int, order: int) -> list[tuple[int, ...]]:
    """Coordinate indices that each component differentiates by: (), (0,), .., (d-1, d-1)."""
    return [
        indices
        for k in range(order + 1)
        for indices in combinations_with_replacement(range(dimension), k)
    ]


def size(dimension: int, order: int) -> int:
    """Number of components of a jet: 1, 1 + d or 1 + d + d (d + 1) / 2."""
    return len(components(dimension, order))


def chain_rule(matrix: FloatArray, order: int) -> FloatArray:
    """What takes the jet of g at matrix @ s to that of f(s) = g(matrix @ s), shape (c, c).

    The gradient of f is M' grad g, its Hessian M' (Hess g) M.
    """
    columns = components(len(matrix), order)
    out = np.zeros((len(columns), len(columns)))
    for row, a in zip(out, columns, strict=True):
        for indices in product(range(len(matrix)), repeat=len(a)):
            entries = [matrix[i, j] for i, j in zip(indices, a, strict=True)]
            row[columns.index(tuple(sorted(indices)))] += np.prod(entries)
    return out


def gradient(jets: FloatArray, dimension: int = 2) -> FloatArray:
    """Gradient, shape (..., d), of jets of order 1 or 2."""
    return jets[..., 1 : 1 + dimension]


def hessian(jets: FloatArray, dimension: int = 2) -> FloatArray:
    """Hessian, shape (..., d, d), of jets of order 2."""
    rows, columns = np.triu_indices(dimension)
    out = np.empty((*jets.shape[:-1], dimension, dimension))
    out[..., rows, columns] = out[..., columns, rows] = jets[..., 1 + dimension :]
    return out


def gradient_magnitude(jets: FloatArray) -> FloatArray:
    """|grad f| in the plane, shape (...)."""
    return np.hypot(jets[..., 1], jets[..., 2])


def gradient_direction(jets: FloatArray) -> FloatArray:
    """Angle of the gradient (uphill), radians counter-clockwise from the x axis, shape (...)."""
    return np.arctan2(jets[..., 2], jets[..., 1])


def laplacian(jets: FloatArray) -> FloatArray:
    """f_xx + f_yy in the plane, shape (...)."""
    return jets[..., 3] + jets[..., 5]


def gaussian_curvature(jets: FloatArray) -> FloatArray:
    """Determinant of the Hessian, f_xx f_yy - f_xy^2, shape (...)."""
    return jets[..., 3] * jets[..., 5] - jets[..., 4] ** 2


def principal_curvatures(jets: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Largest and smallest eigenvalue of the Hessian in the plane, each of shape (...)."""
    middle = 0.5 * (jets[..., 3] + jets[..., 5])
    radius = np.hypot(0.5 * (jets[..., 3] - jets[..., 5]), jets[..., 4])
    return middle + radius, middle - radius


def crest_indicator(jets: FloatArray) -> FloatArray:
    """q = g' H g: half the rate of change of |grad f|^2 per unit of g, shape (...).

    Crests of the slope are where q falls from + to - along the gradient.
    """
    fx, fy, fxx, fxy, fyy = np.moveaxis(jets[..., 1:], -1, 0)
    return fx**2 * fxx + 2 * fx * fy * fxy + fy**2 * fyy


def unlink(jets: FloatArray, link: str, dimension: int = 2) -> FloatArray:
    """Jets of m(f), m the inverse of a link, by the chain rule; shape of `jets`.

    m(f), m'(f) g and m'(f) H + m''(f) g g', with gradient g and Hessian H of f.

    Parameters
    ----------
    link : {"log", "logit"}
        m is the exponential, or 1 / (1 + e^-f).
    """
    f, g = jets[..., :1], gradient(jets, dimension)
    if link == "log":
        value = first = second = np.exp(f)
    else:
        value = expit(f)
        first = value * expit(-f)
        second = first * (1 - 2 * value)
    out = [value, first * g]
    if jets.shape[-1] > 1 + dimension:
        rows, columns = np.triu_indices(dimension)
        outer = g[..., rows] * g[..., columns]
        out.append(first * jets[..., 1 + dimension :] + second * outer)
    return np.concatenate(out, axis=-1)
