"""Answers about a field in one dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from womble import decision
from womble.arguments import checked
from womble.engines.base import Target
from womble.posterior.fitted import Fitted
from womble.units import derivative_units

if TYPE_CHECKING:
    import pandas as pd

    from womble.change import Changes
    from womble.transect import Transect


class Transects(Fitted):
    """The methods of a Posterior for data on a line: time series and transects."""

    @checked
    def change_points(
        self,
        grid: Transect | None = None,
        *,
        min_steepness: float = 0.0,
        prominence: float = 0.95,
        target: Target = "surface",
        samples: int | None = None,
        rule: Literal["interval", "fdr", "simultaneous"] = "fdr",
        alpha: float = 0.05,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Where a field on a line changes fastest, on the link scale, in order of position.

        A change point is a maximum of |f'| of the posterior mean that is prominent: steeper than
        at probes on both sides, with probability. The probes are the flattest places of the mean
        on either side, before it gets steeper than at the maximum, or the transect ends. Without a
        probe on both sides, at the very end, a maximum is undecidable and left out.

        Parameters
        ----------
        grid : Transect, optional
            Its spacing sets the resolution, its mask the region; by default from the first to the
            last of the data. Made by `Grid.from_data`.
        min_steepness : float
            Least posterior mean of |f'|, in link units per coordinate unit.
        prominence : float
            Probability that a change point must have.
        target : {"surface", "process"}
        samples : int, optional
            Posterior draws, as paths; None takes 200, or all if there are fewer.
        rule : {"fdr", "interval", "simultaneous"}
            Which are kept: with `fdr` the expected share of false ones is at most `alpha`; with
            `interval` each has a probability of at least 1 - alpha / 2; with `simultaneous` all
            stand at once with probability 1 - alpha.
        alpha : float
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        DataFrame
            position (of the mean's maximum), position_sd, position_q025, position_q975 (of the
            place where a draw is steepest between the probes, which are moved in to the flattest
            place before the next change point); steepness_mean, _q025, _q975 (|f'| at the
            position); direction ("rise", "fall"); probability; level_before, level_after (the mean
            field at the probes); rule. Positions are dates where the data had them, position_sd
            then is in days. `attrs["units"]` names units, `attrs["womble"]` the settings.

        Raises
        ------
        ValueError
            If the data are not on a line, an argument is out of range, the kernel has no second
            derivative, or there are too few samples for a simultaneous set.
        TypeError
            If the grid is no Transect.
        """
        from womble.change import changes
        from womble.mean_field import MeanField
        from womble.paths import draw_paths

        self._require_line("change_points()")
        decision.check_rule(rule, alpha)
        self.kernel.require_derivatives(2)
        if not 0.5 <= prominence < 1:
            raise ValueError(f"`prominence` must lie in [0.5, 1); got {prominence!r}.")
        grid = self._line_grid(grid)
        rng = np.random.default_rng(rng)
        ensemble = self.ensemble(target, self._line_samples(samples), rng)
        if rule == "simultaneous":
            decision.require_draws(ensemble.size, alpha)
        paths = draw_paths(ensemble, self.kernel, self._box(grid), rng, progress)
        asked = {"prominence": prominence, "min_steepness": min_steepness}
        found = changes(
            MeanField(ensemble, grid, 2, progress),
            paths,
            least=prominence,
            min_steepness=min_steepness,
            rule=rule,
            alpha=alpha,
        )
        settings = asked | {"rule": rule, "alpha": alpha, "target": target}
        return self._change_frame(found, settings | {"samples": ensemble.size})

    def _change_frame(self, found: Changes, settings: dict) -> pd.DataFrame:
        """The table: positions as the data had them, with units."""
        import pandas as pd

        columns = dict(vars(found))
        for name in ("position", "position_q025", "position_q975"):
            columns[name] = self.data.axis.positions(columns[name])
        rise = columns.pop("sign") > 0
        columns["direction"] = np.where(rise, "rise", "fall").astype(object)
        order = [name for name in columns if not name.startswith(("direction", "prob", "level"))]
        table = pd.DataFrame(columns)[
            [*order, "direction", "probability", "level_before", "level_after"]
        ]
        over = "all at once" if settings["rule"] == "simultaneous" else "each"
        table["rule"] = f"{settings['rule']}, alpha = {settings['alpha']:g}, {over}"
        data = self.data
        slope = derivative_units(data.difference_units, data.coordinate_units, 1)
        units = {name: data.coordinate_units for name in order if name.startswith("position")}
        if data.axis.origin is not None:
            units = {"position_sd": "days"}
        units |= {name: slope for name in order if name.startswith("steepness")}
        units |= dict.fromkeys(["level_before", "level_after"], data.link_units)
        table.attrs["units"] = {name: unit for name, unit in units.items() if unit}
        table.attrs |= {"scale": "link", "name": self.data.field_name(), "womble": settings}
        return table
