"""Answers about areas: averages and integrals of the field over polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.engines.base import Target
from womble.posterior.fitted import Fitted

if TYPE_CHECKING:
    import geopandas as gpd


class Areas(Fitted):
    """The method of a Posterior whose answer is a table of polygons."""

    @checked
    def integrate(
        self,
        polygons: gpd.GeoDataFrame | gpd.GeoSeries,
        *,
        average: bool = True,
        target: Target = "surface",
        return_cov: bool = False,
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
        progress: bool = True,
    ) -> gpd.GeoDataFrame | tuple[gpd.GeoDataFrame, FloatArray]:
        """Averages or integrals of the field over polygons, on the link scale (areal kriging).

        The law of the average itself, not the average of laws at points: what varies within a
        polygon averages out. After `transform="log"` it is the average of the logarithm, whose
        exponential is a geometric mean. The noise is not part of the field.

        Parameters
        ----------
        polygons : GeoDataFrame or GeoSeries
            Polygons and MultiPolygons, with or without holes, in the data's CRS.
        average : bool
            Averages; False gives integrals, in link units times coordinate units squared.
        target : {"surface", "process"}
            Trend and process, or the process alone.
        return_cov : bool
            Also the covariance between polygons; takes time with the square of all their nodes.
        samples : int, optional
            Posterior draws to average over; None takes all up to 1,000.
        rng : int or Generator, optional
            Chooses the samples.
        progress : bool

        Returns
        -------
        frame : GeoDataFrame
            The polygons' own columns, area, mean, sd, q025, q50, q975; geometry. A row a polygon,
            in order, quantiles of the mixture over draws.
        covariance : array, shape (q, q)
            Only if `return_cov`.

        Raises
        ------
        ValueError
            If the data are not in the plane, or the polygons are in another CRS, missing, empty
            or invalid.
        TypeError
            If `polygons` holds anything but polygons.

        References
        ----------
        Journel and Huijbregts (1978), sec. V.A; Gelfand, Zhu and Carlin (2001), Biostatistics 2.
        """
        from womble import areal
        from womble.polygons import areal_frame, read_polygons

        d = self.data.coords.shape[1]
        if d != 2:
            instead = "Use integral(a, b) for intervals." if d == 1 else ""
            raise ValueError(
                f"integrate() needs data in the plane; these have {d} coordinate(s). {instead}"
            )
        frame = read_polygons(polygons, self.data.crs)
        rng = np.random.default_rng(rng)
        ensemble = self.ensemble(target, samples, rng)
        functionals = areal.areal_functionals(
            np.asarray(frame.geometry.array), areal.short_lengthscale(ensemble), average=average
        )
        if not return_cov:
            laws = areal.areal_laws(ensemble, functionals, progress)
            return areal_frame(frame, areal.summaries(*laws), self.data, average=average)
        *laws, covariance = areal.joint_areal_laws(
            ensemble, areal.together(functionals), rng, progress
        )
        found = areal_frame(frame, areal.summaries(*laws), self.data, average=average)
        return found, covariance
