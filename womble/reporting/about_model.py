"""The chapter on the model: in words, in formulas, its priors and what the fit made of them."""

from __future__ import annotations

from womble import kernels
from womble.kernels import Kernel
from womble.posterior import Posterior
from womble.reporting.content import (
    Block,
    Formula,
    Number,
    Section,
    Table,
    Text,
    cell,
    sentence,
    units_shown,
)
from womble.reporting.findings import Findings

MEANINGS = {
    "lengthscale": "distance over which Z stays alike, ℓ",
    "amplitude": "standard deviation of Z, σ",
    "noise_sd": "standard deviation of the noise, τ",
    "noise_scale": "scale of the noise, τ",
    "degrees_of_freedom": "degrees of freedom of the noise",
    "dispersion": "a: the variance of a count of mean m is m + a m²",
    "shape": "a: the variance of a value of mean m is m² / a",
    "anisotropy": "log(ratio of lengthscales) times cosine (1) and sine (2) of twice the angle",
}
# Of a value y given the field; an underscore before i makes it an index.
LAWS = {
    "student_t": "y_i ~ Student t(η_i, τ, degrees of freedom)",
    "poisson": "y_i ~ Poisson(exposure_i · exp η_i)",
    "negative_binomial": "y_i ~ negative binomial(mean exposure_i · exp η_i, dispersion a)",
    "bernoulli": "y_i ~ Bernoulli(p_i), &nbsp; log(p_i / (1 − p_i)) = η_i",
    "binomial": "y_i ~ binomial(trials_i, p_i), &nbsp; log(p_i / (1 − p_i)) = η_i",
    "gamma": "y_i ~ gamma(mean exp η_i, shape a)",
}
TRENDS = {
    "none": "no trend: the field has mean 0",
    "constant": "an unknown constant mean",
    "linear": "a plane in the coordinates",
    "quadratic": "a quadratic surface in the coordinates",
}


def model_section(findings: Findings) -> Section:
    """The model in words and in formulas, its priors, and what the fit made of them."""
    post = findings.posterior
    data, table = post.data, findings.posterior.summary()
    parts = ["" if post.trend == "none" else "H(s_i)′b"]
    parts += ["" if data.covariates is None else "x_i′γ", "Z(s_i)"]
    eta = " + ".join(part for part in parts if part)
    blocks: list[Block] = [
        Formula(_likelihood(post, eta).replace("_i", "<sub>i</sub>")),
        Formula(f"Z ~ GP(0, k), &nbsp; {_covariance(post.kernel)}"),
        sentence(
            "The field is a Gaussian process with kernel {kernel} and {trend}. A kernel of "
            "differentiability {} has gradients above 1, second derivatives above 2 and crest "
            "lines of single draws above 3. {given}",
            Number("model.differentiability", float(post.kernel.differentiability)),
            kernel=repr(post.kernel) + (", anisotropic" if post.layout.anisotropic else ""),
            trend=TRENDS[post.trend],
            given=_noise(post),
        ),
        Text([f"Engine: {post.engine}."]),
        Text([f"Inference: {post.inference}."]),
        _prior_table(post),
    ]
    if post.layout.anisotropic:
        blocks.append(_anisotropy(table))
    if data.covariates is not None:
        blocks.append(_coefficients(post))
    return Section("model", "Model and priors", blocks)


def _likelihood(post: Posterior, eta: str) -> str:
    response = post.data.response
    if response is None or response.censored is not None:
        share = "" if post.data.weights is None else " / w_i"
        known = "" if post.data.measurement_sd is None else " + m_i²"
        return f"y_i = {eta} + e_i, &nbsp; e_i ~ N(0, τ²{share}{known})"
    return f"{LAWS[response.likelihood]}, &nbsp; η_i = {eta}"


def _noise(post: Posterior) -> str:
    data, parts = post.data, []
    if data.measurement_sd is not None:
        parts.append("m is the known standard deviation of each measurement.")
    if data.weights is not None:
        parts.append("w is the number of measurements that a value is the mean of.")
    if data.slopes is not None:
        parts.append("Measured slopes are among the data.")
    if data.response is not None and data.response.censored is not None:
        parts.append(f"Likelihood: {data.response.described}; those values are limits.")
    return " ".join(parts)


def _covariance(kernel: Kernel) -> str:
    terms = []
    for i, part in enumerate(kernel.components, start=1):
        index = f"<sub>{i}</sub>" if len(kernel.components) > 1 else ""
        terms.append(f"σ{index}² {_correlation(part, f'r / ℓ{index}')}")
    return f"k(r) = {' + '.join(terms)}"


def _correlation(part: object, z: str) -> str:
    if isinstance(part, kernels.Matern):
        a = f"√(2ν) {z}"
        return f"2<sup>1−ν</sup> / Γ(ν) · ({a})<sup>ν</sup> K<sub>ν</sub>({a}), ν = {part.nu:g}"
    if isinstance(part, kernels.RationalQuadratic):
        return f"(1 + ({z})² / 2α)<sup>−α</sup>, α = {part.alpha:g}"
    return f"exp(−({z})² / 2)"


def _prior_table(post: Posterior) -> Table:
    table, layout = post.summary(), post.layout
    rows = []
    for name, kind in zip(layout.names, layout.kinds, strict=True):
        row, prefix = table.loc[name], f"model.{name}"
        unknown = "given" if post.inference.startswith("given") else "not recorded with the fit"
        prior = post.draws[name].attrs.get("prior", unknown)
        found = cell(Number(f"{prefix}.mean", float(row["mean"])))
        if not post.given:
            found = _posterior(prefix, row)
        rows.append(
            [
                cell(name),
                cell(MEANINGS[kind]),
                cell(str(prior)),
                found,
                cell(units_shown(row["units"])),
            ]
        )
    told = "value" if post.given else "posterior mean (95% interval)"
    head = ["hyperparameter", "what it is", "prior", told, "units"]
    return Table(head, rows, "Hyperparameters: priors and posterior", "summary.csv")


def _posterior(prefix: str, row: object) -> list:
    numbers = [Number(f"{prefix}.{name}", float(row[name])) for name in ("mean", "q025", "q975")]
    return [numbers[0], " (", numbers[1], " to ", numbers[2], ")"]


def _anisotropy(table: object) -> Text:
    ratio, angle = table.loc["anisotropy_ratio"], table.loc["anisotropy_angle"]
    return sentence(
        "The longest lengthscale is {} times the shortest (95%: {} to {}), in the direction {}° "
        "(standard deviation {}°), counter-clockwise from the x axis.",
        Number("model.ratio.mean", float(ratio["mean"])),
        Number("model.ratio.q025", float(ratio["q025"])),
        Number("model.ratio.q975", float(ratio["q975"])),
        Number("model.angle.mean", float(angle["mean"])),
        Number("model.angle.sd", float(angle["sd"])),
    )


def _coefficients(post: Posterior) -> Table:
    table = post.coefficients()
    rows = [
        # Ids have no spaces, and names of columns may.
        [cell(str(name)), _posterior(f"coefficients.{'_'.join(str(name).split())}", row)]
        for name, row in table.iterrows()
    ]
    head = ["covariate", "coefficient (95% interval)"]
    return Table(
        head, rows, "Coefficients of the covariates, on the link scale", "coefficients.csv"
    )
