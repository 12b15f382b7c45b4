"""Predictions of observations that have not been made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arguments import checked
from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    import pandas as pd


class Predictions(Fitted):
    """The method of a Posterior that predicts observations."""

    @checked
    def predict(
        self,
        sites: Any,
        *,
        covariates: Sequence[str] | pd.DataFrame | Mapping[str, Any] = (),
        measurement_sd: Any = None,
        weights: Any = None,
        exposure: Any = None,
        trials: Any = None,
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> pd.DataFrame:
        """What would be measured at other sites, noise included.

        The field itself, without noise, is what `surface` and `jet_moments` give; observations
        that have been made are scored by `check`.

        Parameters
        ----------
        sites : GeoDataFrame, GeoSeries or array
            Points in the data's CRS; or shape (p, d), on a line (p,), dates where the data have
            dates.
        covariates : sequence of str, DataFrame or mapping of str to arrays, optional
            Of the sites, a row for each; by default their columns of the fit's names, and the
            fit's `covariate_fields`.
        measurement_sd, weights, exposure, trials : column, number or array, optional
            Of the measurements to be made, where the fit had them.
        samples : int, optional
            Posterior draws to average over; None takes all up to 1,000. They take 16 bytes a site
            and draw.
        rng : int or Generator, optional
            Chooses the samples, and draws responses that are not Gaussian.

        Returns
        -------
        GeoDataFrame (in the plane) or DataFrame
            A row a site, by the index of `sites` or its position in them: mean, sd, q025, q50 and
            q975 on the scale of the data, also after transform="log". Of Gaussian noise in closed
            form, averaged over the hyperparameters; of other likelihoods quantiles from 1,000
            draws. A Student-t logarithm has no mean and sd (NaN).

        Raises
        ------
        ValueError, TypeError
            If the sites are in another CRS or lack what the fit had.

        Warns
        -----
        UserWarning
            Sites without location or covariate are dropped, and counted.

        References
        ----------
        Rasmussen and Williams (2006), eq. (2.25) and (2.26), with the noise added.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> found = post.predict([[179500.0, 331500.0]])  # mg/kg
        >>> found[["q025", "q50", "q975"]].round(-1).to_numpy().tolist()
        [[170.0, 340.0, 670.0]]
        """
        from womble.held_out import unseen_sites
        from womble.predict import new_observations

        rng = np.random.default_rng(rng)
        given = {"measurement_sd": measurement_sd, "weights": weights}
        given |= {"exposure": exposure, "trials": trials}
        unseen = unseen_sites(sites, self.data, covariates=covariates, **given)
        columns = new_observations(self.ensemble("surface", samples, rng), unseen, rng)
        return self._at_sites(columns, sites, unseen)

    @staticmethod
    def _at_sites(columns: Mapping[str, Any], sites: Any, unseen: Any) -> pd.DataFrame:
        """As a table, by the index of the sites where they have one."""
        import geopandas as gpd
        import pandas as pd

        index = sites.index if hasattr(sites, "geometry") else pd.RangeIndex(len(sites))
        frame = pd.DataFrame(columns, index=index[unseen.rows])
        if unseen.coords.shape[1] == 2:
            points = gpd.points_from_xy(*unseen.coords.T)
            frame = gpd.GeoDataFrame(frame, geometry=points, crs=unseen.crs)
        frame.attrs["units"] = dict.fromkeys(columns, unseen.units)
        return frame
