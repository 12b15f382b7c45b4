"""A field drawn from its prior: values, derivatives and integrals along lines from one joint law.

Written apart from the package, from one formula. Derivatives along vectors v_1 .. v_m of a function
of the distance, k(h) = g(|h| / l), are sums over the ways to put some of the vectors in pairs,

    sum prod_pairs (v_i . v_j) prod_singles (v_i . h) (D^j g) / l^(2 j),   D = (1/z) d/dz,

j being the number of pairs and singles, and those that fall on the second point change the sign.
"""

from dataclasses import dataclass
from functools import cache
from math import factorial, gamma, inf, pi, sqrt

import numpy as np

NODES, PANEL = 16, 0.5  # Gauss-Legendre nodes on each panel, its length in lengthscales
SINGULAR = 1e-7  # eigenvalues of a correlation matrix that rounding and quadrature leave below 0


@dataclass(frozen=True, eq=False)
class Rows:
    """Linear functionals of a field: row q is the sum of weight x derivative at its nodes.

    Attributes
    ----------
    nodes : array, shape (m, 2)
    vectors : array, shape (m, k, 2)
        The derivative at each node is of order k, along these.
    weights : array, shape (m,)
    row : int array, shape (m,)
        Ascending.
    lengths : array, shape (q,), or None
        Where each row integrates derivatives along the normal of a straight segment: theirs.
    """

    nodes: np.ndarray
    vectors: np.ndarray
    weights: np.ndarray
    row: np.ndarray
    lengths: np.ndarray | None = None

    @property
    def order(self):
        return self.vectors.shape[1]


def derivatives(points, *along):
    """Derivatives at `points` (p, 2) along the same vectors: rows p."""
    vectors = np.broadcast_to(np.reshape(along, (1, -1, 2)), (len(points), len(along), 2))
    return Rows(points, vectors, np.ones(len(points)), np.arange(len(points)))


def jet(points, order):
    """Rows of value, gradient and Hessian at `points` (p, 2), component by component."""
    x, y = np.eye(2)
    along = [(), (x,), (y,), (x, x), (x, y), (y, y)]
    return [derivatives(points, *vectors) for vectors in along if len(vectors) <= order]


def integrals(vertices, order, lengthscale):
    """Integrals of the `order`-th derivative along the normal, to the right, of each piece."""
    steps = np.diff(vertices, axis=0)
    lengths = np.hypot(*steps.T)
    normals = np.column_stack([steps[:, 1], -steps[:, 0]]) / lengths[:, None]
    x, w = np.polynomial.legendre.leggauss(NODES)
    nodes, weights, row = [], [], []
    for i, length in enumerate(lengths):
        panels = int(np.ceil(length / (PANEL * lengthscale)))
        share = ((np.arange(panels)[:, None] + 0.5 * (x + 1)) / panels).ravel()
        nodes.append(vertices[i] + share[:, None] * steps[i])
        weights.append(np.tile(0.5 * w * length / panels, panels))
        row.append(np.full(len(share), i))
    row = np.concatenate(row)
    vectors = np.repeat(normals[row][:, None], order, axis=1)
    return Rows(np.concatenate(nodes), vectors, np.concatenate(weights), row, lengths)


def radial(kernel, z, order):
    """D^order rho(z) at z > 0, of a Matern of half-integer nu or the squared exponential."""
    if kernel.differentiability == inf:
        return (-1) ** order * np.exp(-0.5 * z**2)
    nu = kernel.nu
    x, power = sqrt(2 * nu) * z, nu - order
    # x^p K_p(x) = (pi / 2)^(1/2) x^(p - 1/2) e^-x sum_k (n + k)! / (k! (n - k)!) (2 x)^-k
    n = round(abs(power) - 0.5)
    terms = [factorial(n + k) / (factorial(k) * factorial(n - k)) for k in range(n + 1)]
    series = sum(c * (2 * x) ** -k for k, c in enumerate(terms))
    bessel = sqrt(pi / 2) * x ** (power - 0.5) * np.exp(-x) * series
    return 2 ** (1 - nu) / gamma(nu) * (-2 * nu) ** order * bessel


@cache
def pairings(count):
    """Ways to put some of `count` things in pairs: (pairs, singles) each."""
    if count == 0:
        return [((), ())]
    last, out = count - 1, []
    out = [(pairs, (*singles, last)) for pairs, singles in pairings(last)]
    for pairs, singles in pairings(last):
        out += [((*pairs, (i, last)), tuple(j for j in singles if j != i)) for i in singles]
    return out


def covariance(kernel, amplitude, lengthscale, a, b):
    """Prior covariance of the rows of `a` with those of `b`."""
    h = (a.nodes[:, None] - b.nodes) / lengthscale
    # Where the points are one, singular radial functions meet factors of 0.
    z = np.maximum(np.hypot(h[..., 0], h[..., 1]), 1e-12)
    radials = [radial(kernel, z, j) for j in range(a.order + b.order + 1)]
    vectors = [v[:, None] for v in a.vectors.transpose(1, 0, 2)]
    vectors += [v[None] for v in b.vectors.transpose(1, 0, 2)]
    total = np.zeros_like(z)
    for pairs, singles in pairings(len(vectors)):
        product = radials[len(pairs) + len(singles)]
        for i, j in pairs:
            product = product * np.sum(vectors[i] * vectors[j], axis=-1)
        for i in singles:
            product = product * np.sum(vectors[i] * h, axis=-1)
        total += product
    total *= amplitude**2 * (-1) ** b.order / lengthscale ** len(vectors)
    total *= a.weights[:, None] * b.weights
    for axis, rows in enumerate((a, b)):
        total = np.add.reduceat(total, np.flatnonzero(np.diff(rows.row, prepend=-1)), axis=axis)
    return total


def segment_variances(kernel, amplitude, lengthscale, rows):
    r"""Variance of each integral along a segment of length L: 2 \int_0^L (L - t) c(t) dt.

    The covariance c(t) of the derivatives at distance t along the segment is smooth in t > 0, not
    in the two points: there quadrature by nodes in both is poor.
    """
    x, w = np.polynomial.legendre.leggauss(60)
    t = 0.5 * (x + 1) * rows.lengths[:, None]
    k = radial(kernel, t / lengthscale, rows.order) * {1: -1, 2: 3}[rows.order]
    units = amplitude**2 / lengthscale ** (2 * rows.order)
    return units * np.sum(w * rows.lengths[:, None] * (rows.lengths[:, None] - t) * k, axis=1)


def joint_covariance(kernel, amplitude, lengthscale, blocks):
    """Of all rows of `blocks` in turn."""
    scale = kernel, amplitude, lengthscale
    parts = [[None] * len(blocks) for _ in blocks]
    for i, a in enumerate(blocks):
        for j, b in enumerate(blocks[: i + 1]):
            parts[i][j] = covariance(*scale, a, b)
            parts[j][i] = parts[i][j].T
        if a.lengths is not None:
            np.fill_diagonal(parts[i][i], segment_variances(*scale, a))
    return np.block(parts)


def root(C):
    """A with A A' = C, by eigenvectors of the correlations: smooth fields' are singular."""
    sd = np.sqrt(np.diag(C))
    values, vectors = np.linalg.eigh(C / np.outer(sd, sd))
    assert values[0] > -SINGULAR * values[-1]
    return sd[:, None] * vectors * np.sqrt(np.maximum(values, 0))


def drawn(kernel, amplitude, lengthscale, blocks, rng):
    """A draw of the rows of each block, jointly."""
    A = root(joint_covariance(kernel, amplitude, lengthscale, blocks))
    ends = np.cumsum([block.row[-1] + 1 for block in blocks])
    return np.split(A @ rng.standard_normal(len(A)), ends[:-1])
