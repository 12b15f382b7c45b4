"""How well a model foretells observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from scipy.special import ndtr, ndtri
from scipy.stats import kstwo

from womble.arguments import checked
from womble.plot import style

if TYPE_CHECKING:
    from womble.check import Check

# Responses drawn on square roots, from 0 on.
SKEWED = ("poisson", "negative_binomial", "gamma")
ROOT = {"functions": (lambda x: np.sqrt(np.maximum(x, 0)), np.square)}
# Classes of predicted probability, and fewest sites in one.
CLASSES, FEWEST = 10, 10


@checked
def check(result: Check, *, ax: np.ndarray | None = None) -> np.ndarray:
    """Calibration, predicted against observed, and a map of residuals.

    Calibration is the uniformity of the PIT (randomised for counts); of presence and absence, how
    often presence was observed where it had about this probability, with the 95% range of that by
    chance. Residuals are standardised; of responses that are not Gaussian normal scores of the PIT,
    and of presence and absence observed minus probability.

    Parameters
    ----------
    result : Check
        As `Posterior.check` or `Posterior.cross_validate` returns.
    ax : array of three matplotlib Axes, optional

    Returns
    -------
    array of three matplotlib Axes
        The third shows residuals against predictions where there is no map.

    Raises
    ------
    ValueError
        `ax` does not hold three Axes.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(1, 3, figsize=(12.5, 4.0), layout="constrained")[1]
    if np.shape(ax) != (3,):
        raise ValueError(
            f"`ax` must be an array of three Axes, as plt.subplots(1, 3)[1]; got shape "
            f"{np.shape(ax)}."
        )
    if result.likelihood == "bernoulli":
        _reliability(ax[0], result)
        _separation(ax[1], result)
    else:
        _uniformity(ax[0], result)
        _against(ax[1], result)
    _residuals(ax[2], result)
    return ax


def _reliability(ax: Axes, result: Check) -> None:
    """Observed share of presence by predicted probability, in classes of as many sites each."""
    seen = result.observations.sort_values("mean")
    classes = np.array_split(np.arange(len(seen)), min(CLASSES, len(seen) // FEWEST) or 1)
    p, y = seen["mean"].to_numpy(), seen["observed"].to_numpy()
    for members in classes:
        # The normal approximation of the sum of presences with these probabilities.
        expected = p[members].mean()
        half = 1.96 * np.sqrt(np.sum(p[members] * (1 - p[members]))) / len(members)
        ax.plot([expected] * 2, np.clip([expected - half, expected + half], 0, 1), color="0.75")
    shares = [y[members].mean() for members in classes]
    ax.plot([p[members].mean() for members in classes], shares, "o", color=style.NEGATIVE)
    ax.plot([0, 1], [0, 1], color=style.INK, linewidth=0.8)
    ax.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1))
    ax.set_title(f"Calibration, some {len(classes[0])} sites each", loc="left", fontsize="medium")


def _separation(ax: Axes, result: Check) -> None:
    """Predicted probabilities where presence and where absence was observed."""
    seen, edges = result.observations, np.linspace(0, 1, 21)
    for value, name, colour in ((0, "absent", style.NEGATIVE), (1, "present", style.POSITIVE)):
        p = seen.loc[seen["observed"] == value, "mean"]
        ax.hist(p, edges, color=colour, alpha=0.6, label=f"{name} ({len(p)})")
    ax.set(xlabel="predicted probability", ylabel="sites", xlim=(0, 1))
    ax.legend(frameon=False, fontsize="small")
    row = result.table.iloc[0]
    text = f"{result.table.index[0]}: Brier score {row['crps']:.3g}"
    ax.set_title(text, loc="left", fontsize="medium")


def _uniformity(ax: Axes, result: Check) -> None:
    """Difference of the PIT's distribution from the uniform, with the band of independent ones."""
    pit = np.sort(result.observations["pit"].to_numpy())
    n = len(pit)
    steps = np.arange(n + 1) / n
    x = np.repeat(np.concatenate([[0.0], pit, [1.0]]), 2)[1:-1]
    ax.plot(x, np.repeat(steps, 2) - x, color=style.INK, linewidth=1.2)
    # Of the largest difference of n independent uniform numbers.
    reach = kstwo.ppf(0.95, n)
    ax.axhspan(-reach, reach, color=style.NO_DATA, label="95% band if independent")
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.set(xlabel="PIT", ylabel="ECDF of PIT - uniform", xlim=(0, 1))
    ax.legend(frameon=False, fontsize="small", loc="lower left")
    ax.set_title("Calibration", loc="left", fontsize="medium")


def _against(ax: Axes, result: Check) -> None:
    seen = result.observations
    if "q025" in seen:
        ends = seen["q025"], seen["q975"]
    else:
        ends = seen["mean"] - 1.96 * seen["sd"], seen["mean"] + 1.96 * seen["sd"]
    ax.hlines(seen["observed"], *ends, color="0.75", linewidth=0.6)
    if result.likelihood in SKEWED:
        # Square roots of counts vary about as much everywhere (Bartlett 1936).
        ax.set_xscale("function", **ROOT)
        ax.set_yscale("function", **ROOT)
    ax.plot(seen["mean"], seen["observed"], ".", color=style.NEGATIVE, markersize=4)
    low, high = seen[["mean", "observed"]].min().min(), seen[["mean", "observed"]].max().max()
    ax.plot([low, high], [low, high], color=style.INK, linewidth=0.8)
    label = style.in_units(result.units)
    ax.set(xlabel=f"predicted {result.name}{label}", ylabel=f"observed {result.name}{label}")
    row = result.table.iloc[0]
    text = f"{result.table.index[0]}: RMSE {row['rmse']:.3g}, coverage {row['coverage']:.0%}"
    ax.set_title(text, loc="left", fontsize="medium")


def _residuals(ax: Axes, result: Check) -> None:
    seen = result.observations
    z, title, label = _residual(result)
    ax.set_title(title, loc="left", fontsize="medium")
    if "geometry" not in seen:
        ax.plot(seen["mean"], z, ".", color=style.NEGATIVE)
        ax.axhline(0.0, color="0.4", linewidth=0.8)
        ax.set(xlabel=f"predicted {result.name}", ylabel=label)
        return
    style.map_axes(ax, seen.total_bounds, style.map_labels(seen), style.map_units(seen))
    points = ax.scatter(seen.geometry.x, seen.geometry.y, c=z, s=14, **style.colours(z, True))
    ax.figure.colorbar(points, ax=ax, label=label)


def _residual(result: Check) -> tuple[np.ndarray, str, str]:
    """What stands for residuals, the panel's title and what a unit is."""
    seen = result.observations
    residual = (seen["observed"] - seen["mean"]).to_numpy()
    if result.likelihood == "gaussian" and "censored" not in seen:
        return residual / seen["sd"].to_numpy(), "Standardised residuals", "residual / sd"
    if result.likelihood == "bernoulli":
        return residual, "Residuals", "observed - probability"
    # Dunn and Smyth (1996): quantile residuals. Five sds are as far as colours need to tell.
    pit = np.clip(seen["pit"], *ndtr([-5.0, 5.0]))
    return ndtri(pit), "Quantile residuals", "normal score of PIT"
