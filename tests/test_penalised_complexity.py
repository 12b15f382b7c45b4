"""Penalised-complexity priors have the tails that are stated, and are sampled as stated."""

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
from scipy.integrate import quad
from scipy.stats import expon, invweibull, kstest

import womble as wb
from womble import inference
from womble.hyperparameters import PLAIN, LatentLayout, Layout
from womble.laws import NOWHERE, Frechet, Gamma, InverseGamma
from womble.priors import lengthscale_range, stated_priors
from womble.spatial_data import spatial_data

DIMENSIONS = [1, 2, 3, 5]
PRIORS = wb.PenalisedComplexity(lengthscale=(12.0, 0.05), amplitude=(4.0, 0.1), noise_sd=(2.0, 0.2))
QUIET = {"inference": "importance", "rng": 1, "progress": False}


class Silent:
    """An engine without data."""


def law(name, dimension=2):
    return PRIORS.laws(PLAIN, dimension)[name]


def mass(one, low, high):
    """Probability of a law between two hyperparameters, from its density on logarithms."""
    return quad(lambda q: np.exp(one.at(q).value), np.log(low), np.log(high), epsabs=1e-12)[0]


# --- laws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", DIMENSIONS)
def test_tails_are_those_stated(d):
    npt.assert_allclose(mass(law("lengthscale", d), 1e-12, 12.0), 0.05, rtol=1e-8)
    # To the mode and on: quadrature misses a peak on a long interval.
    whole = mass(law("lengthscale", d), 1e-12, 50.0) + mass(law("lengthscale", d), 50.0, 1e30)
    npt.assert_allclose(whole, 1.0, rtol=1e-8)
    npt.assert_allclose(mass(law("amplitude", d), 4.0, 400.0), 0.1, rtol=1e-8)
    npt.assert_allclose(mass(law("noise_sd", d), 2.0, 200.0), 0.2, rtol=1e-8)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_density_is_the_papers(d):
    """(d/2) l1 x^(-d/2 - 1) exp(-l1 x^(-d/2)) l2 exp(-l2 s): Fuglstad et al. (2019)."""
    l1, l2 = -np.log(0.05) * 12.0 ** (d / 2), -np.log(0.1) / 4.0
    for x, s in ((5.0, 0.1), (40.0, 2.0), (900.0, 9.0)):
        joint = d / 2 * l1 * x ** (-d / 2 - 1) * np.exp(-l1 * x ** (-d / 2)) * l2 * np.exp(-l2 * s)
        ours = law("lengthscale", d).at(np.log(x)).value + law("amplitude").at(np.log(s)).value
        npt.assert_allclose(ours, np.log(joint * x * s), rtol=1e-12)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_distance_from_an_infinite_lengthscale_goes_with_its_power(d):
    """The divergence per volume of Matern spectra of equal tails is proportional to kappa^d."""
    alpha = 2.5 + d / 2

    def divergence(kappa):
        def rate(w):
            ratio = (w**2 / (kappa**2 + w**2)) ** alpha
            return (ratio - 1 - np.log(ratio)) * w ** (d - 1)

        parts = [(0, kappa), (kappa, 10 * kappa), (10 * kappa, np.inf)]
        return sum(quad(rate, *part, limit=200)[0] for part in parts)

    # Far out the logarithm cancels to 1e-16 of ratios that are near 1.
    npt.assert_allclose(divergence(3.0) / divergence(1.0), 3.0**d, rtol=1e-5)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_frechet_at_a_coordinate(d):
    one, step = Frechet(d / 2, 7.0), 1e-5
    for q in (-0.5, 1.0, np.log(7.0), 4.0, 9.0):
        here = one.at(q)
        npt.assert_allclose(here.value, invweibull(d / 2, scale=7.0).logpdf(np.exp(q)) + q)
        numeric = (one.at(q + step).value - one.at(q - step).value) / (2 * step)
        # Truncation a^3 e^-u step^2 / 6, rounding 1e-16 e^-u / step, with e^-u up to e^6.
        npt.assert_allclose(here.gradient, numeric, rtol=1e-6, atol=1e-8)
        npt.assert_allclose([here.x, here.slope], np.exp(q), rtol=1e-15)
    npt.assert_allclose(one.at(one.start).gradient, 0.0, atol=1e-12)


def test_in_the_plane_it_is_an_inverse_gamma_law():
    rate = -np.log(0.05) * 12.0
    for q in (0.0, 3.0, 8.0):
        npt.assert_allclose(law("lengthscale").at(q), InverseGamma(1.0, rate).at(q), rtol=1e-12)


@pytest.mark.parametrize("q", [-701.0, 701.0, -400.0])
def test_nowhere_where_numbers_overflow(q):
    assert Frechet(2.5, 1.0).at(q) == NOWHERE


@pytest.mark.parametrize("d", DIMENSIONS)
def test_draws_follow_the_law(d):
    drawn = law("lengthscale", d).draw(4000, np.random.default_rng(d))
    rate = -np.log(0.05) * 12.0 ** (d / 2)
    assert kstest(drawn ** (-d / 2), expon(scale=1 / rate).cdf).pvalue > 1e-4


def test_draws_of_the_other_laws_follow_them():
    rng = np.random.default_rng(0)
    for one in (InverseGamma(2.5, 3.0), Gamma(2.0, 0.1), law("amplitude")):
        drawn = one.draw(4000, rng)
        levels = [mass(one, 1e-9, x) for x in np.quantile(drawn, [0.25, 0.5, 0.75])]
        npt.assert_allclose(levels, [0.25, 0.5, 0.75], atol=4 * np.sqrt(0.25 / 4000))


def test_the_law_in_pymc():
    one = Frechet(1.5, 7.0)
    theirs = one.as_pymc()
    for x in (2.0, 7.0, 90.0):
        # PyTensor keeps constants in single precision.
        expected = one.at(np.log(x)).value - np.log(x)
        npt.assert_allclose(pm.logp(theirs, x).eval(), expected, rtol=1e-6)
    drawn = pm.draw(theirs, 2000, random_seed=1)
    assert kstest(drawn, invweibull(1.5, scale=7.0).cdf).pvalue > 1e-4


# --- models ----------------------------------------------------------------------------------


def test_the_name_takes_its_scales_from_the_data(zinc):
    data = spatial_data(zinc, "zinc")
    laws, users = stated_priors("penalised_complexity", data)
    shortest = lengthscale_range(data.coords)[0]
    npt.assert_allclose(mass(laws["lengthscale"], 1e-9, shortest), 0.05, rtol=1e-8)
    sd = data.values.std()
    npt.assert_allclose(mass(laws["amplitude"], 3 * sd, 300 * sd), 0.05, rtol=1e-8)
    assert laws["noise_sd"] == stated_priors(None, data)[0]["noise_sd"]
    assert users == {}


def test_components_of_a_sum_have_a_pair_each(zinc):
    data, layout = spatial_data(zinc, "zinc"), Layout(2, True)
    priors = wb.PenalisedComplexity(
        lengthscale=[(50.0, 0.1), (5.0, 0.2)], amplitude=[(4.0, 0.05), (1.0, 0.3)]
    )
    laws, _ = stated_priors(priors, data, layout)
    assert set(laws) == set(layout.names)
    npt.assert_allclose(mass(laws["lengthscale_2"], 1e-9, 5.0), 0.2, rtol=1e-8)
    npt.assert_allclose(mass(laws["amplitude_1"], 4.0, 400.0), 0.05, rtol=1e-8)
    with pytest.raises(ValueError, match=r"a pair for each of the 2 component.*got 1"):
        stated_priors(PRIORS, data, layout)
    with pytest.raises(ValueError, match=r"kernels of one component; this one has 2"):
        stated_priors("penalised_complexity", data, layout)


def test_others_are_the_users(zinc):
    data = spatial_data(zinc, "zinc")
    own = pm.HalfNormal.dist(sigma=0.3)
    priors = wb.PenalisedComplexity(
        lengthscale=(12.0, 0.05), amplitude=(4.0, 0.1), others={"noise_sd": own}
    )
    laws, users = stated_priors(priors, data)
    assert users == {"noise_sd": own}
    assert set(laws) == {"lengthscale", "amplitude"}
    density = inference.hyperparameter_density(Silent(), PLAIN, data, priors)
    q = np.log([30.0, 1.0, 0.4])
    laws = stated_priors(PRIORS, data)[0]
    at = density.prior.at(q)
    expected = sum(laws[name].at(x).value for name, x in zip(laws, q[:2], strict=False))
    expected += np.log(np.sqrt(2 / np.pi) / 0.3) - 0.5 * (0.4 / 0.3) ** 2 + np.log(0.4)
    npt.assert_allclose(at.value, expected, rtol=1e-6)  # PyTensor keeps 0.3 in single precision
    npt.assert_allclose(at.theta, [30.0, 1.0, 0.4], rtol=1e-12)
    npt.assert_allclose(at.gradient[2], 1 - (0.4 / 0.3) ** 2, rtol=1e-6)
    npt.assert_allclose(
        at.gradient[:2], [laws[n].at(x).gradient for n, x in zip(laws, q[:2], strict=False)]
    )


def test_refusals(zinc):
    data = spatial_data(zinc, "zinc")
    for bad in ((12.0, 1.0), (0.0, 0.5), (-1.0, 0.5), (np.inf, 0.5), 12.0, (1.0, 2.0, 3.0), []):
        with pytest.raises(ValueError, match="`lengthscale` of PenalisedComplexity must be a pair"):
            wb.PenalisedComplexity(lengthscale=bad, amplitude=(1.0, 0.5))
    with pytest.raises(ValueError, match=r"`noise_sd` of Penal.*needs Gaussian.*: dispersion"):
        PRIORS.laws(LatentLayout(parameters=("dispersion",)), 2)
    twice = wb.PenalisedComplexity(
        lengthscale=(1.0, 0.5), amplitude=(1.0, 0.5), others={"amplitude": pm.HalfNormal.dist()}
    )
    with pytest.raises(ValueError, match=r"`others` of Penal.* must not name amplitude"):
        stated_priors(twice, data)
    with pytest.raises(ValueError, match="or 'penalised_complexity'; got 'pc'"):
        wb.FieldModel(priors="pc").fit(zinc, "zinc", progress=False)
    with pytest.raises(TypeError, match=r"`priors` must be a mapping.*got tuple"):
        wb.FieldModel(priors=(1.0, 0.5)).fit(zinc, "zinc", progress=False)


@pytest.mark.parametrize("method", ["importance", "map"])
def test_fits(zinc, method):
    post = wb.FieldModel(priors=PRIORS).fit(zinc, "zinc", **QUIET | {"inference": method})
    # The data were drawn with lengthscale 30 and noise sd 0.5, of which they tell this much.
    assert 10 < float(post.draws["lengthscale"].median()) < 90
    assert 0.3 < float(post.draws["noise_sd"].median()) < 0.8


def test_fits_by_nuts_and_with_other_likelihoods(zinc):
    options = {"draws": 50, "tune": 50, "chains": 2, "rng": 1, "progress": False}
    with pytest.warns(UserWarning, match="few effective|chains disagree|diverged"):
        post = wb.FieldModel(priors="penalised_complexity").fit(zinc, "zinc", **options)
    assert post.draws.sizes == {"chain": 2, "draw": 50}
    counts = zinc.assign(count=np.round(zinc["zinc"]).clip(lower=0))
    model = wb.FieldModel(likelihood="negative_binomial", priors="penalised_complexity")
    post = model.fit(counts, "count", inference="laplace", rng=1, progress=False)
    assert set(post.draws) == {"lengthscale", "amplitude", "dispersion"}


def test_on_a_line_a_fit_without_information_is_the_prior():
    """Noise that is known and enormous: the public call returns the tails that were asked for."""
    x = np.arange(12.0)
    model = wb.FieldModel(priors=PRIORS)
    post = model.fit((x, np.cos(x)), measurement_sd=1e6, draws=4000, **QUIET)
    error = 4 / np.sqrt(float(post.sample_stats["ess"]))
    for name, bound, below in (
        ("lengthscale", 12.0, 0.05),
        ("amplitude", 4.0, 0.9),
        ("noise_sd", 2.0, 0.8),
    ):
        share = float((post.draws[name] < bound).mean())
        assert abs(share - below) < error * np.sqrt(below * (1 - below)), name
    rate = -np.log(0.05) * np.sqrt(12.0)
    median = (np.log(2) / rate) ** -2
    assert abs(float((post.draws["lengthscale"] < median).mean()) - 0.5) < 0.5 * error
