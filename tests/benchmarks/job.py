"""The whole job from a cold start: fit, 30 x 30 surface of 1,000 draws, one 50-segment curve.

time python tests/benchmarks/job.py 100
time python tests/benchmarks/job.py 100 importance
"""

import sys
from time import perf_counter, process_time

START = perf_counter()

import numpy as np  # noqa: E402
import shapely  # noqa: E402

import womble as wb  # noqa: E402


def elapsed(start: tuple[float, float]) -> tuple[float, float]:
    """Seconds on the clock and of CPU since `start`."""
    return perf_counter() - start[0], process_time() - start[1]


def main(n: int, inference: str) -> None:
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(n, 2))
    a = 3 * np.pi
    values = 10 * (np.sin(a * coords[:, 0]) + np.cos(a * coords[:, 1])) + rng.standard_normal(n)
    model = wb.FieldModel(kernel=wb.Matern(nu=2.5))
    fitted = model.fit((coords, values), inference=inference, rng=1, progress=False)
    stages = {"import, compile and fit": (perf_counter() - START, process_time())}
    grid = wb.Grid.from_data(coords, spacing=1 / 30, mask=None, bounds=(0, 0, 1, 1))
    start = perf_counter(), process_time()
    fitted.surface(grid, samples=1000, rng=2, progress=False)
    stages[f"surface {grid.shape[0]} x {grid.shape[1]}"] = elapsed(start)
    angle = np.linspace(0, 2 * np.pi, 51)
    circle = shapely.LineString(0.5 + 0.3 * np.column_stack([np.cos(angle), np.sin(angle)]))
    start = perf_counter(), process_time()
    segments = fitted.womble(circle, samples=1000, rng=3, progress=False)
    stages[f"{len(segments)} segments"] = elapsed(start)
    stages["whole job"] = perf_counter() - START, process_time()
    for stage, (seconds, cpu) in stages.items():
        print(f"n = {n}: {stage}: {seconds:.1f} s ({cpu:.1f} s of CPU, chains in processes apart)")
    print(fitted.inference)
    print(fitted.summary()[["mean", "sd", "ess_bulk", "r_hat"]].round(3))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "nuts")
