"""One small data set, its fit and its field at given hyperparameters, shared by several files."""

import warnings

import geopandas as gpd
import numpy as np
import pytest
from cases import TRUTH

import womble as wb
from womble.grid import Grid


@pytest.fixture(scope="session")
def zinc():
    """Forty points on 100 m x 100 m, drawn from the model itself; metres and mg kg-1."""
    rng = np.random.default_rng(20)
    coords = rng.uniform(0, 100, (40, 2))
    x = np.sqrt(7) * np.linalg.norm(coords[:, None] - coords[None], axis=-1) / TRUTH["lengthscale"]
    correlation = (1 + x + 2 * x**2 / 5 + x**3 / 15) * np.exp(-x)  # Matern, nu = 7/2
    field = TRUTH["amplitude"] * np.linalg.cholesky(correlation) @ rng.standard_normal(40)
    values = 10 + field + TRUTH["noise_sd"] * rng.standard_normal(40)
    points = gpd.points_from_xy(181000 + coords[:, 0], 332000 + coords[:, 1], crs="EPSG:28992")
    frame = gpd.GeoDataFrame({"zinc": values}, geometry=points)
    frame.attrs["units"] = {"zinc": "mg kg-1"}
    return frame


@pytest.fixture(scope="session")
def fitted(zinc):
    """Two chains of 200 draws: few, which `fit` warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return wb.FieldModel().fit(
            zinc, "zinc", draws=200, tune=300, chains=2, rng=5, progress=False
        )


@pytest.fixture(scope="session")
def given(zinc):
    """The field at the hyperparameters that made the data."""
    return wb.FieldModel().condition(zinc, "zinc", **TRUTH)


@pytest.fixture(scope="session")
def log_given(zinc):
    """The field of the logarithms, at given hyperparameters."""
    return wb.FieldModel().condition(
        zinc, "zinc", transform="log", lengthscale=30.0, amplitude=0.4, noise_sd=0.05
    )


@pytest.fixture(scope="session")
def grid(zinc):
    """Four rows of five cells among the points, two of them outside."""
    inside = np.ones((4, 5), dtype=bool)
    inside[0, 0] = inside[2, 1] = False
    x, y = 181010.0 + 18.0 * np.arange(5), 332020.0 + 20.0 * np.arange(4)
    return Grid(x, y, inside, zinc.crs, "m")


@pytest.fixture(scope="module")
def few_modes():
    """Fewer modes make a path cheap; its tail then carries more, and the law stays the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("womble.engines.fourier.MOST_MODES", 41)
        yield
