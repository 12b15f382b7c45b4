"""A likelihood for more data than any factor can hold: independent blocks of a part of them.

The plane is cut into 32 blocks of equally many data, or fewer of 150 to 300. Of larger ones 200 are
kept: half of them spread at random over the block, for what is as wide as it, half of them the
nearest neighbours of a site, for what is as narrow as the data's spacing, the noise above all.
Blocks are taken as independent, and so each has a trend of its own; the sum of their log
likelihoods is a composite likelihood. As it uses 6,400 data, its posterior is as wide as theirs.
Many small blocks see more than few large ones that take as long: with a wave of amplitude 0.2 and a
tenth of the domain long beside one of amplitude 1, noise sd 0.3, 8 blocks of 300 of a million data
had the mode of the lengthscale at 0.18 to 0.26 of the side, these at 0.056, and all others tried
with 16 blocks and more at 0.044 to 0.069.

References
----------
Varin, Reid and Firth (2011), An overview of composite likelihood methods; Stein, Chi and Welty
(2004) on mixing near and far neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from womble.arrays import FloatArray
from womble.engines.base import parameters
from womble.engines.dense import DenseEngine
from womble.engines.observations import CovariateTerms
from womble.hyperparameters import Theta
from womble.kernels import Kernel
from womble.trend import Trend

HALVINGS = 5
# A likelihood of 32 such blocks takes 15 ms on an idle core.
SIZE = 200
# Likelihoods that are kept.
MOST_KNOWN = 500
# Blocks that need not be cut or thinned.
LARGEST = 300


@dataclass(frozen=True)
class Blocks:
    """The sum of log likelihoods of separate parts of the data.

    Parameters
    ----------
    engines : tuple of DenseEngine
    """

    engines: tuple[DenseEngine, ...]

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to other processes: not what they can work out."""
        return parameters(self)

    def log_likelihood(self, theta: Theta) -> tuple[float, FloatArray]:
        """Sum of the log likelihoods and their gradient; -inf if one is."""
        known = self._known.get(theta)
        if known is None:
            values, gradients = zip(
                *(engine.log_likelihood(theta) for engine in self.engines), strict=True
            )
            known = float(np.sum(values)), np.sum(gradients, axis=0)
            if len(self._known) < MOST_KNOWN:
                self._known[theta] = known
        return known[0], known[1].copy()

    @cached_property
    def _known(self) -> dict[Theta, tuple[float, FloatArray]]:
        """The first likelihoods: modes are looked for twice from the same places.

        That is to make the band, and to draw hyperparameters.
        """
        return {}

    def log_likelihood_value(self, theta: Theta) -> float:
        """The value alone."""
        return float(sum(engine.log_likelihood_value(theta) for engine in self.engines))


def independent_blocks(
    kernel: Kernel,
    trend: Trend,
    coords: FloatArray,
    values: FloatArray,
    covariates: CovariateTerms | None = None,
    weights: FloatArray | None = None,
) -> Blocks:
    """Blocks of the data, always the same for the same data.

    Parameters
    ----------
    coords, values : array, shape (n, d) and (n,)
        Scaled.
    covariates : CovariateTerms, optional
    weights : array, shape (n,), optional
        Number of measurements behind each value.
    """
    rng = np.random.default_rng(0)

    def engine(i: np.ndarray) -> DenseEngine:
        terms = None if covariates is None else covariates.at(i)
        m = None if weights is None else weights[i]
        return DenseEngine(kernel, trend, coords[i], values[i], covariates=terms, weights=m)

    parts = _halved(coords, np.arange(len(coords)))
    return Blocks(tuple(engine(_kept(coords[part], rng, part)) for part in parts))


def _halved(coords: FloatArray, rows: np.ndarray, times: int = HALVINGS) -> list[np.ndarray]:
    """Rows in at most 2^times boxes of equally many data, cut across their longer side."""
    if times == 0 or len(rows) <= LARGEST:
        return [rows]
    here = coords[rows]
    along = here[:, np.argmax(np.ptp(here, axis=0))]
    order = np.argpartition(along, len(rows) // 2)
    halves = np.split(rows[order], [len(rows) // 2])
    return [part for half in halves for part in _halved(coords, half, times - 1)]


def _kept(coords: FloatArray, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """Those of `rows`, at `coords`, that stand for a block."""
    if len(rows) <= LARGEST:
        return rows
    centre = coords[rng.integers(len(rows))]
    near = np.argpartition(np.sum((coords - centre) ** 2, axis=1), SIZE // 2)
    spread = rng.choice(near[SIZE // 2 :], SIZE - SIZE // 2, replace=False)
    return rows[np.concatenate([near[: SIZE // 2], spread])]
