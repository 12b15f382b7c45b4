"""What samples of the hyperparameters are worth, and warnings where they are worth little."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import xarray as xr

from womble.arrays import FloatArray
from womble.priors import typical_spacing
from womble.warn import warn

# Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021): mixing and Monte Carlo error.
LARGEST_R_HAT = 1.01
SMALLEST_ESS = 400

# Spacings to a lengthscale, at least: over two of them correlation falls to about 0.6 (Matern 7/2).
SEEN_SPACINGS = 2.0


def as_arviz(posterior: xr.Dataset, sample_stats: xr.Dataset | None) -> object:
    """The container of the installed ArviZ: InferenceData below 1.0, DataTree from then on."""
    groups = {"posterior": posterior}
    if sample_stats is not None:
        groups["sample_stats"] = sample_stats
    # ArviZ 1 answers to the old name too, with a warning: ask for its version.
    if int(version("arviz").split(".")[0]) < 1:
        import arviz

        return arviz.InferenceData(**groups)
    return xr.DataTree.from_dict(groups)


def diagnostics(posterior: xr.Dataset, sample_stats: xr.Dataset | None) -> dict[str, xr.Dataset]:
    """R-hat and effective sample sizes of every hyperparameter, by name of the diagnostic.

    R-hat compares chains: it is NaN where there is only one. After importance sampling there are no
    chains, and both effective sizes are that of the weights.
    """
    import arviz

    if sample_stats is not None and "k_hat" in sample_stats:
        unknown = xr.full_like(posterior.mean(), np.nan)
        ess = xr.full_like(unknown, float(sample_stats["ess"]))
        return {"ess_bulk": ess, "ess_tail": ess, "r_hat": unknown}
    several = posterior.sizes["chain"] > 1
    # Chains that never move have no variance to divide by: their R-hat is infinite, and says so.
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "ess_bulk": arviz.ess(posterior, method="bulk"),
            "ess_tail": arviz.ess(posterior, method="tail"),
            "r_hat": arviz.rhat(posterior) if several else xr.full_like(posterior.mean(), np.nan),
        }


def warn_of_trouble(posterior: xr.Dataset, sample_stats: xr.Dataset) -> None:
    """Warn of divergences, R-hat above 1.01 and effective sizes below 400, with what to do."""
    if "k_hat" in sample_stats:
        ess = float(sample_stats["ess"])
        if ess < SMALLEST_ESS:
            warn(
                f"few effective draws (below {SMALLEST_ESS}: {ess:.0f} of "
                f"{int(sample_stats['points'])} weighted points): quantiles are noisy. Run "
                "more draws (draws=...), or inference='nuts'.",
            )
        return
    divergent = int(sample_stats["diverging"].sum())
    if divergent:
        warn(
            f"{divergent} of {sample_stats['diverging'].size} draws diverged: the posterior has a "
            "corner that NUTS does not reach. Give an informative prior for noise_sd or "
            "lengthscale, or a rougher kernel.",
        )
    several = posterior.sizes["chain"] > 1
    if not several:
        warn(
            "a single chain cannot show whether it has explored the whole posterior (no R-hat). "
            "Run at least chains=2.",
        )
    found = diagnostics(posterior, sample_stats)
    r_hat = {name: float(found["r_hat"][name]) for name in posterior}
    ess = {
        name: float(np.fmin(found["ess_bulk"][name], found["ess_tail"][name])) for name in posterior
    }
    bad = [f"{name} {value:.3f}" for name, value in r_hat.items() if not value <= LARGEST_R_HAT]
    if bad and several:
        warn(
            f"chains disagree (R-hat above {LARGEST_R_HAT}: {', '.join(bad)}). Run more tuning "
            "steps (tune=...), and look for two explanations of the data: a short lengthscale "
            "against noise.",
        )
    few = [f"{name} {value:.0f}" for name, value in ess.items() if not value >= SMALLEST_ESS]
    if few:
        warn(
            f"few effective draws (below {SMALLEST_ESS}: {', '.join(few)}): quantiles are noisy. "
            "Run more draws (draws=...) or chains.",
        )


def warn_of_short_lengthscale(posterior: xr.Dataset, coords: FloatArray) -> None:
    """Warn where sites (n, d) are too far apart for the field's slope between them to be seen.

    Of several lengthscales the longest counts: then all of them are too short.
    """
    lengths = [x for name, x in posterior.items() if str(name).startswith("lengthscale")]
    middle, spacing = max(float(x.median()) for x in lengths), typical_spacing(coords)
    if middle < SEEN_SPACINGS * spacing:
        warn(
            f"the lengthscale (median {middle:.3g}) is below {SEEN_SPACINGS:g} times the distance "
            f"between neighbouring sites (median {spacing:.3g}): gradients and curvature between "
            "the sites are then mostly the prior's. Look at their sds before you read boundaries; "
            "denser sites would help.",
        )
