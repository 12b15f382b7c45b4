"""The band of the spectral model and the sums over data that it needs."""

import numpy as np
import numpy.testing as npt
import pytest
from cases import TRENDS, WITH_PATHS

from womble import sums_storage
from womble.covariance import Scale, jet_covariance
from womble.engines import sums
from womble.engines.disc import Disc, DiscPrior
from womble.engines.noise_streams import NoiseStreams
from womble.engines.series import Series
from womble.engines.statistics import Statistics
from womble.trend import Trend

RNG = np.random.default_rng(0)
COORDS = RNG.uniform(-1.3, 1.3, (90, 2))
VALUES = np.sin(3 * COORDS[:, 0]) + 0.3 * RNG.standard_normal(90)
STREAMS = NoiseStreams(3)
NOISE = STREAMS.of(slice(0, 3), np.arange(90))
DISC = Disc(np.array([0.1, -0.1]), np.array([4.0, 5.0]), 10.0)
LINE = Disc(np.array([0.1]), np.array([4.5]), 40.0)

bands = pytest.mark.parametrize("disc", [LINE, DISC], ids=["line", "plane"])


def features(disc, trend, coords):
    H = Trend(trend).jets(coords, 0)[:, 0]
    return np.concatenate([H, disc.jets(coords, 0)[:, 0]], axis=1)


def statistics_of(disc, trend="linear", rows=slice(None)):
    coords, numbers = COORDS[rows, : len(disc.period)], np.arange(90)[rows]
    return Statistics.of(disc, Trend(trend), coords, VALUES[rows], noise=STREAMS, rows=numbers)


@bands
def test_the_disc_holds_half_of_its_lattice(disc):
    k = disc.numbers
    both = {tuple(row) for row in k} | {tuple(-row) for row in k}
    assert len(both) == 2 * len(k) - 1  # 0 is its own negative
    m = 30
    axes = np.meshgrid(*[np.arange(-m, m + 1)] * k.shape[1])
    every = np.stack([axis.ravel() for axis in axes], axis=1)
    inside = np.linalg.norm(2 * np.pi * every / disc.period, axis=1) <= disc.radius
    assert len(both) == inside.sum()
    assert (np.diff(disc.radii) >= 0).all()
    assert disc.radii[0] == 0


@bands
def test_a_series_is_the_sum_of_its_features(disc):
    d = len(disc.period)
    weights, points = np.random.default_rng(1).standard_normal(disc.size), COORDS[:, :d]
    weights[1] = 0.0
    series = Series(disc.torus, disc.unpack(weights), Trend("none"), np.empty(0), ())
    expected = disc.jets(points, 2) @ weights
    size = np.abs(expected).max(axis=0)
    # The NUFFT's tolerance is 1e-11.
    npt.assert_allclose(series.jets(points, 2) / size, expected / size, atol=1e-9)


@pytest.mark.parametrize("kernel", WITH_PATHS, ids=repr)
def test_variances_add_up_to_the_kernel(kernel):
    # A wide band: what is left is the share of the variance beyond it.
    disc, scale = Disc(np.zeros(2), np.array([6.0, 7.0]), 60.0), Scale(1.3, 0.5)
    D = disc.of_frequencies(disc.variances(kernel, scale))
    points = np.array([[0.1, 0.2], [0.4, -0.3]])
    phi = disc.jets(points, 0)[:, 0]
    h = points[:, None] - points
    exact = jet_covariance(kernel, scale, h, 0)[..., 0, 0]
    beyond = scale.amplitude**2 * kernel.spectral_moment(30.0, 2, 0)
    npt.assert_allclose((phi * D) @ phi.T, exact, atol=1.1 * beyond + 1e-4)


@pytest.mark.parametrize("kernel", WITH_PATHS, ids=repr)
def test_waves_of_the_tail_have_its_moments(kernel):
    disc, scale = Disc(np.zeros(2), np.array([4.0, 4.0]), 9.0), Scale(1.3, 0.5)
    prior = DiscPrior(kernel, scale, np.array([[-1.0, -1.0], [1.0, 1.0]]), disc)
    frequencies, variances = prior.tail_features(256)
    square = np.sum(frequencies**2, axis=1)
    assert (square >= disc.radius**2 * (1 - 1e-12)).all()
    for order in range(prior.order + 1):
        beyond = scale.amplitude**2 * kernel.spectral_moment(4.5, 2, 2 * order)
        found = np.sum(variances * square**order) * scale.lengthscale ** (2 * order)
        # The golden ratio's points leave 1 / 256 or so of a smooth integrand.
        npt.assert_allclose(found, beyond, rtol=0.02)
    if prior.order == 2:  # isotropic: E w_x^4 = 3/8 E |w|^4
        fourth = np.sum(variances * frequencies[:, 0] ** 4)
        npt.assert_allclose(fourth, 0.375 * np.sum(variances * square**2), rtol=0.05)


@bands
@pytest.mark.parametrize("trend", TRENDS)
def test_statistics_are_sums_over_the_data(disc, trend):
    stats, F = statistics_of(disc, trend), features(disc, trend, COORDS[:, : len(disc.period)])
    assert stats.count == 90
    # Sums of 90 numbers of size 2 (trend: up to 3), to the NUFFT's 1e-13.
    npt.assert_allclose(stats.gram(len(disc.numbers)), F.T @ F, atol=1e-9)
    npt.assert_allclose(stats.values, F.T @ VALUES, atol=1e-10)
    npt.assert_allclose(stats.squares, VALUES @ VALUES, rtol=1e-14)
    npt.assert_allclose(stats.noise, NOISE @ F, atol=1e-3)  # made to 1e-6 of their norm
    x = np.random.default_rng(2).standard_normal((4, stats.size))
    npt.assert_allclose(stats.gram_product(x), x @ F.T @ F, atol=1e-9)


@bands
def test_part_of_the_gram_matrix_is_its_corner(disc):
    stats = statistics_of(disc)
    whole, corner = stats.gram(len(disc.numbers)), stats.gram(5)
    npt.assert_array_equal(corner, whole[: len(corner), : len(corner)])


@bands
def test_parts_add_up(disc, monkeypatch):
    whole = statistics_of(disc)
    monkeypatch.setattr(sums, "CHUNK", 17)
    first, second = statistics_of(disc, rows=slice(40)), statistics_of(disc, rows=slice(40, None))
    kept = sums_storage.from_dataset(sums_storage.to_dataset(first), disc, first.trend)
    both = kept.merged(second)
    assert both.count == whole.count
    for name in ("table", "trend_rows", "values", "squares"):
        npt.assert_allclose(getattr(both, name), getattr(whole, name), atol=1e-10)
    npt.assert_allclose(both.noise, whole.noise, atol=1e-10)  # the same errors, chunks or not
    other = Disc(disc.centre, disc.period, disc.radius + 1)
    with pytest.raises(ValueError, match=r"same frequencies, trend .* Make both with the same"):
        both.merged(statistics_of(other))


def test_rows_in_any_order_give_the_same():
    order = np.random.default_rng(3).permutation(90)
    again = Statistics.of(DISC, Trend("linear"), COORDS[order], VALUES[order])
    whole = statistics_of(DISC)
    npt.assert_allclose(again.table, whole.table, atol=1e-10)
    npt.assert_allclose(again.values, whole.values, atol=1e-10)
