"""Units of derivatives, as UDUNITS strings."""

from __future__ import annotations


def derivative_units(
    response: str | None, length: str | None, order: int, power: int = 1
) -> str | None:
    """Units of response^power per length^order, such as "mg kg-1 m-2"; None if not known.

    Parameters
    ----------
    response, length : str or None
        Units of the field and of the coordinates; "1" for dimensionless.
    order : int
        Power of the length in the denominator.
    power : int
        Power of the response.
    """
    parts = []
    for unit, exponent in ((response, power), (length, -order)):
        if exponent == 0 or unit == "1":
            continue
        if unit is None:
            return None
        if exponent == 1:
            parts.append(unit)
        else:
            parts.append(f"{unit}{exponent}" if unit.isalpha() else f"({unit}){exponent}")
    return " ".join(parts) or "1"
