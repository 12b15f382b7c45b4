"""What data must be: checks by their extent and counts, for data in memory and data in parts."""

from __future__ import annotations

import numpy as np

from womble.arrays import FloatArray
from womble.readers import looks_like_degrees
from womble.warn import warn

# Fewer locations than this cannot tell a lengthscale from noise.
MINIMUM_LOCATIONS = 10
# Coordinates are rarely known to better than a millionth of the domain: a strip narrower than that
# is a line with rounding error, and carries nothing about the direction across it.
COLLINEAR_TOLERANCE = 1e-6
# Of coordinates and values in their units.
SMALLEST, LARGEST = 1e-100, 1e100
# Share of the values that arithmetic and text files leave of what a trend explains exactly.
EXPLAINED = 1e-10


def warn_of_dropped(dropped: int, rows: int, reason: str) -> None:
    """Say that so many of `rows` were left out."""
    if dropped:
        have, were = ("has", "was") if dropped == 1 else ("have", "were")
        warn(f"{dropped} of {rows} rows {have} {reason} and {were} dropped")


def warn_degrees(has_crs: bool, units: str | None, coords: FloatArray) -> None:
    """Say that coordinates (n, d), or the corners of their box, look like degrees."""
    stated = units is not None and not units.startswith("deg")
    if not has_crs and not stated and looks_like_degrees(coords):
        warn(
            "the data have no CRS and their coordinates look like longitudes and latitudes; they "
            "are taken as planar. If they are degrees, use set_crs('EPSG:4326') and then "
            "wb.project(data), or to_crs with a projected CRS (estimate_utm_crs() finds one). If "
            "they are planar, state their unit in data.attrs['coordinate_units'], or move the "
            "origin into the domain."
        )


def require_finite(infinite: int, rows: int, what: str) -> None:
    """Refuse infinite coordinates or values.

    Raises
    ------
    ValueError
        If there are any.
    """
    if infinite:
        raise ValueError(
            f"the {what} must be finite; {infinite} of {rows} are infinite. Correct "
            "them, or set them to NaN to leave those rows out."
        )


def require_resolution(box: FloatArray) -> None:
    """Refuse coordinates that powers of overflow, or that doubles hardly tell apart.

    Parameters
    ----------
    box : array, shape (2, d)
        Lowest and highest corner.

    Raises
    ------
    ValueError
        If they are that large or small, or that far from the origin.
    """
    side = float(np.ptp(box, axis=0).max())
    require_magnitude(side, "coordinates")
    spacing = float(np.spacing(np.abs(box).max()))
    if spacing > COLLINEAR_TOLERANCE * side:
        raise ValueError(
            f"the coordinates must tell locations apart to {COLLINEAR_TOLERANCE:g} of the domain; "
            f"doubles near {np.abs(box).max():.3g} are {spacing:.1g} apart, the domain's side is "
            f"{side:.3g}. Subtract an origin inside the domain where the coordinates are made, "
            "before they are rounded."
        )


def require_magnitude(spread: float, what: str) -> None:
    """Refuse numbers whose squares and products leave the range of doubles.

    Raises
    ------
    ValueError
        If their spread is below 1e-100 (but not 0, which has its own check) or above 1e100.
    """
    if spread > 0 and not SMALLEST <= spread <= LARGEST:
        raise ValueError(
            f"the {what} must spread over {SMALLEST:g} to {LARGEST:g} of their unit; these spread "
            f"over {spread:.3g}. Choose another unit."
        )


def require_spread(coords: FloatArray) -> None:
    """Enough distinct locations, spanning all d dimensions.

    Raises
    ------
    ValueError
        If there are not.
    """
    distinct = np.unique(coords, axis=0)
    if len(distinct) < MINIMUM_LOCATIONS:
        raise ValueError(
            f"at least {MINIMUM_LOCATIONS} distinct locations with a value are needed; got "
            f"{len(distinct)} (from {len(coords)} rows). Add data: fewer cannot tell a "
            "lengthscale from noise."
        )
    spread = np.linalg.svd(distinct - distinct.mean(axis=0), compute_uv=False)
    if spread[-1] <= COLLINEAR_TOLERANCE * spread[0]:
        raise ValueError(
            f"the locations must span {coords.shape[1]} dimensions; they lie on one line (in 3-D: "
            "or plane). Pass the 1-D distances along the line: (distance (n,), values (n,))."
        )


def require_positive(bad: int, rows: int, name: str) -> None:
    """Refuse logarithms that do not exist.

    Raises
    ------
    ValueError
        If there are any.
    """
    if bad:
        raise ValueError(
            f"transform='log' needs positive values; {bad} of {rows} in {name!r} are "
            "zero or negative. Use transform=None, or add a shift yourself first."
        )


def require_varying(low: float, high: float, rows: int, name: str) -> None:
    """Refuse values that are all the same.

    Raises
    ------
    ValueError
        If they are.
    """
    # Sixteen roundings: the differences that arithmetic alone leaves between equal numbers.
    if high - low <= 16 * np.finfo(float).eps * max(abs(low), abs(high)):
        raise ValueError(
            f"the values must vary; all {rows} of {name!r} are {low:g}. Choose "
            "another column: a constant has no boundary."
        )
    require_magnitude(high - low, f"values of {name!r}")


def require_unexplained(values: FloatArray, basis: FloatArray, trend: str) -> None:
    """Refuse values that trend and covariates explain to rounding: nothing is left for a field.

    Parameters
    ----------
    values : array, shape (n,)
    basis : array, shape (n, k) or (n + m, k)
        Of trend and covariates, at the values first.
    trend : str

    Raises
    ------
    ValueError
        If they do, so that amplitude and noise would go to 0 together.
    """
    basis = basis[: len(values)]
    if basis.shape[1] == 0:
        return
    left = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    if np.linalg.norm(left) <= EXPLAINED * np.linalg.norm(values):
        raise ValueError(
            f"the values must be more than their trend and covariates; trend={trend!r} leaves "
            f"{np.linalg.norm(left) / np.linalg.norm(values):.0e} of them, which is rounding. Its "
            "coefficients are the answer: there is no field left to fit."
        )


def require_transform(transform: str | None) -> None:
    """Refuse transforms that are not there.

    Raises
    ------
    ValueError
        If it is neither None nor "log".
    """
    if transform not in (None, "log"):
        raise ValueError(
            f"`transform` must be None or 'log'; got {transform!r}. Apply any other transform to "
            "the data yourself."
        )
