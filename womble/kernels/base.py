"""What a kernel is: a correlation in scaled distance and its radial derivatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from womble.arrays import FloatArray

if TYPE_CHECKING:
    from womble.compiled.pairs import ExponentialPolynomials


class Kernel(ABC):
    """What a model's covariance is made of: a correlation, or a sum of them.

    Attributes
    ----------
    components : tuple of Correlation
        Those that are added, each with an amplitude and lengthscale of its own.
    """

    components: tuple[Correlation, ...]

    @property
    @abstractmethod
    def differentiability(self) -> float:
        """Paths have mean-square derivatives of every order strictly below this number."""

    def __add__(self, other: Kernel) -> Kernel:
        """The kernel of the sum of two independent fields."""
        from womble.kernels.sum import Sum

        if not isinstance(other, Kernel):
            return NotImplemented
        return Sum((*self.components, *other.components))

    def require_derivatives(self, order: int) -> None:
        """Raise unless paths have mean-square derivatives of this order."""
        if order >= self.differentiability:
            what = {1: "a gradient", 2: "a Hessian"}.get(order, f"derivatives of order {order}")
            raise ValueError(
                f"{self!r} has no mean-square derivative of order {order}, so its paths do not "
                f"have {what}. Use a smoother kernel: Matern(nu) with nu > {order}, "
                "or SquaredExponential()."
            )


class Correlation(Kernel):
    """An isotropic correlation rho(z) in scaled distance z = r / lengthscale.

    It knows no amplitude, lengthscale or dimension; `womble.covariance` adds them.
    """

    @property
    def components(self) -> tuple[Correlation, ...]:
        """Itself alone."""
        return (self,)

    @abstractmethod
    def radial(self, z: FloatArray, order: int, power: int = 0) -> FloatArray:
        """z^power D^order rho(z) with D = (1/z) d/dz; shape of `z`.

        The power is carried here because bare derivatives of rough kernels diverge at z = 0 while
        the products that covariances use do not.
        """

    @abstractmethod
    def spectral_density(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """Spectral density S(w) of rho at angular frequencies |w|, in units of 1 / lengthscale.

        Normalised so that rho(h) = (2 pi)^-d int S(|w|) exp(i w . h) dw.
        """

    def spectral_slope(self, frequency: FloatArray, dimension: int) -> FloatArray:
        """d log S / d log |w| at angular frequencies |w|; shape of `frequency`."""
        raise ValueError(self._no_fourier_paths())

    def spectral_moment(
        self, beyond: FloatArray | float, dimension: int, power: int
    ) -> FloatArray | float:
        """(2 pi)^-d int S(|w|) |w|^power dw over |w| > beyond; 1 for power = beyond = 0."""
        raise ValueError(self._no_fourier_paths())

    def frequency_beyond(
        self, share: FloatArray | float, beyond: FloatArray | float, dimension: int, power: int
    ) -> FloatArray | float:
        """The radius above `beyond` outside which that `share` of the moment lies.

        With uniform shares these are draws from the density proportional to S |w|^power.
        """
        raise ValueError(self._no_fourier_paths())

    def _no_fourier_paths(self) -> str:
        return (
            f"{self!r} has no closed form of its spectrum's tail, which paths need. "
            "Use Matern(nu) or SquaredExponential(), or moments in place of paths."
        )

    def radials(self, z: FloatArray, terms: list[tuple[int, int]]) -> list[FloatArray]:
        """`radial` at several (order, power) pairs; kernels that can share work override it."""
        return [self.radial(z, order, power) for order, power in terms]

    def exponential_polynomials(
        self, terms: list[tuple[int, int]]
    ) -> ExponentialPolynomials | None:
        """The same products as exponentials times polynomials, for compiled loops; None if not."""
        return None
