"""Answers about the model itself: how well it foretells data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble.arguments import checked
from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from womble.check import Check
    from womble.predictive_check import Statistic


class Checks(Fitted):
    """The methods of a Posterior that compare predictions with observations."""

    @checked
    def check(
        self,
        held_out: Any = None,
        *,
        covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
        measurement_sd: Any = None,
        weights: Any = None,
        exposure: Any = None,
        trials: Any = None,
        rng: int | np.random.Generator | None = None,
    ) -> Check:
        """Predictions of every observation from all others, or of data held out, and their scores.

        With Gaussian noise leave-one-out is in closed form at each draw of the hyperparameters;
        weights on the draws (PSIS-LOO) undo that they have seen the observation. Where the
        hyperparameters were given or are the mode there are no weights. Other likelihoods: with
        inference="laplace" the field without an observation is known as well, from Laplace's
        approximation with all, and the response's own law is summed over it, with weights on the
        hyperparameters as before; with NUTS weights undo that field and hyperparameters together
        have seen the observation.

        Parameters
        ----------
        held_out : GeoDataFrame, (coords, values), DataArray or Series, optional
            Data that the fit has not seen, with the response under the same name; predicted with
            all draws alike.
        covariates : sequence of str, DataFrame or mapping of str to arrays, optional
            Of the held-out data, a row for each; by default their columns of the fit's names, and
            the fit's `covariate_fields`. A category must have the fit's levels.
        measurement_sd, weights, exposure, trials : column, number or array, optional
            Of the held-out data, where the fit had them; arrays have an entry a row.
        rng : int or Generator, optional
            Of the randomised PIT of discrete responses, and of CRPS and quantiles of those that
            are not Gaussian, which are from 1,000 draws.

        Returns
        -------
        Check
            `table` with RMSE, MAE, CRPS, coverage of 95% intervals and mean log density on the
            scale of the values; `observations` with each one's prediction. `wb.plot.check` draws
            it.

        Raises
        ------
        ValueError, TypeError
            If the held-out data lack what the fit had, or have a covariate's level that it had not.

        Warns
        -----
        UserWarning
            Where observations have a k-hat above 0.7 and uneven weights.

        References
        ----------
        Rasmussen and Williams (2006), eq. (5.12); Vehtari, Gelman and Gabry (2017); Vehtari,
        Mononen, Tolvanen, Sivula and Winther (2016), JMLR 17.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> found = post.check()
        >>> found.table[["rmse", "coverage"]].round(3).to_numpy().tolist()
        [[0.388, 0.948]]
        """
        from womble import check, response_check
        from womble.held_out import held_out_data

        rng = np.random.default_rng(rng)
        ensemble = self.ensemble("surface", None, rng)
        given = {"measurement_sd": measurement_sd, "weights": weights}
        given |= {"exposure": exposure, "trials": trials}
        if held_out is not None:
            data = held_out_data(held_out, self.data, covariates=covariates, **given)
            design = None if data.covariates is None else data.covariates.design
            if data.response is None:
                found = check.foretold(ensemble, data.coords, data.values, design, data.law)
            else:
                found = response_check.foretell(ensemble, data, design, rng)
            return check.result("held out", found, data)
        self._require_no_held_out({"covariates": covariates if len(covariates) else None, **given})
        if self.data.response is None:
            self._require_dense("check() without held-out data", "to leave observations out")
            found, k_hat = check.leave_one_out(ensemble, self.data.values)
        else:
            found, k_hat = response_check.leave_one_out(ensemble, self.data, rng)
        result = check.result("leave-one-out", found, self.data, k_hat)
        check.warn_of_influence(result)
        return result

    @staticmethod
    def _require_no_held_out(given: Mapping[str, Any]) -> None:
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"`{name}` is of held-out data, and there are none: the fit's own is known. "
                    "Leave it out, or give check(held_out)."
                )

    @checked
    def cross_validate(
        self,
        *,
        blocks: Literal["spatial", "random"] | Sequence[Any] = "spatial",
        folds: int = 5,
        rng: int | np.random.Generator | None = None,
    ) -> Check:
        """Predictions of blocks of observations from the others: how far the model reaches.

        There is no refit: the hyperparameters are those of the posterior, which has seen the
        blocks, and the mixture is over its draws alike. In closed form, as `check`; with
        inference="laplace" the mode of the field is found without the block at each draw.

        Parameters
        ----------
        blocks : {"spatial", "random"} or sequence
            Compact blocks by k-means of the coordinates, of different sizes; random sets of the
            same size; or blocks of your own, a label for each row of the data.
        folds : int
            Number of blocks, at least 2; of your own there are as many as labels.
        rng : int or Generator, optional
            Chooses the blocks; and as in `check`.

        Returns
        -------
        Check
            As `check`; `observations.fold` is the block, or its label.

        Raises
        ------
        ValueError
            If `blocks` is unknown, has not a label for each row or fewer than two of them, `folds`
            is out of range, or the field was sampled by NUTS.

        References
        ----------
        Roberts et al. (2017), Ecography 40, 913-929, for spatial blocks.
        """
        from womble import check, response_check

        if self.data.response is None:
            self._require_dense("cross_validate()", "to leave observations out")
        elif "weights" in self.draws:
            raise ValueError(
                "cross_validate() needs a field with a law given the hyperparameters; this one was "
                "sampled by NUTS together with all responses. Use inference='laplace', or refit "
                "without each block and check(held_out)."
            )
        rng = np.random.default_rng(rng)
        label, method = self._folds(blocks, folds, rng)
        members = [np.flatnonzero(label == fold) for fold in np.unique(label)]
        ensemble = self.ensemble("surface", None, rng)
        if self.data.response is None:
            found = check.leave_blocks_out(ensemble, self.data.values, members)
        else:
            found = response_check.leave_blocks_out(ensemble, self.data, members, rng)
        return check.result(method, found, self.data, fold=label)

    def _folds(
        self, blocks: str | Sequence[Any], folds: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, str]:
        """The block of each observation, shape (n,), and what they are called together."""
        from womble.folds import given_folds, spatial_folds

        if not isinstance(blocks, str):
            label = given_folds(blocks, self.data.rows)
            return label, f"{len(np.unique(label))} given blocks"
        if blocks not in ("spatial", "random"):
            raise ValueError(
                "`blocks` must be 'spatial', 'random' or a label for each row of the data; got "
                f"{blocks!r}."
            )
        most = len(np.unique(self.data.coords, axis=0)) // 2
        if not 2 <= folds <= most:
            raise ValueError(
                f"`folds` must be from 2 to {most}, half the number of sites; got {folds!r}."
            )
        method = f"{folds} {blocks} blocks"
        if blocks == "spatial":
            return spatial_folds(self.data.coords, folds, rng), method
        return rng.permutation(np.arange(len(self.data.values)) % folds), method

    @checked
    def replicates(
        self,
        *,
        samples: int = 200,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> xr.DataArray:
        """Data sets that the fitted model makes at the data's own sites.

        Each has the hyperparameters and the field of one posterior draw, the data's covariates,
        exposure and trials, and noise or counts of its own.

        Parameters
        ----------
        samples : int
            Number of data sets, at most that of the posterior draws.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        xarray.DataArray, shape (samples, n)
            Dimensions (draw, observation), on the scale of the values: after `transform`, else
            that of the response. `observation` is the row of the data.

        Raises
        ------
        ValueError
            If there are fewer posterior draws, the kernel has no closed form for paths, or the data
            are not in memory.
        """
        from womble.predictive_check import replicates

        self._require_in_memory("replicates()")
        rng = np.random.default_rng(rng)
        return replicates(self.ensemble("surface", samples, rng), self.data, rng, progress)

    @checked
    def predictive_check(
        self,
        *,
        statistics: Mapping[str, Statistic] | None = None,
        samples: int = 200,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Statistics of the data against those of `replicates`: does the model make such data?

        Parameters
        ----------
        statistics : mapping of str to function, optional
            From one data set (n,) to a number; they replace mean, sd, min, max, the share of zeros
            of counts, and `neighbours`, the correlation of values with the mean of those at the
            four nearest sites.
        samples, rng, progress
            As `replicates`.

        Returns
        -------
        DataFrame
            A row a statistic: observed; mean, sd, q025 and q975 of the replicates; and p, the
            share of replicates above the observed one, equal ones by half. p near 0 or 1 is what
            the model does not reproduce; as the data are used twice, p crowds around 1/2 where it
            does.

        Raises
        ------
        ValueError
            As `replicates`, or if values are censored.

        References
        ----------
        Gelman, Meng and Stern (1996), Statistica Sinica 6, 733-807.
        """
        from womble.predictive_check import predictive_table, statistics_of

        if self.data.censored.any():
            raise ValueError(
                "predictive_check() needs values that are all known: of those that were measured "
                "nobody knows below which limit they would not have been. Use check(), or "
                "replicates()."
            )
        made = self.replicates(samples=samples, rng=rng, progress=progress)
        chosen = statistics_of(self.data) if statistics is None else statistics
        return predictive_table(made.to_numpy(), self.data.values, chosen)
