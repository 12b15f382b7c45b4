"""Whether geometry is in the data's coordinate reference system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyproj


def require_same_crs(gdf_or_crs: Any, crs: pyproj.CRS | None, what: str) -> None:
    """Refuse geometry that is not in the data's CRS; both without one is fine.

    Heights do not matter: of a compound CRS the horizontal part is compared.

    Parameters
    ----------
    gdf_or_crs : GeoDataFrame, GeoSeries, None or anything pyproj reads
        The geometry, or its CRS.
    crs : pyproj.CRS or None
        CRS of the data.
    what : str
        What the geometry is, for the message: "curves", "mask", ...

    Raises
    ------
    ValueError
        The two differ, or only one is known; or a frame has no geometry.
    """
    import geopandas as gpd
    import pyproj

    is_frame = isinstance(gdf_or_crs, gpd.GeoDataFrame | gpd.GeoSeries)
    if is_frame and getattr(gdf_or_crs, "active_geometry_name", "geometry") is None:
        raise ValueError(f"`{what}` must have a geometry column; it has none. Use set_geometry.")
    theirs = gdf_or_crs.crs if is_frame else gdf_or_crs
    if theirs is None and crs is None:
        return
    if theirs is None or crs is None:
        lacking, known = (f"`{what}`", crs) if theirs is None else ("the data", theirs)
        raise ValueError(
            f"`{what}` and the data must be in one CRS; {lacking} must state it and has none (the "
            f"other has {pyproj.CRS.from_user_input(known).name!r}). State it with set_crs (on a "
            "raster .rio.write_crs), or drop both."
        )
    ours, theirs = _horizontal(pyproj.CRS(crs)), _horizontal(pyproj.CRS.from_user_input(theirs))
    if not theirs.equals(ours, ignore_axis_order=True):
        raise ValueError(
            f"`{what}` must be in the data's CRS, {ours.name!r}; got {theirs.name!r}. Reproject "
            f"with {what}.to_crs(...) (a raster with .rio.reproject)."
        )


def _horizontal(crs: pyproj.CRS) -> pyproj.CRS:
    return crs.sub_crs_list[0] if crs.is_compound else crs
