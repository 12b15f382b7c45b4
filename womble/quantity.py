"""The quantities of a map: what is made of a jet, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from womble import jet
from womble.arrays import FloatArray
from womble.jet import PLANAR


@dataclass(frozen=True)
class Quantity:
    """A map of jets: what it is called, its order, and whether a sign means anything."""

    long_name: str
    order: int  # derivatives it takes
    response: int  # power of the response's units
    length: int  # power of the coordinates' units in the denominator
    signed: bool
    of: Callable[[FloatArray], FloatArray]


def _component(index: int) -> Callable[[FloatArray], FloatArray]:
    return lambda jets: jets[..., index]


# In the plane.
QUANTITIES: dict[str, Quantity] = {
    "value": Quantity("value", 0, 1, 0, True, _component(0)),
    "dx": Quantity("slope along x", 1, 1, 1, True, _component(1)),
    "dy": Quantity("slope along y", 1, 1, 1, True, _component(2)),
    "dxx": Quantity("second derivative along x", 2, 1, 2, True, _component(3)),
    "dxy": Quantity("mixed second derivative", 2, 1, 2, True, _component(4)),
    "dyy": Quantity("second derivative along y", 2, 1, 2, True, _component(5)),
    "gradient_magnitude": Quantity("steepness", 1, 1, 1, False, jet.gradient_magnitude),
    "gradient_direction": Quantity("uphill direction", 1, 0, 0, False, jet.gradient_direction),
    "laplacian": Quantity("Laplacian", 2, 1, 2, True, jet.laplacian),
    "gaussian_curvature": Quantity(
        "determinant of the Hessian", 2, 2, 4, True, jet.gaussian_curvature
    ),
    "curvature_max": Quantity(
        "largest principal curvature", 2, 1, 2, True, lambda jets: jet.principal_curvatures(jets)[0]
    ),
    "curvature_min": Quantity(
        "smallest principal curvature",
        2,
        1,
        2,
        True,
        lambda jets: jet.principal_curvatures(jets)[1],
    ),
}

# On a line.
LINE_QUANTITIES: dict[str, Quantity] = {
    "value": Quantity("value", 0, 1, 0, True, _component(0)),
    "dx": Quantity("slope", 1, 1, 1, True, _component(1)),
    "dxx": Quantity("second derivative", 2, 1, 2, True, _component(2)),
}

# Normal given the hyperparameters: closed forms instead of draws.
LINEAR = (*PLANAR, "laplacian")


def quantities(dimension: int) -> dict[str, Quantity]:
    """Quantities by name, of jets in one or two dimensions."""
    return LINE_QUANTITIES if dimension == 1 else QUANTITIES


def names_up_to(order: int, dimension: int = 2) -> list[str]:
    """Quantities that take derivatives up to this order."""
    every = quantities(dimension).items()
    return [name for name, quantity in every if quantity.order <= order]


def linear_rows(names: list[str], order: int, dimension: int = 2) -> FloatArray:
    """Weights (l, c) that make linear quantities of a jet of this order."""
    unit = np.eye(jet.size(dimension, order))
    return np.array([quantities(dimension)[name].of(unit) for name in names])
