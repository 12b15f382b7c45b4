"""The three ways to the hyperparameters agree with brute force, and say what they did."""

import sys

import numpy as np
import numpy.testing as npt
import pymc as pm
import pytest
import xarray as xr
from scipy.special import softmax

import womble as wb
from womble import inference
from womble.engines import choose_engine
from womble.engines.base import Theta
from womble.kernels import Matern
from womble.laplace import find_modes
from womble.spatial_data import spatial_data
from womble.trend import Trend

ROUGH, SMOOTH = Matern(nu=2.5), Matern(nu=4.5)


def waves(seed, lattice, slow, period, phases, noise):
    """Twelve values of a slow and a fast wave on a line: signal and noise can change places."""
    rng = np.random.default_rng(seed)
    x = np.arange(12.0) + 0.2 * rng.standard_normal(12) if lattice else np.sort(rng.uniform(0, 12, 12))
    y = slow * np.sin(2 * np.pi * x / 24 + phases[0]) + np.sin(2 * np.pi * x / period + phases[1])
    return x, y + noise * rng.standard_normal(12)


def density_of(data, kernel):
    checked = spatial_data(data)
    engine, _ = choose_engine("auto", kernel, Trend("constant"), checked)
    return inference.hyperparameter_density(engine, checked, None)
