"""What a response is that is not Gaussian: its likelihood, link, exposure and trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from womble.arrays import FloatArray
from womble.hyperparameters import IN_LINK_UNITS, LatentLayout
from womble.likelihoods import LIKELIHOODS, Gaussian, Likelihood, LinkName
from womble.observation_laws import ObservationLaw, observation_law

if TYPE_CHECKING:
    from womble.engines.noise import Noise
    from womble.kernels import Kernel
    from womble.scaling import Scaling

LikelihoodName = Literal[
    "gaussian", "student_t", "poisson", "negative_binomial", "bernoulli", "binomial", "gamma"
]

# Which likelihoods an argument is for.
EXPOSED = ("poisson", "negative_binomial")
TRIED = ("binomial",)
# Of the negative binomial, whose density is a product over whole numbers up to the count.
LARGEST_SUMMED = 1e6
COUNTS = (*EXPOSED, *TRIED)


@dataclass(frozen=True, eq=False)
class Response:
    """How values are observed given the field, where that is not with Gaussian noise.

    Attributes
    ----------
    likelihood : str
        A name of `womble.likelihoods.LIKELIHOODS`.
    exposure : array, shape (n,), or None
        What counts are proportional to: area, time, effort.
    trials : array, shape (n,), or None
        What binomial counts are out of.
    censored : array, shape (n,), or None
        Of Gaussian noise: -1 or 1 where the value is a limit that the measurement was below or
        above, 0 where it is known.
    """

    likelihood: str
    exposure: FloatArray | None = None
    trials: FloatArray | None = None
    censored: FloatArray | None = None

    @property
    def _law(self) -> type[Likelihood]:
        return LIKELIHOODS[self.likelihood]

    @property
    def link(self) -> LinkName:
        """From the response's mean to the field."""
        return self._law.link

    @property
    def _amount(self) -> FloatArray | float:
        """What a value's mean is proportional to."""
        amounts = [a for a in (self.exposure, self.trials) if a is not None]
        return amounts[0] if amounts else 1.0

    @property
    def law(self) -> ObservationLaw:
        """Of values given the field, in user units, where there is no Gaussian noise."""
        return observation_law(self.likelihood, self._amount)

    def layout(self, kernel: Kernel) -> LatentLayout:
        """Names and order of the hyperparameters."""
        return LatentLayout(len(kernel.components), parameters=self._law.parameters)

    def parameters_out(self, scaled: Sequence[float], scaling: Scaling) -> tuple[float, ...]:
        """The likelihood's own parameters in user units."""
        units = dict.fromkeys(IN_LINK_UNITS, scaling.scale)
        named = zip(self._law.parameters, scaled, strict=True)
        return tuple(units.get(name, 1.0) * x for name, x in named)

    def centre(self, values: FloatArray) -> float:
        """The link of the values' overall mean: what trends are relative to."""
        total, amount = values.sum(), np.sum(np.broadcast_to(self._amount, values.shape))
        if self.link == "log":
            return float(np.log(total / amount))
        # Half a success and half a failure more keep it finite.
        return float(np.log((total + 0.5) / (amount - total + 0.5)))

    @property
    def stated(self) -> str:
        """The likelihood as it was asked for."""
        censored = "" if self.censored is None else " and censored values"
        return f"likelihood={self.likelihood!r}{censored}"

    @property
    def described(self) -> str:
        """The likelihood in words."""
        if self.censored is None:
            return self.likelihood
        return f"{self.likelihood}, {np.count_nonzero(self.censored)} values censored"

    def observed(self, values: FloatArray, scaling: Scaling, noise: Noise) -> Likelihood:
        """The likelihood of the values, for a scaled field.

        Parameters
        ----------
        noise : Noise
            Of the values, scaled; Gaussian responses have it.
        """
        if self.censored is not None:
            y, share, known = scaling.values_in(values), noise.share, noise.known
            return Gaussian(y, censored=self.censored, share=share, known=known)
        if self.link == "identity":
            return self._law(scaling.values_in(values))
        offset = scaling.offset
        if self.exposure is not None:
            offset = offset + np.log(self.exposure)
        return self._law(values, offset, 1.0 if self.trials is None else self.trials)

    def field_name(self, name: str) -> str:
        """What the field is called on the link scale."""
        return name if self.link == "identity" else f"{self.link} {self.mean_name(name)}"

    def mean_name(self, name: str) -> str:
        """What the field is called on the response scale."""
        if self.link == "logit":
            return f"probability of {name}"
        return f"rate of {name}" if self.likelihood in EXPOSED else name

    def to_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it."""
        arrays = {name: getattr(self, name) for name in ("exposure", "trials", "censored")}
        kept = {name: array for name, array in arrays.items() if array is not None}
        return {"likelihood": self.likelihood, **kept}


def check_likelihood(name: str, anisotropic: bool = False) -> None:
    """Refuse a name that is no likelihood's, and anisotropy but for the Gaussian one.

    Raises
    ------
    ValueError
        With those that are.
    """
    if name not in LIKELIHOODS:
        known = ", ".join(map(repr, LIKELIHOODS))
        raise ValueError(f"`likelihood` must be one of {known}; got {name!r}.")
    if anisotropic and name != "gaussian":
        raise ValueError(
            f"`anisotropic=True` needs likelihood='gaussian'; got likelihood={name!r}. Use "
            "anisotropic=False."
        )


def require_inference(
    observed: Response | None,
    inference: str | None,
    engine: str,
    *,
    of_gaussian: tuple[str | None, ...],
) -> None:
    """Refuse an inference or an engine that the likelihood does not have.

    Parameters
    ----------
    observed : Response or None
        None for Gaussian noise.
    of_gaussian : tuple of str or None
        Inferences for Gaussian noise.

    Raises
    ------
    ValueError
    """
    gaussian = observed is None
    known = of_gaussian if gaussian else ("nuts", "laplace")
    stated = "likelihood='gaussian'" if gaussian else observed.stated
    if inference not in known and (inference is not None or None not in of_gaussian):
        why = ", for which the field is integrated out exactly" if gaussian else ""
        expected = ("one of " if len(known) > 1 else "") + ", ".join(map(repr, known))
        raise ValueError(f"`inference` must be {expected} with {stated}{why}; got {inference!r}.")
    if not gaussian and engine != "auto":
        raise ValueError(
            f"`engine` must be 'auto' with {stated}, which has an engine of its own; got "
            f"{engine!r}."
        )


def require_worked_out(likelihood: str, transform: str | None, asked: Mapping[str, bool]) -> None:
    """Refuse what goes with Gaussian noise only.

    Parameters
    ----------
    asked : mapping of str to bool
        Further arguments of a fit by name, and whether they are given.

    Raises
    ------
    ValueError
        With the first that is given.
    """
    if likelihood == "gaussian":
        return
    if transform is not None and LIKELIHOODS[likelihood].link != "identity":
        raise ValueError(
            f"`transform` must be None with likelihood={likelihood!r}, whose link is "
            f"{LIKELIHOODS[likelihood].link!r}; got {transform!r}."
        )
    for name, is_asked in asked.items():
        if is_asked:
            raise ValueError(
                f"`{name}` needs likelihood='gaussian'; got likelihood={likelihood!r}, with which "
                "it is not worked out. Leave it out."
            )


def response(
    likelihood: str,
    values: FloatArray,
    name: str,
    exposure: FloatArray | None,
    trials: FloatArray | None,
    censored: FloatArray | None = None,
) -> Response | None:
    """The response for these values, or None for Gaussian ones.

    Parameters
    ----------
    exposure, trials, censored : array, shape (n,), or None
        One for each value.

    Raises
    ------
    ValueError
        If the values, the exposure, the trials or censoring cannot be those of the likelihood.
    """
    for what, given, where in (
        ("exposure", exposure, EXPOSED),
        ("trials", trials, TRIED),
        ("left_censored` or `right_censored", censored, ("gaussian",)),
    ):
        if given is not None and likelihood not in where:
            expected = " or ".join(map(repr, where))
            raise ValueError(
                f"`{what}` is for likelihood {expected}; got likelihood={likelihood!r}. Leave it "
                "out, or change the model's likelihood."
            )
    if likelihood == "gaussian":
        exact = censored is None or not censored.any()
        return None if exact else Response(likelihood, censored=censored)
    if likelihood == "binomial" and trials is None:
        raise ValueError(
            "likelihood='binomial' needs `trials`, a column or one number for each row; got None. "
            "For presence and absence take likelihood='bernoulli'."
        )
    _require_positive(exposure, "exposure")
    _require_support(likelihood, values, name, trials)
    return Response(likelihood, exposure, trials)


def _require_positive(array: FloatArray | None, name: str) -> None:
    if array is not None and not ((array > 0) & np.isfinite(array)).all():
        bad = int((~((array > 0) & np.isfinite(array))).sum())
        raise ValueError(
            f"`{name}` must be positive and finite; {bad} of {len(array)} are not. Drop those rows."
        )


def _require_support(
    likelihood: str, values: FloatArray, name: str, trials: FloatArray | None
) -> None:
    """Refuse values that the likelihood gives no chance."""
    rules = []
    if likelihood == "bernoulli":
        rules = [("be 0 or 1", (values == 0) | (values == 1), "Compare with a threshold first.")]
    if likelihood in COUNTS:
        whole = (values >= 0) & (values == np.floor(values))
        advice = "Densities are counts per exposure: give the counts, and `exposure`."
        rules = [("be counts: whole numbers, at least 0", whole, advice)]
    if likelihood == "negative_binomial":
        advice = "Their logarithms are as good with likelihood='gaussian'."
        rules.append((f"be at most {LARGEST_SUMMED:g}", values <= LARGEST_SUMMED, advice))
    if likelihood == "gamma":
        rules = [("be positive", values > 0, "Zeros need another model, such as presence first.")]
    if trials is not None:
        fits = (trials >= values) & (trials == np.floor(trials)) & (trials > 0)
        rules.append(("be at most whole `trials`", fits, "Check that both are of the same rows."))
    for rule, good, advice in rules:
        if not good.all():
            first = values[np.argmin(good)]
            raise ValueError(
                f"with likelihood={likelihood!r} the values of {name!r} must {rule}; "
                f"{int((~good).sum())} of {len(values)} are not, the first is {first:g}. {advice}"
            )
