"""Small real data sets, one function each, with their units, source and licence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

RD_NEW = "EPSG:28992"  # Dutch national grid, metres
UTM_31N = "EPSG:32631"  # WGS 84 is assumed: the source does not say whether it is ED50 or WGS 84

# Units follow UDUNITS, as CF asks; "1" is a pure number.
MEUSE_UNITS = {
    "x": "m",
    "y": "m",
    "cadmium": "mg kg-1",
    "copper": "mg kg-1",
    "lead": "mg kg-1",
    "zinc": "mg kg-1",
    "elev": "m",
    "dist": "1",
    "om": "%",
    "dist.m": "m",
}
SIC2004_UNITS = {"x": "m", "y": "m", "dayx": "nSv h-1", "joker": "nSv h-1"}
FULMAR_UNITS = {"x": "m", "y": "m", "depth": "m", "coast": "km", "fulmar": "km-2"}
BALTIMORE_UNITS = {
    "PRICE": "1000 USD",
    "NROOM": "1",
    "NBATH": "1",
    "AGE": "year",
    "LOTSZ": "100 ft2",
    "SQFT": "100 ft2",
    "X": "1000 ft",
    "Y": "1000 ft",
}


def meuse() -> gpd.GeoDataFrame:
    """Heavy metals in the topsoil of a flood plain of the river Meuse, near Stein, Netherlands.

    Returns
    -------
    GeoDataFrame, 155 points, EPSG:28992 (metres)
        `cadmium`, `copper`, `lead`, `zinc` (mg/kg); `elev`, relative elevation (m); `dist`,
        distance to the river scaled to [0, 1], and `dist.m` (m); `om`, organic matter (%, two
        missing);
        categories `ffreq` (flooding: 1 once in two years, 2 once in ten, 3 once in fifty),
        `soil` (1 to 3), `lime` (0, 1) and `landuse` (one missing).
        `attrs["units"]` names the units.

    Notes
    -----
    Source: Rikken and Van Rijn (1993), as distributed with the R package sp 1.6.
    Licence: GPL (>= 2).

    Examples
    --------
    >>> import womble as wb
    >>> zinc = wb.datasets.meuse()
    >>> len(zinc), zinc.attrs["units"]["zinc"], float(zinc["zinc"].max())
    (155, 'mg kg-1', 1839.0)
    """
    table = _read("meuse").astype(dict.fromkeys(["ffreq", "soil", "lime", "landuse"], "category"))
    return _points(table, "x", "y", crs=RD_NEW, units=MEUSE_UNITS, coordinate_units="m")


def meuse_river() -> gpd.GeoDataFrame:
    """Outline of the river Meuse along the flood plain of `meuse`, as one closed polygon.

    Returns
    -------
    GeoDataFrame, 1 polygon, EPSG:28992 (metres)
        Column `name`. The ring runs clockwise, as published.

    Notes
    -----
    Source: Rikken and Van Rijn (1993), as distributed with the R package sp 1.6 (`meuse.riv`).
    Licence: GPL (>= 2).
    """
    import geopandas as gpd
    import shapely

    outline = shapely.Polygon(_read("meuse_river")[["x", "y"]].to_numpy())
    return gpd.GeoDataFrame({"name": ["Meuse"]}, geometry=[outline], crs=RD_NEW)


def meuse_grid() -> xr.Dataset:
    """Covariates of `meuse` on the 40 m grid that covers the flood plain.

    Returns
    -------
    Dataset, dims ("y", "x") = (104, 78), both ascending, EPSG:28992 (metres)
        `part.a`, `part.b` (0, 1: two halves of the area), `dist` (distance to the river scaled to
        [0, 1]), `soil` and `ffreq` (codes as in `meuse`); NaN outside the 3,103 cells of the study
        area. The CRS is in `spatial_ref`, where rioxarray finds it.

    Notes
    -----
    Source: Rikken and Van Rijn (1993), as distributed with the R package sp 1.6.
    Licence: GPL (>= 2).
    """
    import rioxarray  # noqa: F401  (registers the .rio accessor)

    grid = _read("meuse_grid").set_index(["y", "x"]).to_xarray().astype(float)
    grid["dist"].attrs["units"] = "1"
    return grid.rio.write_crs(RD_NEW).rio.write_coordinate_system()


def sic2004() -> gpd.GeoDataFrame:
    """Natural gamma dose rates in Germany: predict the 808 test stations from the 200 others.

    Returns
    -------
    GeoDataFrame, 1,008 points, no CRS (metres from a shifted origin)
        `dayx`, dose rate on one day (nSv/h); `joker`, the same with a planted hot spot;
        `split`, "train" or "test"; `record`, the station.

    Notes
    -----
    Source: Spatial Interpolation Comparison 2004, EUR 21595 EN, Joint Research Centre, as
    distributed with the R package gstat 2.1. Licence: GPL (>= 2).
    """
    return _points(_read("sic2004"), "x", "y", crs=None, units=SIC2004_UNITS, coordinate_units="m")


def fulmar() -> gpd.GeoDataFrame:
    """Densities of the fulmar, a seabird, on the Dutch part of the North Sea, 1998 and 1999.

    Returns
    -------
    GeoDataFrame, 1,324 points, EPSG:32631 (metres)
        `fulmar` (birds per km2, mostly zero), `depth` of the water (m), distance to the `coast`
        (km) and `year`. The datum is not stated at the source; WGS 84 is assumed. No position
        repeats, but many pairs are 10 m apart where the typical distance is 2 km.

    Notes
    -----
    Source: Pebesma, Duin and Burrough (2005), as distributed with the R package gstat 2.1.
    Licence: GPL (>= 2).

    Examples
    --------
    >>> import womble as wb
    >>> birds = wb.datasets.fulmar()
    >>> birds.groupby("year").size().to_dict()
    {1998: 595, 1999: 729}
    """
    return _points(_read("fulmar"), "x", "y", crs=UTM_31N, units=FULMAR_UNITS, coordinate_units="m")


def baltimore() -> gpd.GeoDataFrame:
    """Sale prices of 211 houses in and around Baltimore, 1978, with features of the houses.

    Returns
    -------
    GeoDataFrame, 211 points, no CRS (Maryland grid, units of 1000 feet)
        `PRICE` (1000 USD), rooms `NROOM`, baths `NBATH`, `AGE` (years), lot size `LOTSZ` and
        living space `SQFT` (both in 100 square feet), and indicators, among them `DWELL`
        (detached), `AC` (air conditioning) and `CITCOU` (1 in Baltimore County).

    Notes
    -----
    Source: Dubin (1992), as distributed with libpysal. Licence: BSD-3-Clause.
    """
    table = _read("baltimore")
    return _points(table, "X", "Y", crs=None, units=BALTIMORE_UNITS, coordinate_units="1000 ft")


def _folder() -> Path:
    """The data folder: inside the package in a wheel, beside it in an editable checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "data", package.parent / "data"):
        if (folder / "meuse.csv").is_file():
            return folder
    raise FileNotFoundError(
        "womble's data sets must lie in the package's `data` folder (or beside the package, in a "
        f"checkout); found none from {package}. Reinstall womble from its wheel."
    )


def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(_folder() / f"{name}.csv")


def _points(
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    crs: str | None,
    units: dict[str, str],
    coordinate_units: str,
) -> gpd.GeoDataFrame:
    import geopandas as gpd

    frame = gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table[x], table[y]), crs=crs)
    frame.attrs = {"units": dict(units), "coordinate_units": coordinate_units}
    return frame
