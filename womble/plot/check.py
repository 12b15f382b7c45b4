"""How well a model foretells observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import kstwo

from womble.plot import style

if TYPE_CHECKING:
    from womble.check import Check


def check(result: Check, *, ax: np.ndarray | None = None) -> np.ndarray:
    """Uniformity of the PIT, predicted against observed, and a map of standardised residuals.

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
    _uniformity(ax[0], result)
    _against(ax[1], result)
    _residuals(ax[2], result)
    return ax


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
    half = 1.96 * seen["sd"]
    ax.errorbar(
        seen["mean"], seen["observed"], xerr=half, fmt="none", ecolor="0.75", elinewidth=0.6
    )
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
    z = ((seen["observed"] - seen["mean"]) / seen["sd"]).to_numpy()
    ax.set_title("Standardised residuals", loc="left", fontsize="medium")
    if "geometry" not in seen:
        ax.plot(seen["mean"], z, ".", color=style.NEGATIVE)
        ax.axhline(0.0, color="0.4", linewidth=0.8)
        ax.set(xlabel=f"predicted {result.name}", ylabel="residual / sd")
        return
    style.map_axes(ax, seen.total_bounds, style.map_labels(seen), style.map_units(seen))
    points = ax.scatter(seen.geometry.x, seen.geometry.y, c=z, s=14, **style.colours(z, True))
    ax.figure.colorbar(points, ax=ax, label="residual / sd")
