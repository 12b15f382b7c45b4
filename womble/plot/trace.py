"""Draws of the hyperparameters: have they explored the posterior?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from scipy.stats import rankdata

from womble.arguments import checked
from womble.plot import style

if TYPE_CHECKING:
    from womble.posterior import Posterior

# Bins of ranks: with 1,000 draws a chain, some 50 draws a bin.
BINS = 20
# Points of a trace that can be told apart on a page.
SHOWN = 500


@checked
def trace(posterior: Posterior, *, ax: np.ndarray | None = None) -> np.ndarray:
    """How the hyperparameters were sampled, a row of two panels each.

    Of NUTS: the trace of every chain, and the ranks of its draws among those of all chains, which
    are uniform where chains agree. Of importance sampling: the histogram of the draws, and the
    weight of every point relative to the mean, which is even where the proposal was good.

    Parameters
    ----------
    posterior : Posterior
    ax : array of matplotlib Axes, shape (k, 2), optional
        A row for each of the k hyperparameters.

    Returns
    -------
    array of matplotlib Axes, shape (k, 2)

    Raises
    ------
    ValueError
        The hyperparameters were given or are the mode, or `ax` has another shape.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Bayesian Analysis 16, on rank plots.
    """
    import matplotlib.pyplot as plt

    if posterior.sample_stats is None:
        raise ValueError(
            "a trace needs a sample of the hyperparameters, which this posterior has not "
            f"({posterior.inference}). Use fit() with inference='nuts' or 'importance'."
        )
    names, units = posterior.layout.names, posterior.summary()["units"]
    if ax is None:
        size = (6.4, 1.8 * len(names) + 0.4)
        ax = plt.subplots(len(names), 2, figsize=size, layout="constrained", squeeze=False)[1]
    if np.shape(ax) != (len(names), 2):
        raise ValueError(
            f"`ax` must be an array of Axes of shape ({len(names)}, 2), a row for each of "
            f"{', '.join(names)}; got shape {np.shape(ax)}."
        )
    weighted = "log_weight" in posterior.sample_stats
    for (left, right), name in zip(ax, names, strict=True):
        label = name.replace("_", " ") + style.in_units(units[name])
        if weighted:
            _histogram(left, posterior.draws[name], label)
            _weights(right, posterior.draws[name], posterior.sample_stats, label)
        else:
            _chains(left, posterior.draws[name], label)
            _ranks(right, posterior.draws[name], label)
    return ax


def _chains(ax: Axes, draws: xr.DataArray, label: str) -> None:
    every = max(1, draws.sizes["draw"] // SHOWN)
    for chain, colour in zip(draws.to_numpy(), _colours(draws), strict=True):
        ax.plot(np.arange(len(chain))[::every], chain[::every], color=colour, linewidth=0.6)
    ax.set(xlabel="draw", ylabel=style.wrapped(label), xlim=(0, draws.sizes["draw"] - 1))


def _ranks(ax: Axes, draws: xr.DataArray, label: str) -> None:
    """Share of each chain's draws by rank among all, over what is expected."""
    x = draws.to_numpy()
    ranks = (rankdata(x).reshape(x.shape) - 0.5) / x.size
    edges = np.linspace(0.0, 1.0, BINS + 1)
    for chain, colour in zip(ranks, _colours(draws), strict=True):
        counts = np.histogram(chain, edges)[0]
        ax.stairs(counts * BINS / len(chain), edges, color=colour, linewidth=1.1)
    ax.axhline(1.0, color="0.4", linewidth=0.8)
    ax.set(xlabel=f"rank of {label.split(' (')[0]}", ylabel="share / expected", xlim=(0, 1))
    ax.set_ylim(bottom=0)


def _histogram(ax: Axes, draws: xr.DataArray, label: str) -> None:
    ax.hist(draws.to_numpy().ravel(), bins=30, color=style.NEGATIVE, alpha=0.7)
    ax.set(xlabel=style.wrapped(label), ylabel="draws")


def _weights(ax: Axes, draws: xr.DataArray, stats: xr.Dataset, label: str) -> None:
    _, first = np.unique(stats["point"].to_numpy().ravel(), return_index=True)
    log_weight = stats["log_weight"].to_numpy().ravel()[first]
    relative = np.exp(log_weight) * float(stats["points"])
    ax.plot(draws.to_numpy().ravel()[first], relative, ".", color=style.INK, markersize=2.5)
    ax.axhline(1.0, color="0.4", linewidth=0.8)
    ax.set(xlabel=style.wrapped(label), ylabel="weight / mean")
    ax.set_ylim(bottom=0)


def _colours(draws: xr.DataArray) -> np.ndarray:
    """A colour a chain, of cividis without its palest end."""
    from matplotlib import colormaps

    return colormaps["cividis"](np.linspace(0.0, 0.85, draws.sizes["chain"]))
