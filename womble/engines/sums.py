"""Sums over data of the spectral model's features, by the non-uniform FFT."""

from __future__ import annotations

from collections.abc import Iterator

import finufft
import numpy as np

from womble.arrays import FloatArray
from womble.engines.disc import Disc
from womble.trend import Trend

# Of the sums: they are divided by the noise variance, which may be small.
PRECISION = 1e-13
# Of the sums of noise: what is left of them errs by that share of a posterior sd.
NOISE_PRECISION = 1e-6
# Rows that are added up at a time.
CHUNK = 262_144


def chunks(count: int) -> Iterator[slice]:
    """Slices of `count` rows, CHUNK at a time."""
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def wave_sums(
    disc: Disc, coords: FloatArray, weights: np.ndarray, modes: tuple[int, ...], precision: float
) -> np.ndarray:
    """sum_i weights[v, i] exp(-i w_k . s_i) for |k| <= modes, shape (V, 2 m + 1, ...)."""
    shape = tuple(2 * m + 1 for m in modes)
    plan = finufft.Plan(1, shape, len(weights), precision, -1, nthreads=1)
    plan.setpts(*disc.torus.angles(coords))
    return plan.execute(np.ascontiguousarray(weights, dtype=complex)).reshape(-1, *shape)


def feature_sums(
    disc: Disc, trend: Trend, coords: FloatArray, vectors: FloatArray, precision: float
) -> FloatArray:
    """F'v for real vectors (V, n), shape (V, k + 2 K)."""
    if not len(vectors):
        return np.empty((0, disc.size + trend.jets(coords[:1], 0).shape[-1]))
    # Two real vectors share a complex one: their sums are its parts that are Hermitian and not.
    paired = vectors[0::2].astype(complex)
    paired[: len(vectors) // 2] += 1j * vectors[1::2]
    sums = wave_sums(disc, coords, paired, disc.torus.modes, precision)
    flipped = np.conj(np.flip(sums, axis=tuple(range(1, sums.ndim))))
    waves = np.empty((len(vectors), disc.size))
    waves[0::2] = disc.pack(0.5 * (sums + flipped))
    waves[1::2] = disc.pack(-0.5j * (sums - flipped))[: len(vectors) // 2]
    return np.concatenate([vectors @ trend.jets(coords, 0)[:, 0], waves], axis=1)
