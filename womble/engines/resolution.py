r"""How large a torus and how wide a band the spectral model needs for plausible hyperparameters.

The torus: its images must be out of sight at the longest lengthscale. The band: beyond its edge R,
for each plausible theta,

.. math:: \text{density} \cdot S(R) / \tau^2 \le 5 \cdot 10^{-4}, \qquad
          \mathrm{Var}(\text{tail}) \le 10^{-4} \sigma^2,

that is, data tell next to nothing of the waves left out, and these are little of the field. The
first is the stronger with many data: a captured variance of 0.99999 alone can still shift the mean
of a second derivative by a tenth of its sd. A value that is the mean of m measurements counts m
times in the density, and :math:`m \mathrm{Var}(\text{tail}) \le 10^{-2} \tau^2` is asked for as
well: the tail's part in its noise may then be divided by m with the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from womble.arrays import FloatArray
from womble.covariance import parts
from womble.engines import fourier, torus
from womble.engines.disc import Disc
from womble.hyperparameters import Theta
from womble.kernels import Kernel

# Largest correlation of any two jet components with an image, for pairs at opposite ends of the
# domain, which data between them decouple: what is left of it there was below 1e-3 posterior sds.
IMAGE_CORRELATION = 1e-3
# Room around the data where the field can be asked, as a share of the longest side of their box.
ROOM = 0.2
# What data may say of a wave left out, and the variance that all of these may have.
LEAST_SIGNAL = 5e-4
LEAST_VARIANCE = 1e-4
# What the tail may have of the noise of a mean of several measurements.
LEAST_SHARE = 1e-2
# Frequencies in the disc at most (half of the lattice): paths then hold 4 MB, and a product with
# the data's density takes 0.1 s.
MOST_FREQUENCIES = 125_000
# Data in a cell, on average, of the histogram that finds where they are densest; in a sample also
# finer ones, less so many standard errors as the fullest of many equal cells is above the others.
PER_CELL = 200
SAMPLED_PER_CELL = (200, 50, 12)
SURE = 3.0


@dataclass(frozen=True)
class Resolution:
    """A band and what it holds.

    Attributes
    ----------
    disc : Disc
    domain : array, shape (2, d)
        Corners of the box, in scaled coordinates, in which the field can be asked for.
    captured : tuple of float
        Least share of the variance of value, gradient and Hessian (of those that the kernel has)
        on the band, over all plausible hyperparameters.
    signal : float
        What data say of the waves left out, at most; above LEAST_SIGNAL where there would be too
        many frequencies.
    """

    disc: Disc
    domain: FloatArray
    captured: tuple[float, ...]
    signal: float


def resolve(
    kernel: Kernel,
    thetas: Sequence[Theta],
    box: FloatArray,
    density: float,
    heaviest: float = 1.0,
) -> Resolution:
    """The band for plausible hyperparameters.

    Parameters
    ----------
    thetas : sequence of Theta
        In scaled units.
    box : array, shape (2, d)
        Corners of the box of the data, in scaled coordinates.
    density : float
        Data per unit of area where they are densest.
    heaviest : float
        Most measurements that a value is the mean of.

    Raises
    ------
    ValueError
        If there is no noise, or too little for means of so many measurements.
    """
    if min(theta.noise_sd for theta in thetas) <= 0:
        raise ValueError(
            "the spectral engine needs noise in the data: `noise_sd` must be positive; got 0. Give "
            "the measurement error, or use engine='dense'."
        )
    low, high = box
    d, order = len(low), 2 if kernel.differentiability > 2 else 1
    room = ROOM * (high - low).max()
    domain = np.stack([low - room, high + room])
    period = (
        domain[1]
        - domain[0]
        + max(
            fourier.image_distance(part, order, IMAGE_CORRELATION) * scale.lengthscale
            for theta in thetas
            for part, scale in parts(kernel, theta.scales)
        )
    )
    most = _affordable(period)
    wanted = max(_radius(kernel, theta, d, density, heaviest) for theta in thetas)
    radius = min(wanted, most)
    shares = [heaviest * tail_share(kernel, theta, d, radius) for theta in thetas]
    if heaviest > 1 and max(shares) > 2 * LEAST_SHARE:
        raise ValueError(
            f"the spectral engine cannot have values that are means of {heaviest:g} measurements "
            "with so little noise: it would need too many waves. Cap `weights`, or use "
            "engine='dense'."
        )
    disc = Disc((low + high) / 2, period, radius)
    captured = [
        min(captured_share(kernel, disc, theta, k) for theta in thetas) for k in range(order + 1)
    ]
    told = max(signal(kernel, theta, d, density, radius) for theta in thetas)
    return Resolution(disc, domain, tuple(captured), told)


def captured_share(kernel: Kernel, disc: Disc, theta: Theta, order: int) -> float:
    """Share of the prior variance of derivatives of this order that is on the band."""
    d = len(disc.period)

    def variance(beyond: float) -> float:
        return sum(
            (scale.amplitude / scale.lengthscale**order) ** 2
            * part.spectral_moment(beyond * scale.lengthscale, d, 2 * order)
            for part, scale in parts(kernel, theta.scales)
        )

    return float(1 - variance(disc.radius) / variance(0.0))


def _affordable(period: FloatArray) -> float:
    """Radius of the disc with MOST_FREQUENCIES on half of it."""
    d = len(period)
    per_frequency = np.prod(2 * np.pi / period)
    volume = 2 * MOST_FREQUENCIES * per_frequency
    return float(volume / 2 if d == 1 else np.sqrt(volume / np.pi))


def signal(kernel: Kernel, theta: Theta, d: int, density: float, radius: float) -> float:
    """What data say of waves at a radius: density S / tau^2, S of all components together."""
    at = np.array(radius)
    S = sum(torus.density(part, scale, at, d) for part, scale in parts(kernel, theta.scales))
    return float(density / theta.noise_sd**2 * S)


def tail_share(kernel: Kernel, theta: Theta, d: int, radius: float) -> float:
    """Variance of the waves beyond a radius, over that of the noise of one measurement."""
    return sum(
        scale.amplitude**2 * float(part.spectral_moment(radius * scale.lengthscale, d, 0))
        for part, scale in parts(kernel, theta.scales)
    ) / (theta.noise_sd**2)


def _radius(kernel: Kernel, theta: Theta, d: int, density: float, heaviest: float) -> float:
    """Where the spectrum has fallen far enough at `theta`."""
    # Where each component has lost as much, so has their sum.
    by_variance = max(
        part.frequency_beyond(LEAST_VARIANCE, 0.0, d, 0) / scale.lengthscale
        for part, scale in parts(kernel, theta.scales)
    )

    def excess(log_radius: float) -> float:
        told = signal(kernel, theta, d, density, np.exp(log_radius)) / LEAST_SIGNAL
        if heaviest > 1:
            share = heaviest * tail_share(kernel, theta, d, np.exp(log_radius))
            told = max(told, share / LEAST_SHARE)
        # A squared exponential's spectrum may be 0 in double precision.
        return np.log(max(told, 1e-300))

    start = np.log(by_variance)
    if excess(start) <= 0:
        return float(by_variance)
    return float(np.exp(brentq(excess, start, start + np.log(1e6), xtol=1e-3)))


def peak_density(
    coords: FloatArray, count: int | None = None, weights: FloatArray | None = None
) -> float:
    """Data per unit of area where they are densest, by a coarse histogram.

    Of a sample histograms of several widths: the finer ones see smaller clusters, and count for as
    much as a cell surely holds, lest the chances of a sample pass for a cluster.

    Parameters
    ----------
    coords : array, shape (n, d)
        All data, or a sample of them.
    count : int, optional
        Number of data, if these are a sample.
    weights : array, shape (n,), optional
        How often each of the data counts.
    """
    n = len(coords)
    if count is None or count == n:
        return _densest(coords, PER_CELL, 0.0, weights)
    return count / n * max(_densest(coords, size, SURE, weights) for size in SAMPLED_PER_CELL)


def _densest(coords: FloatArray, per_cell: float, sure: float, weights: FloatArray | None) -> float:
    """Data per unit of area in the fullest cell, less `sure` standard errors of its count."""
    n, d = coords.shape
    low, sides = coords.min(axis=0), np.ptp(coords, axis=0)
    cells = np.maximum(1, np.floor(sides / (np.prod(sides) * per_cell / n) ** (1 / d))).astype(int)
    index = np.minimum(((coords - low) / sides * cells).astype(int), cells - 1)
    most = np.bincount(np.ravel_multi_index(tuple(index.T), cells), weights).max()
    return float((most - sure * np.sqrt(most)) * np.prod(cells) / np.prod(sides))
