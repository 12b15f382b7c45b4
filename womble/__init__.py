"""womble: gradients, curvature and boundaries of spatial fields, with their uncertainty.

Public names are loaded when they are first used, so that ``import womble`` is quick and brings in
neither PyMC nor the plotting and raster libraries.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "FieldModel": "womble.model",
    "Grid": "womble.grid",
    "Matern": "womble.kernels",
    "PenalisedComplexity": "womble.penalised_complexity",
    "Posterior": "womble.posterior",
    "RationalQuadratic": "womble.kernels",
    "SquaredExponential": "womble.kernels",
    "Sum": "womble.kernels",
    "boundary_overlap": "womble.line_statistics",
    "boundary_statistics": "womble.line_statistics",
    "compare": "womble.check",
    "from_pymc": "womble.interop.pymc",
    "from_sklearn": "womble.interop.sklearn",
    "load": "womble.storage",
    "open_points": "womble.points",
    "project": "womble.utm",
    "read_data": "womble.files",
    "report": "womble.reporting",
    "write_geotiff": "womble.raster",
    "write_table": "womble.files",
    "write_zarr": "womble.zarr_store",
}
_MODULES = ("datasets", "plot")

__all__ = [*_HOMES, *_MODULES]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"womble.{name}")
    raise AttributeError(f"module 'womble' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
