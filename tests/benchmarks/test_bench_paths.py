"""What paths cost on a grid, beside summing the bare kernel over the data."""

import resource
import sys
from functools import partial
from time import perf_counter

import numpy as np
import pytest
from timing import best_of

from womble import FieldModel, Matern
from womble.covariance import Scale, cross_covariance, kernel_sums
from womble.engines.ensemble import WORKERS

pytestmark = pytest.mark.benchmark

SAMPLES, SIDE, N = 500, 100, 500


def peak_memory():
    """Peak resident memory of this process so far, in MB (Linux counts in kB, macOS in bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def bare_sums(kernel, scale, points, coords, weights, order):
    """Six components of sum_i weights[i] k(., s_i), in tiles of the points: one path's update."""
    tiles = np.array_split(points, 20)
    return np.concatenate(
        [cross_covariance(kernel, scale, s, coords, order) @ weights for s in tiles]
    )


@pytest.mark.parametrize("noise_sd", [0.3, 0.003], ids=["band", "kernel sum"])
def test_paths_on_a_grid(noise_sd, record):
    """500 paths, six components, 10,000 points, n = 500."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(size=(N, 2))
    values = np.sin(6 * coords[:, 0]) + coords[:, 1] + noise_sd * rng.standard_normal(N)
    kernel = Matern(nu=3.5)
    post = FieldModel(kernel=kernel).condition(
        (coords, values), lengthscale=0.3, amplitude=1.0, noise_sd=noise_sd
    )
    x, y = np.meshgrid(*2 * [(np.arange(SIDE) + 0.5) / SIDE])
    points = np.column_stack([x.ravel(), y.ravel()])
    post.paths(samples=2, rng=1, progress=False).jets(points[:10])  # compile

    start, before = perf_counter(), peak_memory()
    drawn = post.paths(samples=SAMPLES, rng=1, progress=False)
    drawing = perf_counter() - start
    held = peak_memory() - before
    start = perf_counter()
    jets = drawn.jets(points)
    evaluating = perf_counter() - start
    beyond = peak_memory() - before - held - jets.nbytes / 2**20

    weights, alone = rng.standard_normal(N), []
    for update in (bare_sums, kernel_sums):
        one = partial(update, kernel, Scale(1.0, 0.3), points, coords, weights, 2)
        alone.append(1e9 * best_of(one, 3) / len(points))
    in_band = drawn.paths[0].scaled.components[0].kernel_weights is None
    print(
        f"\nnoise_sd {noise_sd}, update in the {'band' if in_band else 'kernel sum'}: "
        f"{SAMPLES} paths drawn in {drawing:.1f} s ({held:.0f} MB), {jets.size:,} numbers in "
        f"{evaluating:.1f} s on {WORKERS} cores: {1e9 * evaluating / (SAMPLES * len(points)):.0f} "
        f"ns a path and point; the result "
        f"{jets.nbytes / 2**20:.0f} MB, {beyond:.0f} MB beyond it at the peak\n"
        f"  one update alone, on one core: cross_covariance @ v {alone[0]:.0f} ns a point, "
        f"kernel_sums {alone[1]:.0f}"
    )
    what = f"jets of a path at a point, n = {N}, noise sd {noise_sd}"
    each = evaluating / (SAMPLES * len(points))
    record(what, each, "compiled sum over the data, one core", 1e-9 * alone[1])
    assert np.isfinite(jets).all()
