"""Answers about the model itself: how well it foretells data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    from womble.check import Check


class Checks(Fitted):
    """The methods of a Posterior that compare predictions with observations."""

    def check(self, held_out: Any = None) -> Check:
        """Predictions of every observation from all others, or of data held out, and their scores.

        Leave-one-out is in closed form at each draw of the hyperparameters; weights on the draws
        (PSIS-LOO) undo that they have seen the observation. Where the hyperparameters were given or
        are the mode there are no weights.

        Parameters
        ----------
        held_out : GeoDataFrame, (coords, values) or DataArray, optional
            Data that the fit has not seen, with the response under the same name; predicted with
            all draws alike.

        Returns
        -------
        Check
            `table` with RMSE, MAE, CRPS, coverage of 95% intervals and mean log density on the
            link scale; `observations` with each one's prediction. `wb.plot.check` draws it.

        Warns
        -----
        UserWarning
            Where observations have a k-hat above 0.7.

        References
        ----------
        Rasmussen and Williams (2006), eq. (5.12); Vehtari, Gelman and Gabry (2017).
        """
        from womble import check
        from womble.spatial_data import require_same_crs, spatial_data

        self._require_gaussian("check()", "whose predictions are mixtures of normals")
        ensemble = self.ensemble("surface", None, np.random.default_rng(0))
        if held_out is None:
            self._require_dense("check() without held-out data", "to leave observations out")
            predictive, k_hat = check.leave_one_out(ensemble, self.data.values)
            check.warn_of_influence(k_hat)
            return check.result("leave-one-out", predictive, self.data, k_hat)
        if self.data.covariates is not None:
            raise ValueError(
                "held-out data cannot be checked against a model with covariates, which are not "
                "known there. Use check() (leave-one-out) or cross_validate()."
            )
        data = spatial_data(held_out, self.data.name, transform=self.data.transform)
        if data.whole is not None:
            raise ValueError(
                f"`held_out` must be in memory; these are {data.count} rows that are not. Read a "
                "random subset of them as a GeoDataFrame."
            )
        require_same_crs(data.crs, self.data.crs, "held_out")
        predictive = check.foretold(ensemble, data.coords, data.values)
        return check.result("held out", predictive, data)

    def cross_validate(
        self,
        *,
        blocks: Literal["spatial", "random"] = "spatial",
        folds: int = 5,
        rng: int | np.random.Generator | None = None,
    ) -> Check:
        """Predictions of blocks of observations from the others: how far the model reaches.

        There is no refit: the hyperparameters are those of the posterior, which has seen the
        blocks, and the mixture is over its draws alike. In closed form, as `check`.

        Parameters
        ----------
        blocks : {"spatial", "random"}
            Compact blocks by k-means of the coordinates, of different sizes, or random sets of the
            same size.
        folds : int
            Number of blocks, at least 2.
        rng : int or Generator, optional
            Chooses the blocks.

        Returns
        -------
        Check
            As `check`; `observations.fold` is the block.

        Raises
        ------
        ValueError
            If `blocks` is unknown or `folds` out of range.

        References
        ----------
        Roberts et al. (2017), Ecography 40, 913-929, for spatial blocks.
        """
        from womble import check

        self._require_gaussian("cross_validate()", "whose predictions are mixtures of normals")
        self._require_dense("cross_validate()", "to leave observations out")
        n = len(self.data.values)
        if blocks not in ("spatial", "random"):
            raise ValueError(f"`blocks` must be 'spatial' or 'random'; got {blocks!r}.")
        most = len(np.unique(self.data.coords, axis=0)) // 2
        if not 2 <= folds <= most:
            raise ValueError(
                f"`folds` must be from 2 to {most}, half the number of sites; got {folds!r}."
            )
        rng = np.random.default_rng(rng)
        if blocks == "spatial":
            label = check.spatial_folds(self.data.coords, folds, rng)
        else:
            label = rng.permutation(np.arange(n) % folds)
        members = [np.flatnonzero(label == fold) for fold in range(folds)]
        ensemble = self.ensemble("surface", None, rng)
        predictive = check.leave_blocks_out(ensemble, self.data.values, members)
        return check.result(f"{folds} {blocks} blocks", predictive, self.data, fold=label)
