"""Hyperparameters by maximum likelihood, for studies in which a full fit would take too long."""

import numpy as np
from scipy.optimize import minimize

import womble as wb
from womble.engines import choose_engine
from womble.hyperparameters import PLAIN
from womble.spatial_data import spatial_data
from womble.trend import Trend


def mode(data):
    """Hyperparameters at the maximum of the marginal likelihood, in user units."""
    checked = spatial_data(data)
    engine, _ = choose_engine("auto", wb.Matern(nu=3.5), Trend("constant"), checked)

    def loss(log_theta):
        value, gradient = engine.log_likelihood(PLAIN.theta(np.exp(log_theta)))
        return -value, -gradient * np.exp(log_theta)

    # Lengthscales beyond ten radii of the domain are all alike to the data.
    bounds = np.log([[0.02, 10.0], [0.02, 10.0], [1e-3, 2.0]])
    found = minimize(loss, np.log([0.7, 1.0, 0.2]), jac=True, bounds=bounds, method="L-BFGS-B")
    # At the mode, or pressed against a bound: a step down the gradient goes nowhere.
    assert np.abs(np.clip(found.x - found.jac, *bounds.T) - found.x).max() < 0.01
    theta = np.exp(found.x) * PLAIN.units(checked.scaling)
    return {k: float(x) for k, x in zip(PLAIN.names, theta, strict=True)}
