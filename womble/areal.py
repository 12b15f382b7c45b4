r"""Integrals and averages of a field over polygons, as Functionals: block (areal) kriging.

A polygon is cut exactly into triangles that are small against the lengthscale, with Radon's rule on
each. Where its outline has so many vertices that this takes more nodes than the field needs, the
weights are gathered onto a product grid in square cells: a node's weight goes to the cell's nodes
by the Lagrange polynomials, which integrates the field's interpolant over the polygon.

References
----------
Journel and Huijbregts (1978), sec. V.A: block kriging. Radon (1948), Monatshefte fuer Mathematik
52, 286-300: seven nodes on a triangle, exact to degree 5.
"""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import numpy.typing as npt
import shapely
from scipy.sparse import csr_array

from womble import mixture
from womble.arrays import FloatArray
from womble.engines.base import Conditional
from womble.engines.ensemble import Ensemble
from womble.functional import Functional

# Longest edge of a triangle and side of a cell, in lengthscales, and nodes along that side. Halving
# them changes averages by less than 1e-4 of their sd at nu = 3/2 and 1e-5 beyond (tested).
EDGE = 0.5
CELL = 0.5
CELL_NODES = 6
# The lengthscale that is resolved: shorter ones are few, and have a wider posterior besides.
SHORT = 0.05
# Nodes of polygons that are treated together.
TOGETHER = 512
QUANTILES = {"q025": 0.025, "q50": 0.5, "q975": 0.975}


def areal_functionals(
    polygons: npt.NDArray[np.object_], resolution: float, *, average: bool
) -> list[Functional]:
    """Integrals or averages over each polygon, in chunks that cover all in order.

    Parameters
    ----------
    polygons : array of Polygon and MultiPolygon, shape (q,)
        Valid, with area; holes are respected.
    resolution : float
        Short lengthscale of the field, in coordinate units: sets the triangles.
    average : bool
        Divide by the area.
    """
    chunks: list[list[tuple[FloatArray, FloatArray]]] = []
    room = 0
    for polygon in polygons:
        rule = quadrature(polygon, resolution)
        nodes, weights = rule
        if average:
            rule = nodes, weights / weights.sum()
        if len(nodes) > room:
            chunks.append([])
            room = TOGETHER
        chunks[-1].append(rule)
        room -= len(nodes)
    return [_functional(chunk) for chunk in chunks]


def _functional(rules: list[tuple[FloatArray, FloatArray]]) -> Functional:
    nodes, weights = (np.concatenate(part) for part in zip(*rules, strict=True))
    start = np.cumsum([0, *(len(w) for _, w in rules)])
    return Functional(nodes, csr_array((weights, np.arange(len(weights)), start)), 0)


def together(functionals: list[Functional]) -> Functional:
    """All rows as one Functional, for their joint law."""
    return _functional(
        [
            (f.nodes[start:stop], f.weights.data[start:stop])
            for f in functionals
            for start, stop in pairwise(f.weights.indptr)
        ]
    )


def areal_laws(
    ensemble: Ensemble, functionals: list[Functional], progress: bool
) -> tuple[FloatArray, FloatArray]:
    """Means and sds of the rows by posterior draw, shape (S, q) each."""

    def one(f: Conditional) -> tuple[FloatArray, FloatArray]:
        means, variances = zip(*(f.marginal(rows) for rows in functionals), strict=True)
        return np.concatenate(means), _sds(np.concatenate(variances))

    means, sds = zip(*ensemble.laws(one, "polygons", progress), strict=True)
    return np.stack(means), np.stack(sds)


def joint_areal_laws(
    ensemble: Ensemble, functional: Functional, rng: np.random.Generator, progress: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """As `areal_laws`, and the covariance (q, q) of the rows over all draws."""
    accumulator, means, sds = mixture.MomentAccumulator(), [], []
    laws = ensemble.map(lambda f, _: f.joint(functional), rng, "polygons", progress)
    for mean, covariance in laws:
        accumulator.add(mean, covariance)
        means.append(mean)
        sds.append(_sds(np.diag(covariance)))
    return np.stack(means), np.stack(sds), accumulator.result()[1]


def _sds(variances: FloatArray) -> FloatArray:
    # A variance that is 0 but for rounding, as of a field known exactly.
    return np.sqrt(np.maximum(variances, 0.0))


def summaries(means: FloatArray, sds: FloatArray) -> dict[str, FloatArray]:
    """Columns mean, sd, q025, q50 and q975 of mixtures over draws, means and sds (S, q)."""
    mean, sd = mixture.moments(means, sds)
    quantiles = mixture.quantiles(means, sds, list(QUANTILES.values()))
    return {"mean": mean, "sd": sd} | dict(zip(QUANTILES, quantiles, strict=True))


def short_lengthscale(ensemble: Ensemble) -> float:
    """The lengthscale below which 5% of the draws are, in coordinate units."""
    lengthscales = [theta.shortest for theta in ensemble.thetas]
    return float(np.quantile(lengthscales, SHORT)) * ensemble.scaling.length


def quadrature(polygon: shapely.Geometry, resolution: float) -> tuple[FloatArray, FloatArray]:
    """Nodes (m, 2) and weights (m,) of the integral over a polygon; exact to degree 5.

    Weights of triangles are positive and their nodes inside; of cells neither need be so.

    Raises
    ------
    ValueError
        If the triangles do not fill the polygon, as where it is too thin for double precision.
    """
    # About its own corner: a few metres in the millions would lose half of the digits.
    corner = np.array(polygon.bounds[:2])
    local = shapely.transform(polygon, lambda points: points - corner)
    triangles = _triangles(local)
    area = _areas(triangles).sum()
    if not np.isclose(area, local.area, rtol=1e-9, atol=0):
        raise ValueError(
            f"the triangles of a polygon must fill it; they have area {area:.10g} of "
            f"{local.area:.10g}. Clean it with shapely.make_valid or shapely.set_precision."
        )
    triangles = _bisected(triangles, EDGE * resolution)
    shares, weights = radon_rule()
    nodes = (shares @ triangles).reshape(-1, 2)
    weights = np.outer(_areas(triangles), weights).ravel()
    extent = shapely.total_bounds(local)[2:].max()
    cells = np.ceil(extent / (CELL * resolution))  # along the longer side of its box
    gathered = _gathered(nodes, weights, extent / cells)
    if len(gathered[0]) < len(nodes):
        nodes, weights = gathered
    return nodes + corner, weights


def _triangles(polygon: shapely.Geometry) -> FloatArray:
    """Triangles of a polygon with holes, corners shape (t, 3, 2)."""
    parts = shapely.get_parts(shapely.constrained_delaunay_triangles(polygon))
    return shapely.get_coordinates(parts).reshape(-1, 4, 2)[:, :3]


def _areas(triangles: FloatArray) -> FloatArray:
    (ax, ay), (bx, by) = (np.moveaxis(triangles[:, i] - triangles[:, 0], -1, 0) for i in (1, 2))
    return 0.5 * np.abs(ax * by - ay * bx)


def _bisected(triangles: FloatArray, longest: float) -> FloatArray:
    """Triangles halved across their longest edge until none is longer than `longest`.

    Rivara (1984): angles stay above half the smallest one at the start.
    """
    done = []
    while len(triangles):
        edges = np.linalg.norm(np.roll(triangles, -1, axis=1) - triangles, axis=2)
        short = edges.max(axis=1) <= longest
        done.append(triangles[short])
        triangles, first = triangles[~short], edges[~short].argmax(axis=1)
        a, b, c = (triangles[np.arange(len(first)), (first + i) % 3] for i in range(3))
        middle = 0.5 * (a + b)
        halves = np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)
        triangles = np.concatenate(halves)
    return np.concatenate(done)


def radon_rule() -> tuple[FloatArray, FloatArray]:
    r"""Barycentric coordinates (7, 3) and weights (7,), which add up to 1; exact to degree 5.

    The centroid with weight 9/40, and the permutations of (a, a, 1 - 2 a),
    :math:`a = (6 \pm \sqrt{15}) / 21`, with weights :math:`(155 \pm \sqrt{15}) / 1200`.
    """
    root = np.sqrt(15)
    shares, weights = [(1 / 3, 1 / 3, 1 / 3)], [9 / 40]
    for sign in (-1, 1):
        a = (6 + sign * root) / 21
        shares += sorted(set(permutations((a, a, 1 - 2 * a))))
        weights += [(155 + sign * root) / 1200] * 3
    return np.array(shares), np.array(weights)


def _gathered(nodes: FloatArray, weights: FloatArray, side: float) -> tuple[FloatArray, FloatArray]:
    """The same rule for polynomials of degree CELL_NODES - 1 in x and y on each square cell."""
    place = nodes / side
    cells, index = np.unique(np.floor(place), axis=0, return_inverse=True)
    index = index.ravel()
    if len(cells) * CELL_NODES**2 >= len(nodes):
        return nodes, weights
    x, _ = np.polynomial.legendre.leggauss(CELL_NODES)
    local = 2 * (place - cells[index]) - 1
    along, up = (_lagrange(x, t) for t in local.T)
    out = np.zeros((len(cells), CELL_NODES, CELL_NODES))
    np.add.at(out, index, weights[:, None, None] * along[:, :, None] * up[:, None, :])
    offsets = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    return ((cells[:, None] + 0.5 * (offsets + 1)) * side).reshape(-1, 2), out.ravel()


def _lagrange(x: FloatArray, t: FloatArray) -> FloatArray:
    """The Lagrange polynomials of nodes `x` (k,) at `t` (m,), shape (m, k)."""
    k = len(x)
    others = np.array([np.delete(x, j) for j in range(k)])  # (k, k - 1)
    return np.prod((t[:, None, None] - others) / (x[:, None] - others), axis=-1)
