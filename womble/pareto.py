"""Pareto-smoothed importance weights, by whichever ArviZ is installed."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from womble.arrays import FloatArray

# Above this the largest weights have no reliable mean (Vehtari et al. 2024, sec. 3.2.4).
LARGEST_K_HAT = 0.7

# Weights that leave this share of the draws effective have moved nothing, whatever the shape of
# their tail: a k-hat of numbers that hardly differ is noise.
EVEN = 0.9


def smoothed_weights(log_ratios: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights that sum to 1, their largest ones replaced by a generalised Pareto's quantiles.

    Parameters
    ----------
    log_ratios : array, shape (..., s)
        Log of the target over the proposal, but for a constant along the last axis; -inf where the
        target has no mass.

    Returns
    -------
    weights : array, shape (..., s)
    k_hat : array, shape (...)
        Shape of the Pareto distribution; infinite where there are too few different weights for
        one.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), Pareto smoothed importance sampling.
    """
    # The quantiles of a tail whose shape is in the hundreds overflow; the weights are cut at 1.
    with np.errstate(over="ignore"):
        if int(version("arviz").split(".")[0]) < 1:
            from arviz import psislw

            log_weights, k_hat = psislw(log_ratios)
        else:
            from arviz_stats.base import array_stats

            # What it smooths is minus its argument, a log-likelihood.
            log_weights, k_hat = array_stats.psislw(-log_ratios)
    weights = np.exp(log_weights)
    return weights / weights.sum(axis=-1, keepdims=True), k_hat


def effective_size(weights: FloatArray) -> FloatArray:
    """1 / sum w^2 along the last axis, for weights that sum to 1.

    References
    ----------
    Kong, Liu and Wong (1994), JASA 89, 278-288.
    """
    return 1.0 / np.sum(weights**2, axis=-1)


def unreliable(k_hat: FloatArray, weights: FloatArray) -> np.ndarray:
    """Whether weights (..., s) with these k-hats (...) cannot be relied on: k-hat and uneven."""
    uneven = effective_size(weights) < EVEN * weights.shape[-1]
    return (k_hat > LARGEST_K_HAT) & uneven
