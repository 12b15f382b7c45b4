"""What a map says of itself: CF attributes, the axes' units and the CRS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import xarray as xr

from womble.cells import Cells
from womble.quantity import quantities
from womble.units import derivative_units

Map = TypeVar("Map", xr.Dataset, xr.DataArray)

SUFFIXES = ("_p_positive", "_significant", "_band")
FLAGS = {"flag_values": [-1.0, 0.0, 1.0], "flag_meanings": "negative not_significant positive"}


def describe(
    ds: xr.Dataset,
    grid: Cells,
    link: str | None,
    attributes: Mapping[str, str | None],
    rule: str | None = None,
) -> xr.Dataset:
    """A map of quantities with its attributes, coordinates' units and CRS.

    Parameters
    ----------
    ds : xarray.Dataset
        Variables are quantities, with a suffix for what is said of their sign; attributes that a
        variable has already are kept.
    grid : Cells
    link : {"log", "logit"} or None
        What was undone: the map is then on the response scale.
    attributes : mapping
        "name" of the field, its "units" on this scale, the "difference_units" that its derivatives
        have, "coordinate_units" and "source".
    rule : str, optional
        How flags and bands were made, in words.
    """
    for name, variable in ds.data_vars.items():
        variable.attrs.update(_of_variable(str(name), attributes, rule, len(grid.shape)))
    if link == "log":
        ds.attrs["comment"] = "response scale: means need not exist, use the median q50"
    ds.attrs["scale"] = "link" if link is None else "response"
    return georeference(ds, grid, attributes)


def label_and_units(
    name: str, attributes: Mapping[str, str | None], dimension: int = 2
) -> tuple[str, str | None]:
    """Long name of a quantity of the field, and its units."""
    field, quantity = attributes["name"], quantities(dimension)[name]
    if name == "value":
        return str(field), attributes["units"]
    units = derivative_units(
        attributes["difference_units"],
        attributes["coordinate_units"],
        quantity.length,
        quantity.response,
    )
    return f"{quantity.long_name} of {field}", units


def _of_variable(
    name: str, attributes: Mapping[str, str | None], rule: str | None, dimension: int
) -> dict[str, object]:
    suffix = next((end for end in SUFFIXES if name.endswith(end)), "")
    label, units = label_and_units(name.removesuffix(suffix), attributes, dimension)
    measured = {"units": units} if units else {}
    if suffix == "_p_positive":
        return {"long_name": f"P({label} > 0)", "units": "1"}
    if suffix == "_significant":
        flag = {"long_name": f"sign of {label} where significant", "units": "1"}
        return flag | FLAGS | {"rule": rule}
    if suffix == "_band":
        return {"long_name": f"simultaneous band of {label}", "rule": rule} | measured
    if name == "gradient_direction":
        comment = "counter-clockwise from the x axis; circular mean and sd"
        return {"long_name": label, "units": "degree", "comment": comment}
    return {"long_name": label} | measured


def georeference(ds: Map, grid: Cells, attributes: Mapping[str, str | None]) -> Map:
    """Describe the axes, name the conventions and write the CRS where CF puts it."""
    for axis, described in grid.describe_axes().items():
        ds[axis].attrs = described
    ds.attrs |= {"Conventions": "CF-1.11", "source": attributes["source"]}
    if grid.crs is not None:
        import rioxarray  # noqa: F401  (registers .rio)

        ds = ds.rio.write_crs(grid.crs)
    return ds
