"""Answers about integrals of a field on a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from womble.arguments import checked
from womble.arrays import FloatArray
from womble.engines.base import Target
from womble.posterior.fitted import Fitted
from womble.readers import query_points
from womble.units import derivative_units

if TYPE_CHECKING:
    import pandas as pd


class Antiderivatives(Fitted):
    """The methods of a Posterior that integrate; the data have one coordinate."""

    @checked
    def antiderivative(
        self,
        x: Any,
        *,
        order: Literal[1, 2] = 1,
        origin: Any = None,
        target: Target = "surface",
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> xr.Dataset:
        """Posterior of the integral of the field from `origin` to x, or of the integral of that.

        F1(x) = int_o^x f and F2(x) = int_o^x F1 on the link scale, in closed form: both are 0 at
        the origin, where there is nothing to be uncertain of, and negative where a positive field
        is integrated to the left of it.

        Parameters
        ----------
        x : array, shape (p,) or (p, 1)
            In coordinate units, or dates where the data have them.
        order : {1, 2}
            1 is F1, 2 is F2.
        origin : float, optional
            The o of the formulas, in coordinate units; by default the smallest data location.
        target : {"surface", "process"}
            Trend and process, or the process alone.
        samples : int, optional
            Posterior draws to average over; None takes all up to 1,000.
        rng : int or Generator, optional
            Chooses the samples.

        Returns
        -------
        xarray.Dataset
            Variable antiderivative, dimensions (statistic, x), statistic = mean, sd, q025, q50,
            q975; its attributes hold origin, order and units: the response's times those of the
            coordinate to the order (of a logarithm only the latter).

        Raises
        ------
        ValueError
            If the data have more than one coordinate, the kernel has no closed form for this, or
            an argument is malformed.

        References
        ----------
        Rasmussen and Williams (2006), sec. 9.4, on linear operators of a Gaussian process.
        """
        from womble.antiderivative import antiderivative_dataset, antiderivative_statistics

        self._require_integrable("antiderivative()")
        if order not in (1, 2):
            raise ValueError(f"`order` must be 1 or 2; got {order!r}.")
        points, origin = self._positions(x), self._origin(origin)
        ensemble = self.ensemble(target, samples, np.random.default_rng(rng))
        return antiderivative_dataset(
            antiderivative_statistics(ensemble, points, order, origin),
            points,
            order,
            origin,
            axis=self.data.axis,
            field=self.data.field_name(),
            units=self._units_of_order(-order),
            coordinate_units=self.data.coordinate_units,
            source=self._source(),
        )

    @checked
    def integral(
        self,
        a: Any,
        b: Any,
        *,
        target: Target = "surface",
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> pd.Series:
        """Posterior of the integral of the field from a to b, in closed form.

        Parameters
        ----------
        a, b : float
            In coordinate units; the integral changes its sign when they are exchanged.
        target, samples, rng
            As in `antiderivative`.

        Returns
        -------
        pandas.Series
            mean, sd, q025, q50, q975; `attrs` holds a, b and units.

        Raises
        ------
        ValueError
            As in `antiderivative`.
        """
        import pandas as pd

        from womble.antiderivative import antiderivative_statistics
        from womble.summaries import STATISTICS

        self._require_integrable("integral()")
        a, b = self._position(a, "a"), self._position(b, "b")
        ensemble = self.ensemble(target, samples, np.random.default_rng(rng))
        statistics = antiderivative_statistics(ensemble, np.array([b]), 1, a)[:, 0]
        name = f"integral of {self.data.field_name()}"
        found = pd.Series(statistics, index=list(STATISTICS), name=name)
        found.attrs = {"a": a, "b": b, "units": self._units_of_order(-1)}
        return found

    @checked
    def antiderivative_moments(
        self,
        x: Any,
        *,
        orders: Sequence[int] = (-2, -1, 0, 1, 2),
        origin: Any = None,
        target: Target = "surface",
        samples: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Joint posterior moments of antiderivatives, value and derivatives at all points.

        Parameters
        ----------
        x : array, shape (p,) or (p, 1)
            In coordinate units.
        orders : sequence of distinct int from -2 to 2, length c
            -2 and -1 are the antiderivatives F2 and F1, 0 the value, 1 and 2 derivatives.
        origin, target, samples, rng
            As in `antiderivative`.

        Returns
        -------
        mean : array, shape (p * c,)
            Point by point, each point's orders together, in response units times coordinate units
            to the power of -order.
        covariance : array, shape (p * c, p * c)

        Raises
        ------
        ValueError
            As in `antiderivative`, or if the kernel is too rough for a derivative.
        """
        from womble.antiderivative import joint_line_moments
        from womble.primitive import OnLine

        self._require_integrable("antiderivative_moments()")
        orders = tuple(orders)
        if not orders or not set(orders) <= {-2, -1, 0, 1, 2} or len(set(orders)) < len(orders):
            raise ValueError(f"`orders` must be distinct numbers from -2 to 2; got {orders}.")
        self.kernel.require_derivatives(max(orders))
        points = self._positions(x)
        rows = OnLine(points, tuple(int(a) for a in orders), self._origin(origin))
        ensemble = self.ensemble(target, samples, np.random.default_rng(rng))
        return joint_line_moments(ensemble, rows)

    def _require_integrable(self, what: str) -> None:
        self._require_dense(what, "whose kernels have antiderivatives")
        d = self.data.coords.shape[1]
        if d != 1:
            raise ValueError(
                f"{what} needs data on a line, with one coordinate; these have {d}. In the plane "
                "use integrate(polygons)."
            )

    def _origin(self, origin: Any) -> float:
        return float(self.data.coords.min()) if origin is None else self._position(origin, "origin")

    def _positions(self, x: Any) -> FloatArray:
        """Positions (p,) as numbers, where the data have dates days since the first."""
        return query_points(self.data.axis.numbers(x), 1, "x")[:, 0]

    def _position(self, value: Any, name: str) -> float:
        number = self.data.axis.numbers(value)
        if number.ndim != 0 or not np.isfinite(number):
            raise ValueError(
                f"`{name}` must be one finite number, in coordinate units (along dates: a date); "
                f"got {value!r}."
            )
        return float(number)

    def _units_of_order(self, order: int) -> str | None:
        """Units of a derivative, or for negative orders of an antiderivative."""
        return derivative_units(self.data.difference_units, self.data.coordinate_units, order)
