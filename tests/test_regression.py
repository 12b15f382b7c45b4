"""Covariates in the model: coefficients, and targets with their gradient."""

import numpy as np
import numpy.testing as npt
import pytest
import xarray as xr

import womble as wb
from womble import jet
from womble.covariance import Scale, jet_covariance

RNG = np.random.default_rng(12)
COORDS = RNG.uniform(0, 10, (60, 2))
POINTS = RNG.uniform(2, 8, (5, 2))
GIVEN = {"lengthscale": 3.0, "amplitude": 0.8, "noise_sd": 0.2}


def hill(points):
    """Known everywhere: sin(x / 2) y, with its jets."""
    x, y = points.T
    s, c = np.sin(x / 2), np.cos(x / 2)
    return np.stack([s * y, c * y / 2, s, -s * y / 4, c / 2, np.zeros_like(x)], axis=1)


def conditioned(beta=2.0, fields=True):
    elev = hill(COORDS)[:, 0]
    soil = np.resize(["a", "b", "c"], 60)
    values = beta * elev + 1.5 * (soil == "b") + np.sin(COORDS[:, 0]) + 0.2 * RNG.normal(size=60)
    return wb.FieldModel(trend="linear").condition(
        (COORDS, values),
        covariates={"elev": elev, "soil": soil},
        covariate_fields={"elev": hill} if fields else None,
        **GIVEN,
    )


def by_hand(post, target, points):
    """Mean and covariance of the jets at one point, from the joint normal of all terms."""
    scaling, kernel = post.data.scaling, wb.Matern(nu=3.5)
    at = (post.data.coords - scaling.origin) / scaling.length
    column = (hill(post.data.coords)[:, 0] - hill(COORDS)[:, 0].mean()) / hill(COORDS)[:, 0].std()
    soil = np.resize(["a", "b", "c"], 60)
    H = np.column_stack([np.ones(60), at, column, soil == "b", soil == "c"])
    prior = (10 * scaling.scale) ** 2
    scale = Scale(GIVEN["amplitude"], GIVEN["lengthscale"])

    def k(s, t, order):
        return jet_covariance(kernel, scale, s[:, None] - t[None], order)

    K = k(COORDS, COORDS, 0)[..., 0, 0] + GIVEN["noise_sd"] ** 2 * np.eye(60) + prior * H @ H.T
    terms = np.zeros((6, H.shape[1]))
    if target in ("surface", "total"):
        terms[0, :3] = [1, *((points[0] - scaling.origin) / scaling.length)]
        terms[1, 1] = terms[2, 2] = 1 / scaling.length
    if target in ("covariates", "total"):
        terms[:, 3] = hill(points)[0] / hill(COORDS)[:, 0].std()
        terms[0, 3] -= hill(COORDS)[:, 0].mean() / hill(COORDS)[:, 0].std()
    C, V = prior * terms @ H.T, prior * terms @ terms.T
    if target != "covariates":
        C = C + k(points, COORDS, 2)[0, :, :, 0].T
        V = V + k(points, points, 2)[0, 0]
    mean = C @ np.linalg.solve(K, post.data.values - scaling.offset)
    mean[0] += scaling.offset if target in ("surface", "total") else 0.0
    return mean, V - C @ np.linalg.solve(K, C.T)


@pytest.mark.parametrize("target", ["surface", "process", "total", "covariates"])
def test_targets_are_the_joint_normals(target):
    post = conditioned()
    means, covariances = post.jet_moments(POINTS, target=target)
    for i, point in enumerate(POINTS):
        mean, covariance = by_hand(post, target, point[None])
        # K has a condition number of about 1e7 here.
        npt.assert_allclose(means[i], mean, rtol=1e-7, atol=1e-8)
        npt.assert_allclose(covariances[i], covariance, rtol=1e-6, atol=1e-8)


def test_total_is_surface_and_covariates():
    post = conditioned()
    total, surface, part = (
        post.jet_moments(POINTS, target=t)[0] for t in ("total", "surface", "covariates")
    )
    npt.assert_allclose(total, surface + part, atol=1e-10)


def test_gradients_of_the_total_are_those_of_its_mean():
    post, step = conditioned(), 1e-4
    found = jet.gradient(post.jet_moments(POINTS, target="total")[0])
    for i in range(2):
        e = step * np.eye(2)[i]
        up, down = (
            post.jet_moments(POINTS + side * e, order=0, target="total")[0][:, 0]
            for side in (1, -1)
        )
        npt.assert_allclose((up - down) / (2 * step), found[:, i], atol=1e-6)


def test_coefficients_are_in_the_users_units():
    post = conditioned()
    table = post.coefficients()
    assert list(table.index) == ["elev", "soil[b]", "soil[c]"]
    # The covariates' part of the mean is elev's coefficient times its gradient.
    mean, covariance = post.jet_moments(POINTS, target="covariates")
    npt.assert_allclose(mean[:, 1:], table.loc["elev", "mean"] * hill(POINTS)[:, 1:], rtol=1e-8)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))[:, 1:5]
    npt.assert_allclose(sd, table.loc["elev", "sd"] * np.abs(hill(POINTS)[:, 1:5]), rtol=1e-6)
    assert np.abs(table["mean"] - [2.0, 1.5, 0.0]).max() < 4 * table["sd"].max()
    npt.assert_allclose(table["q50"], table["mean"], rtol=1e-9)


@pytest.mark.parametrize("target", ["total", "covariates"])
def test_paths_have_the_targets_law(target):
    post = conditioned()
    jets = post.paths(samples=2000, target=target, rng=4, progress=False).jets(POINTS[:2])
    means, covariances = post.jet_moments(POINTS[:2], target=target)
    sd = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    known = sd > 1e-9  # f_yy of the hill is 0
    z = (jets.mean(axis=0) - means)[known] / sd[known] * np.sqrt(2000)
    assert np.abs(z).max() < 4.5  # of 24 normals
    npt.assert_allclose(jets.std(axis=0)[known], sd[known], rtol=0.08)  # 5 sd of 1 / sqrt(2 n)


def test_surfaces_take_the_target():
    post = conditioned()
    grid = wb.Grid.from_data(post.data, spacing=1.0)
    ds = post.surface(grid, target="total", rng=1, progress=False)
    mean, _ = post.jet_moments(grid.points, target="total")
    npt.assert_allclose(grid.fill(mean[:, 1]), ds["dx"].sel(statistic="mean"), atol=1e-10)


def test_targets_that_are_not_known():
    with pytest.raises(ValueError, match="elev is known at the data only"):
        conditioned(fields=False).jet_moments(POINTS, target="total")
    plain = wb.FieldModel().condition((COORDS, COORDS[:, 0]), **GIVEN)
    with pytest.raises(ValueError, match="'covariates' needs covariates; the model has none"):
        plain.jet_moments(POINTS, target="covariates")
    with pytest.raises(ValueError, match="the model has no covariates"):
        plain.coefficients()


def test_a_category_has_no_field():
    with pytest.raises(ValueError, match="which has no gradient"):
        wb.FieldModel().condition(
            (COORDS, COORDS[:, 0]),
            covariates={"soil": np.resize(["a", "b"], 60)},
            covariate_fields={"soil": hill},
            **GIVEN,
        )


def test_a_field_alone_is_read_off_at_the_data():
    values = 2 * hill(COORDS)[:, 0] + np.cos(COORDS[:, 1])
    post = wb.FieldModel().condition((COORDS, values), covariate_fields={"elev": hill}, **GIVEN)
    same = wb.FieldModel().condition(
        (COORDS, values), covariates={"elev": hill(COORDS)[:, 0]}, **GIVEN
    )
    npt.assert_array_equal(post.data.covariates.design, same.data.covariates.design)


def test_covariates_come_back_from_a_file(tmp_path):
    x, y = np.linspace(-1, 11, 121), np.linspace(-1, 11, 121)
    cells = hill(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))[:, 0].reshape(121, 121)
    raster = xr.DataArray(cells, {"y": y, "x": x}, ("y", "x"))
    post = wb.FieldModel().condition(
        (COORDS, RNG.normal(size=60)),
        covariates={"soil": np.resize(["a", "b"], 60)},
        covariate_fields={"elev": raster},
        **GIVEN,
    )
    post.save(tmp_path / "fit.nc")
    again = wb.load(tmp_path / "fit.nc")
    assert again.data.covariates.columns == post.data.covariates.columns
    for one, other in zip(
        post.jet_moments(POINTS, target="total"),
        again.jet_moments(POINTS, target="total"),
        strict=True,
    ):
        npt.assert_array_equal(one, other)


def test_a_function_cannot_be_saved(tmp_path):
    with pytest.raises(ValueError, match="must be a raster to be saved"):
        conditioned().save(tmp_path / "fit.nc")
