"""Anisotropic models from the user's side: fits, summaries, files, and what is refused."""

import warnings

import numpy as np
import numpy.testing as npt
import pytest
from cases import standard_bound
from test_anisotropy import COORDS, GIVEN, POINTS, VALUES, posterior

import womble as wb
from womble.anisotropy import coordinate_map, pair_of
from womble.hyperparameters import Layout
from womble.posterior.summary import hyperparameter_table
from womble.replicate import Simulator


def test_summary_tells_ratio_and_angle(tmp_path):
    post = posterior(ratio=3.0, angle=120.0)
    table = post.summary()
    assert list(table.index[-4:]) == [
        "anisotropy_1",
        "anisotropy_2",
        "anisotropy_ratio",
        "anisotropy_angle",
    ]
    assert list(table["units"][-4:]) == ["1", "1", "1", "degree"]
    npt.assert_allclose(table["mean"][-2:], [3.0, -60.0], rtol=1e-12)
    post.save(tmp_path / "fit.nc")
    loaded = wb.load(tmp_path / "fit.nc")
    for ours, theirs in zip(loaded.jet_moments(POINTS), post.jet_moments(POINTS), strict=True):
        npt.assert_array_equal(ours, theirs)


def test_angles_are_averaged_around_the_half_circle():
    post = posterior()
    angles = np.array([[88.0, -88.0, 86.0, -86.0, -89.0]])
    pairs = np.array([pair_of(2.0, angle) for angle in angles[0]])
    draws = post.draws.isel(draw=[0] * 5).copy(deep=True)
    draws["anisotropy_1"].data[:], draws["anisotropy_2"].data[:] = pairs.T[:, None]
    units = {"lengthscale": None, "amplitude": None, "noise_sd": None}
    row = hyperparameter_table(draws, post.layout, units, None).loc["anisotropy_angle"]
    deviations = np.array([-2.0, 2.0, -4.0, 4.0, 1.0])
    npt.assert_allclose(abs(row["mean"]), 90.0 - 0.2, atol=0.01)
    npt.assert_allclose(row["sd"], deviations.std(), rtol=0.01)
    npt.assert_allclose(row["q975"] - row["q025"], np.ptp(np.quantile(deviations, [0.025, 0.975])))


def test_a_fit_has_the_anisotropy_among_its_draws():
    model = wb.FieldModel(anisotropic=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few draws
        post = model.fit((COORDS, VALUES), draws=10, tune=10, chains=1, rng=1, progress=False)
    assert tuple(post.draws) == Layout(1, True).names
    assert post.ensemble("surface", None, None).thetas[3].anisotropy == tuple(
        float(post.draws[f"anisotropy_{i}"][0, 3]) for i in (1, 2)
    )
    ds = post.surface(samples=4, rng=1, progress=False)
    assert "Matern(nu=3.5), anisotropic" in ds.attrs["source"]


def test_simulated_data_have_the_stretched_covariance(few_modes):
    post, samples = posterior(trend="none"), 600
    ensemble = post.ensemble("surface", None, None)
    (theta,) = ensemble.thetas
    simulator, rng = Simulator.at(ensemble.engine, theta), np.random.default_rng(4)
    M = coordinate_map(theta.anisotropy)
    r = np.linalg.norm((COORDS[:8, None] - COORDS[:8]) @ M, axis=-1)
    unit = 1.0 / post.data.scaling.scale
    K = unit**2 * (1.2**2 * post.kernel.radial(r / 0.4, 0) + 0.1**2 * np.eye(8))
    drawn = np.array([simulator.values(rng)[:8] for _ in range(samples)])
    deviation = (drawn.T @ drawn / samples - K) / np.sqrt((K**2 + K[0, 0] ** 2) / samples)
    assert np.abs(deviation).max() < standard_bound(64, samples)


def test_lines_of_a_stretched_field_are_found_and_tested():
    values = np.tanh(6 * (COORDS[:, 0] - 0.5))
    model = wb.FieldModel(anisotropic=True)
    post = model.condition((COORDS, values), anisotropy=(2.0, 90.0), **(GIVEN | {"noise_sd": 0.02}))
    lines = post.boundaries(rng=1, samples=50, progress=False)
    assert len(lines) >= 1
    x, _ = lines.geometry.iloc[0].xy
    npt.assert_allclose(np.mean(x), 0.5, atol=0.05)
    assert (post.null_test(lines, replicates=19, rng=1, progress=False)["p_null"] > 0).all()


@pytest.mark.parametrize(
    ("anisotropic", "given", "message"),
    [
        (False, (2.0, 30.0), r"of anisotropic models alone; got \(2.0, 30.0\)"),
        (True, None, r"`anisotropy` must be \(ratio, angle\).* got None"),
        (True, (0.5, 30.0), r"at least 1, .* got \(0.5, 30.0\)"),
        (True, (2.0, np.nan), r"`anisotropy` must be \(ratio, angle\)"),
    ],
)
def test_given_anisotropy_is_checked(anisotropic, given, message):
    model = wb.FieldModel(anisotropic=anisotropic)
    with pytest.raises(ValueError, match=message):
        model.condition((COORDS, VALUES), anisotropy=given, **GIVEN)


def test_a_line_has_no_anisotropy():
    model = wb.FieldModel(anisotropic=True)
    with pytest.raises(ValueError, match=r"needs data in the plane, with 2 coordinates.* have 1"):
        model.fit((np.linspace(0, 1, 20), np.arange(20.0)), progress=False)
