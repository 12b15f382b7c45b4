"""Hyperparameters by name: their order as a vector, and what a posterior draw of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, hypot, log

import numpy as np

from womble.anisotropy import pair_of
from womble.arrays import FloatArray
from womble.covariance import Scale
from womble.kernels import Kernel
from womble.scaling import Scaling

# Scaled hyperparameters beyond these are no model of anything, and their powers overflow. Leapfrog
# steps that overshoot before the step size has adapted get there.
SMALLEST, LARGEST = 1e-50, 1e50


@dataclass(frozen=True)
class Theta:
    """Hyperparameters of one posterior draw.

    Attributes
    ----------
    scales : tuple of Scale
        Amplitude and lengthscale of each component of the kernel: one, unless it is a sum.
    noise_sd : float
    anisotropy : (float, float) or None
        Logarithm of the longest over the shortest lengthscale, times cosine and sine of twice the
        angle of the longest; None for an isotropic model. `Scale.lengthscale` is then the
        geometric mean of the two.
    """

    scales: tuple[Scale, ...]
    noise_sd: float
    anisotropy: tuple[float, float] | None = None

    @property
    def shortest(self) -> float:
        """Shortest lengthscale, of any component and in any direction."""
        stretch = 0.0 if self.anisotropy is None else hypot(*self.anisotropy)
        return min(scale.lengthscale for scale in self.scales) * exp(-0.5 * stretch)


@dataclass(frozen=True)
class Layout:
    """Names and order of a model's hyperparameters.

    lengthscale, amplitude, noise_sd for a plain kernel; lengthscale_1, amplitude_1, lengthscale_2,
    amplitude_2, .., noise_sd for a sum; then anisotropy_1, anisotropy_2 for an anisotropic model.

    Parameters
    ----------
    components : int
        Of the kernel.
    anisotropic : bool
    """

    components: int = 1
    anisotropic: bool = False

    @classmethod
    def of(cls, kernel: Kernel, anisotropic: bool = False) -> Layout:
        """That of a model with this kernel."""
        return cls(len(kernel.components), anisotropic)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What each hyperparameter is: its name without a number."""
        end = ("anisotropy",) * 2 if self.anisotropic else ()
        return ("lengthscale", "amplitude") * self.components + ("noise_sd", *end)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in order, shape (k,); kinds that occur more than once are numbered from 1."""
        return tuple(
            f"{kind}_{self.kinds[: i + 1].count(kind)}" if self.kinds.count(kind) > 1 else kind
            for i, kind in enumerate(self.kinds)
        )

    def in_range(self, scaled: FloatArray) -> bool:
        """Whether a scaled vector (k,) is one that a computer can work with."""
        end = 2 * self.components + 1  # all but the anisotropy is positive; that is a logarithm
        positive = ((scaled[:end] > SMALLEST) & (scaled[:end] < LARGEST)).all()
        return bool(positive and (np.abs(scaled[end:]) < log(LARGEST)).all())

    def units(self, scaling: Scaling) -> FloatArray:
        """Factors that turn scaled hyperparameters into user units, shape (k,)."""
        of_kind = {
            "lengthscale": scaling.length,
            "amplitude": scaling.scale,
            "noise_sd": scaling.scale,
            "anisotropy": 1.0,
        }
        return np.array([of_kind[kind] for kind in self.kinds])

    def theta(self, vector: Sequence[float] | FloatArray) -> Theta:
        """The hyperparameters that a vector (k,) holds in this order."""
        numbers = [float(x) for x in vector]
        end = 2 * self.components
        pairs = zip(numbers[:end:2], numbers[1:end:2], strict=True)
        scales = tuple(Scale(amplitude, lengthscale) for lengthscale, amplitude in pairs)
        noise_sd, *rest = numbers[end:]
        return Theta(scales, noise_sd, tuple(rest) if self.anisotropic else None)

    def vector(self, theta: Theta) -> FloatArray:
        """The inverse of `theta`, shape (k,)."""
        scales = [x for scale in theta.scales for x in (scale.lengthscale, scale.amplitude)]
        return np.array([*scales, theta.noise_sd, *(theta.anisotropy or ())])

    def scaled(self, given: Mapping[str, float], scaling: Scaling) -> FloatArray:
        """Hyperparameters that a user gives in user units, as a scaled vector (k,).

        Raises
        ------
        ValueError
            If they are so far from the data's scale that their powers overflow.
        """
        vector = np.array([given[name] for name in self.names]) / self.units(scaling)
        # No noise is a limit that exists: anything small is that.
        least = np.where(np.array(self.kinds) == "noise_sd", 1.0, -np.inf)
        if not self.in_range(np.maximum(vector, least)):
            stated = ", ".join(f"{name}={x:.3g}" for name, x in given.items())
            raise ValueError(
                f"hyperparameters must be within a factor of {LARGEST:g} of the data's scale, "
                f"which is {scaling.length:.3g} for lengthscales and {scaling.scale:.3g} for "
                f"amplitudes; got {stated}. Are they in the data's units?"
            )
        return vector


PLAIN = Layout()

# Hyperparameters of every kernel, and of anisotropic models.
SHAPE = ("lengthscale", "amplitude", "anisotropy")
# Hyperparameters in the units of the link scale.
IN_LINK_UNITS = ("amplitude", "noise_sd", "noise_scale")


@dataclass(frozen=True, eq=False)
class State:
    """One posterior draw of a model whose likelihood is not integrated out.

    Attributes
    ----------
    scales : tuple of Scale
        As in `Theta`.
    parameters : tuple of float
        The likelihood's own.
    weights : array, shape (m,), or None
        The draw's weights of the field's features; None where they have a normal law given the
        rest.
    """

    scales: tuple[Scale, ...]
    parameters: tuple[float, ...]
    weights: FloatArray | None = None

    @property
    def shortest(self) -> float:
        """Shortest lengthscale of any component."""
        return min(scale.lengthscale for scale in self.scales)


@dataclass(frozen=True)
class LatentLayout(Layout):
    """Those of a model with any likelihood: lengthscales and amplitudes, and the likelihood's own.

    Parameters
    ----------
    parameters : tuple of str
        Of the likelihood; all positive.
    """

    parameters: tuple[str, ...] = ()

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """See `Layout.kinds`."""
        return ("lengthscale", "amplitude") * self.components + self.parameters

    def in_range(self, scaled: FloatArray) -> bool:
        """See `Layout.in_range`."""
        return bool(((scaled > SMALLEST) & (scaled < LARGEST)).all())

    def units(self, scaling: Scaling) -> FloatArray:
        """See `Layout.units`."""
        of_kind = {"lengthscale": scaling.length} | dict.fromkeys(IN_LINK_UNITS, scaling.scale)
        return np.array([of_kind.get(kind, 1.0) for kind in self.kinds])

    def theta(self, vector: Sequence[float] | FloatArray) -> State:
        """The hyperparameters that a vector (k,) holds in this order."""
        numbers = [float(x) for x in vector]
        end = 2 * self.components
        pairs = zip(numbers[:end:2], numbers[1:end:2], strict=True)
        scales = tuple(Scale(amplitude, lengthscale) for lengthscale, amplitude in pairs)
        return State(scales, tuple(numbers[end:]))


def given_hyperparameters(
    layout: Layout,
    *,
    lengthscale: float | Sequence[float],
    amplitude: float | Sequence[float],
    noise_sd: float | None = None,
    others: Mapping[str, float | None] | None = None,
    anisotropy: tuple[float, float] | None = None,
) -> dict[str, float]:
    """What a user gives, by name and checked.

    Parameters
    ----------
    others : mapping of str to float or None
        Those of other likelihoods than the Gaussian; None where not given.
    anisotropy : (ratio, angle), optional
        The angle in degrees.

    Raises
    ------
    ValueError
        If there are not as many numbers as the kernel has components, one is missing or too many
        or out of range, or there is an anisotropy where the model has none, or none where it has.
    """
    others = {"noise_sd": noise_sd} | dict(others or {})
    wanted = [kind for kind in layout.kinds if kind not in SHAPE]
    stated = [name for name, number in others.items() if number is not None]
    if sorted(stated) != sorted(wanted):
        expected = ", ".join(f"`{name}`" for name in wanted) or "nothing"
        got = ", ".join(f"`{name}`" for name in stated) or "nothing"
        raise ValueError(
            f"besides `lengthscale` and `amplitude`, this likelihood needs {expected}; got {got}."
        )
    scales = (
        _each(name, given, layout.components)
        for name, given in (("lengthscale", lengthscale), ("amplitude", amplitude))
    )
    vector = [x for pair in zip(*scales, strict=True) for x in pair]
    vector += [others[name] for name in wanted]
    for name, number in zip(layout.names, vector, strict=False):  # all but the anisotropy
        # A likelihood by which the field is not integrated out exactly has no limit of no noise.
        may_be_zero = name == "noise_sd" and not isinstance(layout, LatentLayout)
        least = "at least 0" if may_be_zero else "positive"
        if not (np.isfinite(number) and (number > 0 or (may_be_zero and number == 0))):
            raise ValueError(f"`{name}` must be {least} and finite; got {number!r}.")
    vector.extend(_pair(layout, anisotropy))
    return {name: float(x) for name, x in zip(layout.names, vector, strict=True)}


def _pair(layout: Layout, given: tuple[float, float] | None) -> tuple[float, ...]:
    """The numbers of the anisotropy; none of an isotropic model."""
    if not layout.anisotropic:
        if given is not None:
            raise ValueError(
                f"`anisotropy` is of anisotropic models alone; got {given!r}. Use "
                "FieldModel(anisotropic=True)."
            )
        return ()
    numbers = np.asarray([] if given is None else given, dtype=float)
    if numbers.shape != (2,) or not np.isfinite(numbers).all() or numbers[0] < 1:
        raise ValueError(
            "`anisotropy` must be (ratio, angle): longest over shortest lengthscale, at least 1, "
            f"and the direction of the longest in degrees; got {given!r}."
        )
    return pair_of(*numbers)


def _each(name: str, given: float | Sequence[float], components: int) -> list[float]:
    """One number for each component of the kernel."""
    numbers = np.asarray(given, dtype=float)
    if numbers.shape != (components,) and (components > 1 or numbers.shape != ()):
        expected = (
            "a number" if components == 1 else f"{components} numbers, one for each component"
        )
        raise ValueError(f"`{name}` must be {expected} of the kernel; got {given!r}.")
    return numbers.reshape(components).tolist()
