"""The spectral job at scale: fit, 200 paths with full jets on a grid, boundaries with probability.

time python tests/benchmarks/million.py 1000000

Synthetic: a wave as wide as the domain, one of a tenth of it, a planted step, four holes in the
sampling. Prints seconds of wall and CPU (all threads), peak memory, and errors against the truth.
"""

import argparse
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time

START = perf_counter(), process_time()

import numpy as np  # noqa: E402
import shapely  # noqa: E402
from scipy.spatial import cKDTree  # noqa: E402

import womble as wb  # noqa: E402
from womble import jet  # noqa: E402
from womble.field import FunctionField  # noqa: E402
from womble.kinds import Gradient  # noqa: E402
from womble.vertices import candidate_vertices  # noqa: E402

NOISE_SD = 0.3
NAMES = ("f", "f_x", "f_y", "f_xx", "f_xy", "f_yy")
# Amplitude, and cycles over the unit square along x and y.
WAVES = ((1.0, 1.0, 0.5), (0.2, 7.0, -7.0))
HEIGHT, STEEPNESS = 1.2, 40.0  # 0.6 tanh(40 u), u the distance from the line
NORMAL = np.array([0.96, -0.28])
HOLES = np.array([[0.2, 0.2, 0.08], [0.8, 0.25, 0.06], [0.25, 0.8, 0.1], [0.75, 0.75, 0.05]])


def truth(points: np.ndarray) -> np.ndarray:
    """Exact jets (p, 6) at points (p, 2)."""
    out = np.zeros((len(points), 6))

    def add(w: np.ndarray, f: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> None:
        out[:, 0] += f
        out[:, 1:3] += slope[:, None] * w
        out[:, 3:] += bend[:, None] * np.array([w[0] ** 2, w[0] * w[1], w[1] ** 2])

    for amplitude, *cycles in WAVES:
        w = 2 * np.pi * np.array(cycles)
        sine, cosine = np.sin(points @ w), np.cos(points @ w)
        add(w, amplitude * sine, amplitude * cosine, -amplitude * sine)
    step = np.tanh(STEEPNESS * ((points - 0.5) @ NORMAL))
    slope = 0.5 * HEIGHT * STEEPNESS * (1 - step**2)
    add(NORMAL, 0.5 * HEIGHT * step, slope, -2 * STEEPNESS * step * slope)
    return out


def sample(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sites outside of the holes, and noisy values there."""
    coords = rng.uniform(size=(int(1.1 * n) + 100, 2))
    for *centre, radius in HOLES:
        coords = coords[np.linalg.norm(coords - centre, axis=1) > radius]
    coords = coords[:n]
    return coords, truth(coords)[:, 0] + NOISE_SD * rng.standard_normal(n)


STAGES: list[tuple[str, float, float]] = []


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time what is within."""
    start = perf_counter(), process_time()
    yield
    STAGES.append((name, perf_counter() - start[0], process_time() - start[1]))
    print(f"{name}: {STAGES[-1][1]:.1f} s wall, {STAGES[-1][2]:.1f} s CPU", flush=True)


def regions(points: np.ndarray) -> dict[str, np.ndarray]:
    """Where the cells are: near the step, in a hole, elsewhere."""
    step = np.abs((points - 0.5) @ NORMAL) < 0.1
    hole = np.zeros(len(points), dtype=bool)
    for *centre, radius in HOLES:
        hole |= np.linalg.norm(points - centre, axis=1) < radius
    edge = (points < 0.02).any(axis=1) | (points > 0.98).any(axis=1)
    rest = ~(step | hole | edge)
    return {"by the step": step & ~hole & ~edge, "in holes": hole & ~step, "elsewhere": rest}


def report_jets(jets: np.ndarray, points: np.ndarray) -> None:
    """Root mean square errors of the paths' mean, and what 95% intervals hold."""
    exact = truth(points)
    mean, sd = np.empty_like(exact), np.empty_like(exact)
    for tile in np.array_split(np.arange(len(points)), 50):
        mean[tile], sd[tile] = jets[:, tile].mean(axis=0), jets[:, tile].std(axis=0, ddof=1)
    error = mean - exact
    print("root mean square:      " + "".join(f"{name:>10}" for name in NAMES))
    rms = np.sqrt((exact**2).mean(axis=0))
    print("  the truth            " + "".join(f"{x:10.3g}" for x in rms))
    for name, where in regions(points).items():
        rms = np.sqrt((error[where] ** 2).mean(axis=0))
        held = (np.abs(error[where]) <= 1.96 * sd[where]).mean(axis=0)
        print(f"  error {name:<15}" + "".join(f"{x:10.3g}" for x in rms))
        print(f"  covered {name:<13}" + "".join(f"{x:10.3f}" for x in held))


def true_crests(grid: wb.Grid) -> np.ndarray:
    """Points (v, 2) where the true slope is highest along its own direction."""
    field = FunctionField(lambda points, order: truth(points)[:, : jet.size(2, order)], grid, 2)
    return candidate_vertices(field, Gradient()).points


def report_lines(lines: object, raster: object, grid: wb.Grid) -> None:
    """Distance of all lines from crests of the true slope, and what became of the planted step."""
    crests = true_crests(grid)
    by_step = crests[np.abs((crests - 0.5) @ NORMAL) < 0.02]  # the waves bend it by 0.01
    found = shapely.get_coordinates(lines.geometry.array)
    distance = cKDTree(crests).query(found)[0]
    print(
        f"{len(lines)} boundaries of length {lines.length.sum():.2f} in all, on average "
        f"{distance.mean():.4f} from a crest of the truth; 95% of it within "
        f"{np.quantile(distance, 0.95):.4f}"
    )
    missed = cKDTree(found).query(by_step)[0]
    near = np.abs((found - 0.5) @ NORMAL) < 0.02
    distance = cKDTree(by_step).query(found[near])[0]
    print(
        f"of the step's crest {(missed < 0.01).mean():.1%} have a boundary within 0.01; these are "
        f"on average {distance.mean():.4f} from it"
    )
    column, row = np.rint(grid.cell_positions(by_step)[::-1]).astype(int)
    around = [
        raster.to_numpy()[
            np.clip(row + i, 0, len(grid.y) - 1), np.clip(column + j, 0, len(grid.x) - 1)
        ]
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    ]
    print(
        f"P(boundary) in the likeliest of the nine cells there: {np.max(around, axis=0).mean():.2f}"
    )


def main(n: int, side: int, samples: int, inference: str) -> None:
    coords, values = sample(n, np.random.default_rng(0))
    with stage("fit"):
        post = wb.FieldModel().fit(
            (coords, values), engine="spectral", inference=inference, rng=1, progress=False
        )
    print(post.engine, post.inference, sep="\n")
    print(post.summary()[["mean", "sd"]].round(4))
    grid = wb.Grid.from_data(coords, spacing=1 / side, mask=None, bounds=(0, 0, 1, 1))
    points = grid.every_point.reshape(-1, 2)
    with stage(f"{samples} paths"):
        paths = post.paths(samples=samples, rng=2, progress=False)
    with stage(f"their jets on {len(grid.y)} x {len(grid.x)}"):
        jets = paths.jets(points)
    report_jets(jets, points)
    del jets, paths
    with stage("boundaries"):
        lines = post.boundaries(grid, samples=samples, rng=3, progress=False)
    with stage("probability raster"):
        raster = post.boundary_probability(grid, samples=samples, rng=3, progress=False)
    report_lines(lines, raster, grid)
    wall, cpu = (sum(column) for column in zip(*[row[1:] for row in STAGES], strict=True))
    print(f"n = {n:,}: {wall:.0f} s wall, {cpu:.0f} s CPU in stages")
    print(f"with imports and reports: {perf_counter() - START[0]:.0f} s wall, ", end="")
    print(f"{process_time() - START[1]:.0f} s CPU; ", end="")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int)
    parser.add_argument("--side", type=int, default=500)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--inference", default="importance")
    given = parser.parse_args()
    main(given.n, given.side, given.samples, given.inference)
