"""Further data on top of those of a posterior."""

import geopandas as gpd
import numpy as np
import numpy.testing as npt
import pandas as pd
import pytest

import womble as wb
from womble import row_sample
from womble.engines import spectral

N = 5000
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame({"x": 1000 * RNG.uniform(size=N), "y": 700 * RNG.uniform(size=N)})
TABLE["rain"] = RNG.standard_normal(N)
TABLE["soil"] = np.array(["clay", "sand"])[RNG.integers(0, 2, N)]
TABLE["z"] = np.sin(TABLE["x"] / 100) + 0.2 * TABLE["rain"] + 0.3 * RNG.standard_normal(N)
YESTERDAY, TODAY = TABLE.iloc[:3000], TABLE.iloc[3000:]
GIVEN = {"lengthscale": 200.0, "amplitude": 1.0, "noise_sd": 0.3}
POINTS = TABLE[["x", "y"]].to_numpy()[:10]


def condition(frame, **options):
    points = wb.open_points(frame, paths=12)
    return wb.FieldModel().condition(points, "z", engine="spectral", **(GIVEN | options))


def mean_of(post):
    return post.ensemble("surface", 2, np.random.default_rng(0)).mean(POINTS, 2)


@pytest.fixture(scope="module", autouse=True)
def iterative():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "DENSE_FEATURES", 10)
        yield


@pytest.fixture(scope="module")
def yesterday():
    return condition(YESTERDAY)


@pytest.mark.parametrize("covariates", [(), ("rain", "soil")], ids=["plain", "covariates"])
def test_sums_are_those_of_all_data(covariates):
    post = condition(YESTERDAY, covariates=covariates)
    both = post.update(TODAY)
    before, stats = post._engine.statistics, both._engine.statistics
    assert (before.count, stats.count, both.data.count) == (3000, N, N)
    scaling, design = both.data.scaling, None
    assert scaling.offset == post.data.scaling.offset
    if covariates:
        known = both.data.covariates.columns
        design = np.concatenate([c.design(TABLE[c.name]) for c in known], axis=1)
    coords = scaling.coords_in(TABLE[["x", "y"]].to_numpy())
    values = scaling.values_in(TABLE["z"].to_numpy())
    whole = type(stats).of(stats.disc, stats.trend, coords, values, design=design)
    for name in ("table", "trend_rows", "values", "squares"):
        ours, theirs = (np.asarray(getattr(s, name)) for s in (stats, whole))
        npt.assert_allclose(ours, theirs, rtol=0, atol=1e-11 * np.abs(theirs).max())
    assert both.draws.equals(post.draws)
    assert both.engine.endswith("; 2,000 data added later")


def test_every_delivery_has_noise_of_its_own(yesterday):
    twice = yesterday.update(YESTERDAY)
    first = yesterday._engine.statistics.noise
    second = twice._engine.statistics.noise - first
    # Independent: the correlation of 12 vectors with another 12 of so many features.
    size = np.linalg.norm(first) * np.linalg.norm(second)
    assert abs(np.sum(first * second)) / size < 0.1
    npt.assert_allclose(np.linalg.norm(second), np.linalg.norm(first), rtol=0.1)


def test_it_can_be_kept_and_go_on(yesterday, tmp_path):
    third = TODAY.iloc[1000:]
    both = yesterday.update(TODAY.iloc[:1000])
    both.save(tmp_path / "both.nc")
    ours, theirs = wb.load(tmp_path / "both.nc").update(third), both.update(third)
    assert ours.data.whole.deliveries == 3
    npt.assert_array_equal(mean_of(ours), mean_of(theirs))
    npt.assert_array_equal(ours.data.coords, theirs.data.coords)


@pytest.mark.filterwarnings("ignore:the data have become so dense")
def test_the_sample_is_of_both(monkeypatch):
    monkeypatch.setattr(row_sample, "SAMPLE", 1000)
    monkeypatch.setattr("womble.update.SAMPLE", 1000)
    right = TODAY.assign(x=1000 + 0.1 * TODAY["x"])
    both = condition(YESTERDAY).update(right)
    assert len(both.data.values) == 1000
    share = (both.data.coords[:, 0] > 1000).mean()
    # 400 of 1,000 are expected, sd 12 or so.
    assert abs(share - 0.4) < 4 * np.sqrt(0.24 / 1000)
    npt.assert_allclose(both.data.box[:, 0], [YESTERDAY["x"].min(), right["x"].max()])


def test_what_cannot_be_added(yesterday):
    with pytest.raises(ValueError, match=r"must lie in the box of this posterior's waves"):
        yesterday.update(TODAY.assign(x=TODAY["x"] + 2000))
    with pytest.raises(ValueError, match=r"must have the columns of the data; 'z' are not there"):
        yesterday.update(TODAY.drop(columns="z"))
    located = gpd.GeoDataFrame(
        TODAY, geometry=gpd.points_from_xy(TODAY["x"], TODAY["y"], crs="EPSG:32632")
    )
    with pytest.raises(ValueError, match=r"`more` and the data must be in one CRS"):
        yesterday.update(located)
    with pytest.raises(ValueError, match=r"values of 'z' must be finite; 1 of 2000"):
        yesterday.update(TODAY.assign(z=TODAY["z"].mask(TODAY.index == 3100, np.inf)))
    with pytest.raises(ValueError, match=r"'soil' must have .* clay, sand; got mud too"):
        condition(YESTERDAY, covariates=["soil"]).update(TODAY.assign(soil="mud"))
    in_memory = wb.FieldModel().condition((POINTS, np.arange(10.0)), **GIVEN)
    with pytest.raises(ValueError, match=r"needs a posterior of data that were not in memory"):
        in_memory.update(TODAY)


def test_data_that_become_too_dense_for_the_band(yesterday):
    dense = pd.concat([TABLE.assign(x=TABLE["x"] * 0.1, y=TABLE["y"] * 0.1)] * 3)
    with pytest.warns(UserWarning, match=r"so dense that they tell of waves beyond the band"):
        yesterday.update(dense)
