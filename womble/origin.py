"""Where the hyperparameters of a fit come from: priors and seed, kept with the draws.

They are attributes of each hyperparameter's draws, `prior` and `seed`, so that files hold them and
reports can state them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from womble.hyperparameters import Layout
from womble.laws import Law
from womble.priors import DefaultPriors, stated_priors
from womble.spatial_data import SpatialData

if TYPE_CHECKING:
    from pytensor.tensor import TensorVariable

    from womble.priors import Priors

# Of a user's prior, which may be of any form: quantiles to about two digits.
PRIOR_DRAWS = 2000
WORDS = {"InverseGamma": "inverse gamma", "HalfNormal": "half normal"}


def with_origin(
    draws: xr.Dataset,
    layout: Layout,
    data: SpatialData,
    priors: Priors,
    rng: int | np.random.Generator | None,
) -> xr.Dataset:
    """Draws whose hyperparameters carry their prior in words, and the seed where it is a number.

    Parameters
    ----------
    draws : xarray.Dataset
        Hyperparameters and whatever else a draw holds.
    priors : mapping of str to PyMC distributions, PenalisedComplexity or str, optional
        As `FieldModel` takes them.
    rng : int, Generator or None
        As `FieldModel.fit` was given it; a Generator has a state and no number.
    """
    laws, users = stated_priors(priors, data, layout)
    default = DefaultPriors.of(data, layout).laws
    seed = {"seed": int(rng)} if isinstance(rng, int | np.integer) else {}
    described = draws.copy()
    for name in layout.names:
        if name in users:
            prior = _of_user(users[name])
        else:
            prior = _closed_form(laws[name], laws[name] == default[name])
        described[name] = draws[name].assign_attrs(prior=prior, **seed)
    return described


def _closed_form(law: Law, default: bool) -> str:
    """'inverse gamma (alpha 2.1, beta 420), by default'."""
    named = type(law).__name__
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in vars(law).items())
    chosen = "by default" if default else "penalised complexity"
    return f"{WORDS.get(named, named.lower())} ({numbers}), {chosen}"


def _of_user(prior: TensorVariable) -> str:
    """'the user's halfnormal, 95% between 0.03 and 2.2'."""
    import pymc as pm
    from pytensor.compile.mode import Mode

    mode = Mode(linker="py", optimizer="fast_compile")
    drawn = pm.draw(prior, draws=PRIOR_DRAWS, random_seed=0, mode=mode)
    low, high = np.quantile(drawn, [0.025, 0.975])
    # PyMC's operator carries a printable name, such as ("InverseGamma", "\\operatorname{..}").
    named = getattr(prior.owner.op, "_print_name", None)
    name = named[0] if named else type(prior.owner.op).__name__
    return f"the user's {WORDS.get(name, name)}, 95% between {low:.3g} and {high:.3g}"
