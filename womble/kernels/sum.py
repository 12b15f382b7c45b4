"""Sums of kernels: fields added up, each with an amplitude and lengthscale of its own."""

from __future__ import annotations

from dataclasses import dataclass

from womble.arguments import checked
from womble.kernels.base import Correlation, Kernel


@checked
@dataclass(frozen=True, repr=False)
class Sum(Kernel):
    """A sum of independent fields, written ``Matern(3.5) + Matern(1.5)``.

    Hyperparameters are numbered in the order of the components. The default priors expect the
    longest lengthscale first.

    Parameters
    ----------
    components : tuple of Correlation
        At least two.

    Raises
    ------
    ValueError
        If there are fewer than two.
    TypeError
        If one is no correlation; sums of sums are written with +.
    """

    components: tuple[Correlation, ...]

    def __post_init__(self) -> None:
        if len(self.components) < 2:
            raise ValueError(
                f"a Sum has at least two components; got {len(self.components)}. A plain kernel "
                "needs no Sum."
            )
        for kernel in self.components:
            if not isinstance(kernel, Correlation):
                raise TypeError(
                    "components of a Sum must be plain kernels, such as Matern(nu=3.5); got "
                    f"{kernel!r}. Add kernels and sums with +."
                )

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.components))

    @property
    def differentiability(self) -> float:
        """That of the roughest component."""
        return min(kernel.differentiability for kernel in self.components)
