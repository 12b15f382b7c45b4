"""Sums over data of the spectral model's features, by the non-uniform FFT."""

from __future__ import annotations

from collections.abc import Iterator

import finufft
import numpy as np

from womble.arrays import FloatArray
from womble.engines.disc import Disc

# Of the sums: they are divided by the noise variance, which may be small.
PRECISION = 1e-13
# Of the sums of noise: what is left of them errs by that share of a posterior sd.
NOISE_PRECISION = 1e-6
# Rows that are added up at a time.
CHUNK = 262_144
# Of the grid of the NUFFT over the band. Fixed, as the library would choose it by the number of
# rows: a sum is then the same to rounding however the rows are divided.
UPSAMPLING = 2.0


def chunks(count: int) -> Iterator[slice]:
    """Slices of `count` rows, CHUNK at a time."""
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def wave_sums(
    disc: Disc, coords: FloatArray, weights: np.ndarray, modes: tuple[int, ...], precision: float
) -> np.ndarray:
    """sum_i weights[v, i] exp(-i w_k . s_i) for |k| <= modes, shape (V, 2 m + 1, ...)."""
    plan = _plan(disc, coords, len(weights), modes, precision)
    return _sums(plan, weights, modes)


def _plan(
    disc: Disc, coords: FloatArray, count: int, modes: tuple[int, ...], precision: float
) -> finufft.Plan:
    shape = tuple(2 * m + 1 for m in modes)
    plan = finufft.Plan(1, shape, count, precision, -1, nthreads=1, upsampfac=UPSAMPLING)
    plan.setpts(*disc.torus.angles(coords))
    return plan


def _sums(plan: finufft.Plan, weights: np.ndarray, modes: tuple[int, ...]) -> np.ndarray:
    found = plan.execute(np.ascontiguousarray(weights, dtype=complex))
    return found.reshape(-1, *(2 * m + 1 for m in modes))


class FeatureSums:
    """F'v for real vectors v over the same rows, which are sorted once.

    Parameters
    ----------
    disc : Disc
    basis : array, shape (n, k)
        The features of trend and covariates.
    coords : array, shape (n, d)
    together : int
        Number of vectors at a time.
    precision : float
    """

    def __init__(
        self, disc: Disc, basis: FloatArray, coords: FloatArray, together: int, precision: float
    ) -> None:
        self.disc, self.basis, self.together = disc, basis, together
        self._plan = _plan(disc, coords, (together + 1) // 2, disc.torus.modes, precision)

    def of(self, vectors: FloatArray) -> FloatArray:
        """F'v of vectors (V, n), V at most `together`; shape (V, k + 2 K)."""
        # Two real vectors share a complex one: their sums are its parts that are Hermitian and not.
        count, disc = len(vectors), self.disc
        paired = np.zeros(((self.together + 1) // 2, vectors.shape[1]), dtype=complex)
        paired.real[: (count + 1) // 2] = vectors[0::2]
        paired.imag[: count // 2] = vectors[1::2]
        sums = _sums(self._plan, paired, disc.torus.modes)[: (count + 1) // 2]
        flipped = np.conj(np.flip(sums, axis=tuple(range(1, sums.ndim))))
        waves = np.empty((count, disc.size))
        waves[0::2] = disc.pack(0.5 * (sums + flipped))
        waves[1::2] = disc.pack(-0.5j * (sums - flipped))[: count // 2]
        return np.concatenate([vectors @ self.basis, waves], axis=1)


def feature_sums(
    disc: Disc, basis: FloatArray, coords: FloatArray, vectors: FloatArray, precision: float
) -> FloatArray:
    """F'v of vectors (V, n), shape (V, k + 2 K); see `FeatureSums`."""
    if not len(vectors):
        return np.empty((0, basis.shape[1] + disc.size))
    return FeatureSums(disc, basis, coords, len(vectors), precision).of(vectors)
