"""Maps and profiles of data, surfaces, boundaries and wombling measures.

Every function draws on `ax`, or on a new figure without it, and returns the Axes; none calls
`show`. Quantities with a sign are drawn in RdBu_r centred at 0, all others in cividis: both survive
the common forms of colour blindness. `units` and `long_name` attributes become labels.
"""

from womble.plot.across import profile
from womble.plot.check import check
from womble.plot.lines import along, boundaries, segments, spaghetti
from womble.plot.maps import data, gradient_arrows, probability, surface
from womble.plot.overview import overview
from womble.plot.trace import trace
from womble.plot.transects import change_points, transect

__all__ = [
    "along",
    "boundaries",
    "change_points",
    "check",
    "data",
    "gradient_arrows",
    "overview",
    "probability",
    "profile",
    "segments",
    "spaghetti",
    "surface",
    "trace",
    "transect",
]
