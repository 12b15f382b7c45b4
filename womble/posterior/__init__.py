"""Posterior: hyperparameter draws with the data, and everything that is asked of the field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.engines.base import Target
from womble.posterior.across import AcrossLines
from womble.posterior.antiderivatives import Antiderivatives
from womble.posterior.areas import Areas
from womble.posterior.checks import Checks
from womble.posterior.display import Display
from womble.posterior.lines import Lines
from womble.posterior.maps import Maps
from womble.posterior.predictions import Predictions
from womble.posterior.transects import Transects
from womble.readers import query_points

if TYPE_CHECKING:
    from womble.paths import Paths


class Posterior(
    Maps,
    Lines,
    AcrossLines,
    Areas,
    Antiderivatives,
    Transects,
    Predictions,
    Checks,
    Display,
):
    """A fitted field. Made by `FieldModel.fit`, `FieldModel.condition` or `womble.load`.

    Attributes
    ----------
    data : SpatialData
    kernel : Kernel
    trend : str
    draws : xarray.Dataset
        Hyperparameters in user units, dimensions (chain, draw), all of the same weight; a single
        draw where they were given or are the mode.
    sample_stats : xarray.Dataset or None
        NUTS statistics. Of importance sampling, for each draw log density, log weight and number of
        the point that it copies, and as numbers k_hat, ess, points, modes and distinct. None
        where the hyperparameters were given, are the mode, or came without them.
    engine : str
        Which engine runs, and why.
    inference : str
        How the hyperparameters were found, with the method's own figures.
    """

    @checked
    def jet_moments(
        self,
        points: Any,
        *,
        order: int = 2,
        target: Target = "surface",
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Posterior mean and covariance of value, gradient and Hessian, in closed form.

        Parameters
        ----------
        points : array, shape (p, d), or points as a GeoDataFrame or GeoSeries
            In coordinate units; on a line (p,), dates where the data have dates.
        order : {0, 1, 2}
            Highest derivative.
        target : {"surface", "process"}
            Trend and process, or the process alone.
        samples : int, optional
            Posterior draws to average over; None takes all up to 1,000.
        rng : int or Generator, optional
            Chooses the samples.

        Returns
        -------
        mean : array, shape (p, c)
            Components f; f_x, f_y; f_xx, f_xy, f_yy on the link scale (c = 6 for d = 2, order 2).
        covariance : array, shape (p, c, c)

        Raises
        ------
        ValueError
            If the kernel is too rough for `order`, or points have the wrong shape.

        References
        ----------
        Rasmussen and Williams (2006), eq. (2.25), (2.26) and sec. 9.4.

        Examples
        --------
        >>> import numpy as np
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> mean, covariance = post.jet_moments([[179500.0, 331500.0]], order=1)
        >>> mean.round(4).tolist()  # log zinc; d/dx and d/dy a metre
        [[5.8174, -0.0047, 0.0011]]
        >>> np.sqrt(np.diag(covariance[0])).round(4).tolist()
        [0.1307, 0.001, 0.0008]
        """
        self._check_order(order)
        d = self.data.coords.shape[1]
        points = query_points(self.data.axis.numbers(points) if d == 1 else points, d)
        if not len(points):
            raise ValueError("`points` must hold at least one location; got none.")
        ensemble = self.ensemble(target, samples, np.random.default_rng(rng))
        return ensemble.moments(points, order)

    @checked
    def paths(
        self,
        *,
        samples: int = 200,
        target: Target = "surface",
        domain: Sequence[float] | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> Paths:
        """Posterior draws of the field as functions: jets at any points, again and again.

        Parameters
        ----------
        samples : int
            Number of draws.
        target : {"surface", "process"}
        domain : (xmin, ymin, xmax, ymax), optional
            Box in which the paths will be asked, in coordinate units; by default the data's with
            a margin of 10% of its longer side. It is widened to hold the data.
        rng : int or Generator, optional
        progress : bool

        Returns
        -------
        Paths
            `paths.jets(points)` has shape (samples, p, c); `len(paths)` is the number of draws.

        Raises
        ------
        ValueError
            If the target or the domain is malformed, there are fewer posterior draws, or the
            kernel has no closed form for paths.

        References
        ----------
        Wilson et al. (2021), Pathwise conditioning of Gaussian processes.

        Examples
        --------
        >>> import womble as wb
        >>> zinc = wb.datasets.meuse()
        >>> post = wb.FieldModel().condition(
        ...     zinc, "zinc", transform="log", lengthscale=590.0, amplitude=1.2, noise_sd=0.33
        ... )
        >>> paths = post.paths(samples=3, rng=1, progress=False)
        >>> paths
        Paths(3 draws of Matern(nu=3.5))
        >>> paths.jets([[179500.0, 331500.0]]).shape
        (3, 1, 6)
        """
        from womble.paths import draw_paths, path_domain

        rng = np.random.default_rng(rng)
        box = path_domain(self.data.box, domain)
        return draw_paths(self.ensemble(target, samples, rng), self.kernel, box, rng, progress)

    def update(self, more: Any) -> Posterior:
        """The field given further data too: today's on top of yesterday's.

        Their sums are added to those that are there; draws of the hyperparameters, the band of
        frequencies and the standardisation of covariates are kept.

        Parameters
        ----------
        more : Points, or what `womble.open_points` takes
            With the columns of the data before, in the same CRS; within a fifth of the data's side
            around them.

        Returns
        -------
        Posterior
            A new one.

        Raises
        ------
        ValueError
            If this posterior's data were in memory (fit to all of them then), or the further data
            have another CRS, new categories, or lie too far out.

        Warns
        -----
        UserWarning
            Where data have become so dense that they tell of waves beyond the band: fit again.
        """
        from womble.update import updated

        return updated(self, more)

    @checked
    def save(self, path: str | Path) -> None:
        """Write data, model and draws to a NetCDF file that `womble.load` reads.

        Of data that are not in memory the sums and the sample.
        """
        from womble.storage import save

        save(self, path)
