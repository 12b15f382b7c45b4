"""Posterior paths against the exact joint law in full: every mean, every covariance."""

from time import perf_counter

import numpy as np
import pytest
from cases import highest_order, standard_bound

from womble.engines import fourier
from womble.engines.dense import DenseEngine
from womble.hyperparameters import PLAIN
from womble.kernels import Matern, SquaredExponential
from womble.trend import Trend

# With the modes a side that paths have by default, and so few that the tail matters.
CASES = [(Matern(nu), modes) for nu in (1.5, 2.5, 3.5) for modes in (121, 41)]
CASES += [(SquaredExponential(), modes) for modes in (121, 11)]
SAMPLES = 4000


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "modes"), CASES, ids=str)
def test_paths_have_the_joint_posterior_law(kernel, modes, monkeypatch):
    """All moments of the jets at 100 points and 50 pairs 0.01 of the domain apart, jointly."""
    monkeypatch.setattr(fourier, "MOST_MODES", modes)
    rng = np.random.default_rng(0)
    theta, domain = PLAIN.theta([0.2, 1.0, 0.1]), np.array([[0.0, 0.0], [1.0, 1.0]])
    coords = rng.uniform(size=(200, 2))
    prior = fourier.FourierPrior(kernel, theta.scales[0], domain)
    values = prior.draw(rng).jets(coords, 0)[:, 0] + theta.noise_sd * rng.standard_normal(200)
    conditional = DenseEngine(kernel, Trend("constant"), coords, values).condition(theta)
    order = highest_order(kernel)
    first = rng.uniform(0.01, 0.99, (50, 2))
    angle = rng.uniform(0, 2 * np.pi, 50)
    apart = 0.01 * np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.concatenate([rng.uniform(size=(100, 2)), first, first + apart])

    start = perf_counter()
    drawn = [conditional.path(stream, domain) for stream in rng.spawn(SAMPLES)]
    jets = np.stack([path.jets(points, order) for path in drawn])
    seconds = perf_counter() - start
    mean, covariance = (moment[0] for moment in conditional.groups(points[None], order))
    sd = np.sqrt(np.diag(covariance))
    centred = (jets.reshape(SAMPLES, -1) - mean) / sd
    correlation = covariance / np.outer(sd, sd)
    found = centred.T @ centred / SAMPLES

    of_mean = np.abs(centred.mean(axis=0)).max() * np.sqrt(SAMPLES)
    of_covariance = np.abs(found - correlation) * np.sqrt(SAMPLES / (1 + correlation**2))
    bounds = [standard_bound(sd.size, SAMPLES), standard_bound(correlation.size, SAMPLES)]
    c = jets.shape[-1]
    ratio = np.sqrt(np.diag(found)).reshape(-1, c).mean(axis=0)
    near, far = (c * np.arange(100, 150) + i * 50 * c for i in (0, 1))
    close = [np.mean(found[near + a, far + a] - correlation[near + a, far + a]) for a in range(c)]
    print(
        f"\n{kernel!r}, {modes} modes a side, kernel sum "
        f"{'over the data' if drawn[0].kernel_weights is not None else 'in the band'}; "
        f"tail's share by order {[float(f'{prior.tail_share(k):.2g}') for k in range(order + 1)]}"
        f"\n  largest standardised deviation: mean {of_mean:.2f} (bound {bounds[0]:.2f}), "
        f"{correlation.size} covariances {of_covariance.max():.2f} (bound {bounds[1]:.2f}), "
        f"rms {np.sqrt(np.mean(of_covariance**2)):.3f}"
        f"\n  sd found / exact by component {ratio.round(4)}"
        f"\n  correlation of close pairs, found - exact {np.round(close, 4)}"
        f"\n  {1e3 * seconds / SAMPLES:.1f} ms a path"
    )
    assert of_mean < bounds[0]
    assert of_covariance.max() < bounds[1]
