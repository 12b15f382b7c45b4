"""From degrees to a plane: the UTM zone of the data."""

from __future__ import annotations

from typing import TypeVar

import geopandas as gpd
import numpy as np
import pyproj
import shapely

Frame = TypeVar("Frame", gpd.GeoDataFrame, gpd.GeoSeries)

# Distances in the plane may differ by this share from those on the ground: UTM itself errs by
# 0.04% in its centre and 0.1% at the edge of a zone.
DISTORTION = 0.005


def project(data: Frame) -> Frame:
    """Reproject to the UTM zone of the middle of the data, where distances are metres.

    Parameters
    ----------
    data : GeoDataFrame or GeoSeries
        With a CRS, such as EPSG:4326 (longitudes and latitudes).

    Returns
    -------
    GeoDataFrame or GeoSeries
        The same rows and columns; `attrs` are kept, but for the units of the old coordinates.

    Raises
    ------
    TypeError
        `data` is neither.
    ValueError
        No CRS, no location, a location that the zone cannot hold, or data so wide that distances
        would err by more than 0.5%: they span several zones.

    References
    ----------
    Snyder (1987), Map projections: a working manual, USGS Professional Paper 1395, p. 57.
    """
    if not isinstance(data, gpd.GeoDataFrame | gpd.GeoSeries):
        raise TypeError(
            f"`data` must be a GeoDataFrame or GeoSeries; got {type(data).__name__}. Read a file "
            "with wb.read_data(path), make points with geopandas.points_from_xy(x, y, crs=...)."
        )
    if isinstance(data, gpd.GeoDataFrame) and data.active_geometry_name is None:
        raise ValueError("`data` must have a geometry column; set one with set_geometry.")
    if data.crs is None:
        raise ValueError(
            "`data` must have a CRS to be reprojected; it has none. State it with "
            "data.set_crs('EPSG:4326') if the coordinates are longitudes and latitudes."
        )
    degrees = _longitudes_latitudes(data)
    zone = _zone(degrees)
    _require_fit(degrees, zone)
    projected = data.to_crs(zone)
    projected.attrs = {k: v for k, v in data.attrs.items() if k != "coordinate_units"}
    return projected


def _longitudes_latitudes(data: gpd.GeoDataFrame | gpd.GeoSeries) -> np.ndarray:
    """All vertices in degrees on WGS 84, shape (n, 2), on the shorter way around the Earth."""
    degrees = shapely.get_coordinates(data.geometry.to_crs("EPSG:4326").array)
    if not len(degrees):
        raise ValueError("`data` must hold at least one location; got none.")
    on_earth = np.isfinite(degrees).all(axis=1) & (np.abs(degrees) <= (180.0, 90.0)).all(axis=1)
    if not on_earth.all():
        raise ValueError(
            f"`data` must lie on the Earth; {(~on_earth).sum()} of {len(degrees)} locations have "
            f"no longitude and latitude in {data.crs.name!r}. Check the CRS, and whether x and y "
            "were exchanged."
        )
    if np.ptp(degrees[:, 0]) > 180:  # across the 180th meridian
        degrees[:, 0] %= 360
    return degrees


def _zone(degrees: np.ndarray) -> pyproj.CRS:
    """UTM zone, on WGS 84, of the middle of the locations' box."""
    longitude, latitude = (degrees.min(axis=0) + degrees.max(axis=0)) / 2
    if not -80 <= latitude <= 84:
        raise ValueError(
            f"UTM ends at 80 degrees south and 84 north; the middle of `data` is at {latitude:.1f}."
            " Use data.to_crs with a polar projection, such as 'EPSG:3995' (north) or 'EPSG:3031'."
        )
    number = int((longitude + 180) // 6) % 60 + 1
    return pyproj.CRS.from_epsg((32600 if latitude >= 0 else 32700) + number)


def _require_fit(degrees: np.ndarray, zone: pyproj.CRS) -> None:
    """Refuse data where the zone's plane distorts distances."""
    scale = pyproj.Proj(zone).get_factors(*degrees.T, errcheck=False).meridional_scale
    off = ~(np.abs(np.asarray(scale) - 1) <= DISTORTION)
    if not off.any():
        return
    (west, south), (east, north) = degrees.min(axis=0), degrees.max(axis=0)
    first, last = (int((edge + 180) // 6) % 60 + 1 for edge in (west, east))
    middle_lon, middle_lat = (west + east) / 2, (south + north) / 2
    raise ValueError(
        f"`data` span longitudes {west:.2f} to {east:.2f}, UTM zones {first} to {last}: at "
        f"{off.sum()} of {len(off)} locations distances in {zone.name!r} would err by more than "
        f"{DISTORTION:.1%}. Take a part of the data, or a projection made for the region, such as "
        f"data.to_crs('+proj=laea +lat_0={middle_lat:.1f} +lon_0={middle_lon:.1f}')."
    )
