"""Simulation-based calibration of the full Bayes Gaussian model, priors stated and frozen.

Hyperparameters, data, jets at points and wombling measures of a random curve are drawn together
from the prior (`prior_truth`, which shares no formula with the package); the model is fitted to the
data with that very prior. Where the posterior is right, the truth's rank in it is uniform, whatever
the data are (Cook, Gelman and Rubin 2006; Talts et al. 2018). Every replicate is a row of
data/validation/calibration.csv: rows that are there are not computed again, and none is left out.

The trend is `none` in most: it is the prior that can be drawn from. A constant's coefficient has a
prior around the data's mean, which cannot; but where it is as good as flat, whatever is told of the
surface holds for every true constant alike (Berger 1985, sec. 6.6), so that one stands for all.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from cases import holm, standard_bound
from prior_truth import derivatives, drawn, integrals, jet
from scipy.special import ndtr
from scipy.stats import binomtest, chisquare, kstest

import womble as wb
from womble.curve import measures, segments
from womble.hyperparameters import PLAIN
from womble.laws import HalfNormal, InverseGamma

pytestmark = pytest.mark.slow

FILE = Path(__file__).parents[1] / "data" / "validation" / "calibration.csv"
KERNELS = {
    "3/2": wb.Matern(1.5),
    "5/2": wb.Matern(2.5),
    "7/2": wb.Matern(3.5),
    "squared exponential": wb.SquaredExponential(),
}
# The frozen prior, on the unit square: inverse gamma (shape, scale), half normal, half normal.
LENGTHSCALE, AMPLITUDE, NOISE_SD = (2.0, 0.6), 1.0, 0.3
# What is added where the fit has to find a constant.
CONSTANT = 7.0
REPLICATES, BY_NUTS = 300, 50
# Draws of the hyperparameters over which the field is averaged, of 1,000.
SAMPLES = 150
# Paths, of which the slope's rank is taken.
PATHS = 49
PIECES = 6
JET = ("value", "dx", "dy", "dxx", "dxy", "dyy")
MEASURES = ("gradient_measure", "curvature_measure")
TOTALS = ("gradient_total", "curvature_total")
# What a column of the published table is about.
GROUPS = {
    "value": JET[:1],
    "gradient": JET[1:3],
    "Hessian": JET[3:],
    "slope": ("slope",),
    "measures": MEASURES,
    "totals": TOTALS,
    "hyperparameters": PLAIN.names,
}
EVERY = [*JET, "slope", *MEASURES, *TOTALS, *PLAIN.names]
UNITS = dict.fromkeys(EVERY, 1) | dict.fromkeys((*JET, "slope", *MEASURES), 6)
KEYS = ["kernel", "n", "trend", "inference", "seed"]
KINDS = [
    *((kernel, n, "none", "importance") for kernel in KERNELS for n in (50, 200)),
    ("7/2", 50, "constant", "importance"),
    *((kernel, 50, "none", "nuts") for kernel in KERNELS),
]
# Of the file; a rough kernel leaves those of second order empty.
COLUMNS = [*KEYS, *PLAIN.names, *(f"median_{name}" for name in PLAIN.names), "k_hat", "nuts"]
COLUMNS += [f"{what}_{name}" for what in ("u", "in95", "in50") for name in EVERY]


# -- one replicate ---------------------------------------------------------------------------------


class Frozen(wb.PenalisedComplexity):
    """The frozen prior in the package's closed forms: PyMC's graphs take longer than the fit."""

    def laws(self, layout, dimension):
        """By name."""
        laws = InverseGamma(*LENGTHSCALE), HalfNormal(AMPLITUDE), HalfNormal(NOISE_SD)
        return dict(zip(layout.names, laws, strict=True))


def by_pymc():
    """The same as users state it."""
    import pymc as pm

    alpha, beta = LENGTHSCALE
    return {
        "lengthscale": pm.InverseGamma.dist(alpha=alpha, beta=beta),
        "amplitude": pm.HalfNormal.dist(sigma=AMPLITUDE),
        "noise_sd": pm.HalfNormal.dist(sigma=NOISE_SD),
    }


def prior_draw(rng):
    """Hyperparameters from the same, by NumPy."""
    alpha, beta = LENGTHSCALE
    return {
        "lengthscale": beta / rng.gamma(alpha),
        "amplitude": AMPLITUDE * abs(rng.standard_normal()),
        "noise_sd": NOISE_SD * abs(rng.standard_normal()),
    }


def random_curve(rng):
    """Vertices of straight pieces along a cubic Bezier curve in the unit square."""
    a, b, c, d = rng.uniform(size=(4, 2))
    t = np.linspace(0, 1, PIECES + 1)[:, None]
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


def random_cells(rng):
    """Six cells of a coarse grid that lies anywhere in the unit square."""
    x, y = rng.uniform((0, 0), (0.4, 0.7))
    return wb.Grid(x + 0.3 * np.arange(3), y + 0.3 * np.arange(2), np.ones((2, 3), dtype=bool))


def simulated(kernel, n, trend, rng):
    """Data, cells, curve, and the truth by name: an array with an entry a point or piece."""
    theta = prior_draw(rng)
    coords, grid, curve = rng.uniform(size=(n, 2)), random_cells(rng), random_curve(rng)
    order = 2 if kernel.differentiability > 2 else 1
    blocks = [derivatives(coords), *jet(grid.points, order)]
    blocks += [integrals(curve, k, theta["lengthscale"]) for k in range(1, order + 1)]
    field, *parts = drawn(kernel, theta["amplitude"], theta["lengthscale"], blocks, rng)
    truth = dict(zip(JET[: 3 * order] + MEASURES[:order], parts, strict=True))
    values = field + theta["noise_sd"] * rng.standard_normal(n)
    if trend == "constant":
        values, truth["value"] = values + CONSTANT, truth["value"] + CONSTANT
    truth |= dict(zip(TOTALS[:order], ([truth[name].sum()] for name in MEASURES), strict=False))
    truth["slope"] = np.hypot(truth["dx"], truth["dy"])
    return (coords, values), grid, shapely.LineString(curve), truth, theta


def fitted(kernel, trend, inference, data, seed):
    """The posterior; NUTS by short chains, also where it replaces importance sampling."""
    nuts = inference == "nuts"
    priors = by_pymc() if nuts else Frozen(lengthscale=(1.0, 0.5), amplitude=(1.0, 0.5))
    model = wb.FieldModel(kernel=kernel, trend=trend, priors=priors)
    chains = {"tune": 300, "chains": 2, "draws": 500 if nuts else 1000}
    return model.fit(data, inference=inference, rng=seed, progress=False, **chains)


def transforms(post, grid, curve, truth, rng):
    """P(quantity < truth | data) by name, for each point or piece, field integrated out."""
    ensemble = post.ensemble("surface", SAMPLES, rng)
    pieces, order = segments([curve]), post.order
    shortest = ensemble.shortest_lengthscale
    functionals = [
        measures(pieces, rows, shortest, order)
        for rows in (np.arange(PIECES), np.zeros(PIECES, dtype=int))
    ]
    names = [*JET[: 3 * order], *MEASURES[:order], *TOTALS[:order]]
    true = np.concatenate([truth[name] for name in names])

    def below(f, _):
        mean, covariance = f.groups(grid.points[:, None], order)
        laws = [(mean.T.ravel(), np.einsum("pcc->cp", covariance).ravel())]
        laws += [f.marginal(functional) for functional in functionals]
        mean, variance = (np.concatenate(part) for part in zip(*laws, strict=True))
        return ndtr((true - mean) / np.sqrt(variance))

    found = sum(ensemble.map(below, rng, "", False)) / SAMPLES
    ends = np.cumsum([len(truth[name]) for name in names])
    out = dict(zip(names, np.split(found, ends[:-1]), strict=True))
    # The data's box with its margin, as by default; few of the cells lie beyond.
    low, high = post.data.box
    margin = 0.1 * (high - low).max()
    corners = np.concatenate([[low - margin, high + margin], grid.points])
    domain = (*corners.min(axis=0), *corners.max(axis=0))
    paths = post.paths(samples=PATHS, domain=domain, rng=rng, progress=False).jets(grid.points, 1)
    rank = (np.hypot(paths[..., 1], paths[..., 2]) < truth["slope"]).sum(axis=0)
    out["slope"] = (rank + rng.random(len(rank))) / (PATHS + 1)  # spread within its bin
    return out


def intervals(post, grid, curve, rng):
    """Published 95% intervals by name: lower and upper ends of each point or piece."""
    options = {"samples": SAMPLES, "rng": rng, "progress": False}
    ds = post.surface(grid, **options).sel(statistic=["q025", "q975"])
    maps = [*JET[: 3 * post.order], "gradient_magnitude"]
    out = {name: ds[name].to_numpy().reshape(2, -1) for name in maps}
    out["slope"] = out.pop("gradient_magnitude")
    for by, names in (("segment", MEASURES), ("curve", TOTALS)):
        table = post.womble(curve, by=by, **options)
        for name, column in zip(names[: post.order], ("gradient", "curvature"), strict=False):
            out[name] = table[[f"{column}_q025", f"{column}_q975"]].to_numpy().T
    return out


def replicate(kernel, n, trend, inference, seed):
    """A row: how it was fitted, ranks of one point and piece, and how many intervals held all."""
    law = KERNELS[kernel]
    rng = np.random.default_rng([seed, n, list(KERNELS).index(kernel)])
    data, grid, curve, truth, theta = simulated(law, n, trend, rng)
    with warnings.catch_warnings():
        # Of few draws, k-hat, short lengthscales, and that nu = 3/2 has no Hessian.
        warnings.simplefilter("ignore", UserWarning)
        post = fitted(law, trend, inference, data, seed)
        below, ends = transforms(post, grid, curve, truth, rng), intervals(post, grid, curve, rng)
    for name, value in theta.items():
        draws = post.draws[name].to_numpy().ravel()
        below[name] = (draws[:, None] < value).mean(axis=0)
        truth[name], ends[name] = np.array([value]), np.quantile(draws, [0.025, 0.975])[:, None]
    k_hat = post.sample_stats.get("k_hat", np.nan)
    row = theta | {f"median_{name}": float(post.draws[name].median()) for name in theta}
    row |= {"k_hat": float(k_hat), "nuts": post.inference.startswith("NUTS")}
    chosen = {6: rng.integers(6), 1: 0}  # one point, one piece: of six each
    row |= {f"u_{name}": u[chosen[len(u)]] for name, u in below.items()}
    for name, (low, high) in ends.items():
        row[f"in95_{name}"] = np.sum((low <= truth[name]) & (truth[name] <= high))
    return row | {f"in50_{name}": np.sum(abs(u - 0.5) <= 0.25) for name, u in below.items()}


def planned():
    """All replicates, as many of each kind before more of any."""
    for seed in range(REPLICATES):
        for kind in KINDS:
            if seed < BY_NUTS or kind[-1] != "nuts":
                yield dict(zip(KEYS, (*kind, seed), strict=True))


def resumed(keys):
    """The rows of all `keys` and others that there are; those not in the file are computed."""
    known = pd.read_csv(FILE, usecols=KEYS) if FILE.exists() else pd.DataFrame(columns=KEYS)
    there = set(known[KEYS].itertuples(index=False, name=None))
    for key in keys:
        if tuple(key.values()) not in there:
            row = pd.DataFrame([key | replicate(**key)], columns=COLUMNS)
            row.to_csv(FILE, mode="a", header=not FILE.exists(), index=False, float_format="%.4g")
    return pd.read_csv(FILE)


# -- what the replicates say -----------------------------------------------------------------------


def rank_tests(u):
    """p-values of uniform ranks: Kolmogorov and Smirnov's, chi-square of 20 bins, the two ends."""
    counts = np.histogram(u, 20, (0, 1))[0]
    ends = int(np.sum((u < 0.005) | (u > 0.995)))
    p = kstest(u, "uniform").pvalue, chisquare(counts).pvalue, binomtest(ends, len(u), 0.01).pvalue
    return dict(zip(("KS", "chi-square", "ends"), p, strict=True))


def all_rank_tests(table):
    """p-values by kind of replicate, quantity and test, one column."""
    p = {
        (*kind, name, test): x
        for kind, rows in table.groupby(KEYS[:-1])
        for name in EVERY
        if len(u := rows[f"u_{name}"].dropna())
        for test, x in rank_tests(u).items()
    }
    return pd.Series(p, name="p").rename_axis([*KEYS[:-1], "quantity", "test"]).sort_index()


def shares(rows, level, names):
    """Shares of the intervals of these quantities that held the truth, a row a replicate."""
    return pd.DataFrame({name: rows[f"in{level}_{name}"] / UNITS[name] for name in names})


def report(table, level):
    """What intervals held, in % with its error over replicates, a row for each kind of these."""
    p, out, found = all_rank_tests(table), [], dict(list(table.groupby(KEYS[:-1])))
    for kind in KINDS:
        rows = found[kind]
        line = dict(zip(KEYS, (*kind, len(rows)), strict=True))
        for group, names in GROUPS.items():
            held = 100 * shares(rows, level, names).mean(axis=1).dropna()
            line[group] = f"{held.mean():.1f} ({held.sem():.1f})" if len(held) else ""
        line |= {"smallest p": f"{holm(p.loc[kind]).min():.2f}", "by NUTS": rows["nuts"].sum()}
        out.append(line)
    return pd.DataFrame(out).rename(columns={"seed": "replicates"})


def test_ranks_are_uniform():
    table = resumed(planned())
    for level in (95, 50):
        print(f"\n{level}% intervals\n{report(table, level).to_string(index=False)}")
    p = all_rank_tests(table)
    adjusted = pd.Series(holm(p), p.index)
    print(f"{len(p)} tests; smallest p under Holm:\n{adjusted.nsmallest(5).to_string()}")
    assert adjusted.min() > 0.01


def test_ranks_of_all_kernels_together_are_uniform():
    """A small fault in all would not show in 300 replicates."""
    table = resumed(planned())
    table = table[(table["inference"] == "importance") & (table["trend"] == "none")]
    p = pd.DataFrame({name: rank_tests(table[f"u_{name}"].dropna()) for name in EVERY}).T
    held = {level: shares(table, level, EVERY) for level in (95, 50)}
    for level, each in held.items():
        p[f"in {level}%"], p[f"error {level}"] = 100 * each.mean(), 100 * each.sem()
    print(f"\n{len(table)} replicates\n{p.round(3).to_string()}")
    assert holm(p[["KS", "chi-square", "ends"]].to_numpy().ravel()).min() > 0.01


@pytest.mark.parametrize("level", [95, 50])
def test_intervals_cover(level):
    held = shares(resumed(planned()), level, EVERY)
    apart = (held.mean() - level / 100) / held.sem()
    print(f"\n{level}% intervals\n{(100 * held.mean()).round(1).to_string()}")
    # Replicates are independent of one another, except that a few data sets were fitted thrice.
    assert apart.abs().max() < standard_bound(2 * len(EVERY), 3 * len(KERNELS) * BY_NUTS)


def test_nuts_ranks_the_truth_alike():
    """On the same data ranks differ by what draws of the hyperparameters are short of infinite."""
    table = resumed(planned()).set_index(KEYS)
    nuts = table.xs("nuts", level="inference")
    other = table.xs("importance", level="inference").loc[nuts.index]
    apart = nuts[[f"u_{name}" for name in EVERY]] - other[[f"u_{name}" for name in EVERY]]
    found = pd.DataFrame({"mean": apart.mean(), "error": apart.sem(), "sd": apart.std()})
    print(f"\n{len(nuts)} data sets, ranks by NUTS less those by importance\n{found.round(4)}")
    bound = standard_bound(len(EVERY), len(nuts))
    assert (found["mean"].abs() < bound * found["error"]).all()
    # The slope's rank is among 49 paths; others are of 150 draws, 1,000 for hyperparameters.
    assert (found["sd"].drop("u_slope") < 0.05).all()
