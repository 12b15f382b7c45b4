"""The log marginal likelihood of the dense engine, and its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dsyrk
from scipy.linalg.lapack import dpotri, dtrtrs

from womble.arrays import FloatArray
from womble.compiled.rows import weighted_axes, weighted_trace
from womble.engines.factor import solve_small, white_trend
from womble.engines.noise import Noise
from womble.hyperparameters import Theta


@dataclass(frozen=True, eq=False)
class Marginal:
    r"""log p(y) of y ~ N(0, K), K = sum_c sigma_c^2 R_c + N + H B H'.

    .. math:: \log p(y) = -\tfrac12 y' a - \tfrac12 \log |2 \pi K|, \qquad a = K^{-1} y, \qquad
              d \log p / d\theta = \tfrac12 \mathrm{tr} [(a a' - K^{-1})\, dK / d\theta]

    N is the diagonal matrix of the noise.

    Attributes
    ----------
    theta : Theta
    value : float
        log p(y).
    a : array, shape (n,)
    inverse : array, shape (n, n)
        K^-1 on and above the diagonal.
    of_covariance, of_trend : float
        tr[(a a' - K^-1) M] for M = K and H B H'.
    noise : Noise
    correlations : list of arrays, shape (n, n)
        R_c of all components but the first.
    stretches : list of arrays, shape (n, n)
        z^2 D rho = -lengthscale dR / d lengthscale of each component.

    References
    ----------
    Rasmussen and Williams (2006), eq. (2.30) and (5.9).
    """

    theta: Theta
    value: float
    a: FloatArray
    inverse: FloatArray
    of_covariance: float
    of_trend: float
    noise: Noise
    correlations: Sequence[FloatArray]
    stretches: Sequence[FloatArray]

    @classmethod
    def of(
        cls,
        theta: Theta,
        L: FloatArray,
        values: FloatArray,
        trend_basis: FloatArray,
        noise: Noise,
        radials: tuple[Sequence[FloatArray], Sequence[FloatArray]],
    ) -> Marginal:
        """From the Cholesky factor of K without the trend, which it overwrites.

        Parameters
        ----------
        theta : Theta
        L : array, shape (n, n)
            Lower triangular, in Fortran order.
        values : array, shape (n,)
            y.
        trend_basis : array, shape (n, k)
            H B^(1/2).
        noise : Noise
        radials
            `correlations` and `stretches`.
        """
        white, _ = dtrtrs(L, np.column_stack([values, trend_basis]), lower=1)
        c, rest, root = white_trend(white[:, 0], white[:, 1:])
        misfit = rest @ rest + c @ c
        log_determinant = 2 * np.log(np.diag(L)).sum() + 2 * np.log(np.diag(root)).sum()
        value = -0.5 * (misfit + log_determinant + len(rest) * np.log(2 * np.pi))
        # K^-1 = K_0^-1 - G G' with G = L'^-1 A M^-1/2, and H' K^-1 H = I - M^-1.
        half = solve_small(root, np.column_stack([white[:, 1:].T, np.eye(len(c))]))
        back = np.column_stack([rest, half[:, : len(rest)].T])
        back, _ = dtrtrs(L, back, lower=1, trans=1)
        of_trend = c @ c - len(c) + np.sum(half[:, len(rest) :] ** 2)
        inverse, _ = dpotri(L, lower=1, overwrite_c=1)  # lower triangle, zeros above
        if len(c):
            inverse = dsyrk(-1.0, back[:, 1:], beta=1.0, c=inverse, lower=1, overwrite_c=1)
        a = np.ascontiguousarray(back[:, 0])
        return cls(theta, value, a, inverse.T, misfit - len(a), of_trend, noise, *radials)

    def gradient(self) -> list[float]:
        """d log p by the scales' lengthscale and amplitude in turn, then by noise_sd.

        One component needs a product of matrices entry by entry for its lengthscale alone: for its
        amplitude sigma^2 R = K - N - H B H' - .., and K a = y, K^-1 K = I.
        """
        theta, inverse = self.theta, self.inverse
        of_each = self.a**2 - np.diag(inverse)
        rest = self.of_covariance - self.noise.variance(theta) @ of_each - self.of_trend
        traces = [
            scale.amplitude**2 * weighted_trace(R, self.a, inverse)
            for scale, R in zip(theta.scales[1:], self.correlations, strict=True)
        ]
        out = []
        for scale, stretch, of_correlation in zip(
            theta.scales, self.stretches, [rest - sum(traces), *traces], strict=True
        ):
            of_stretch = weighted_trace(stretch, self.a, inverse)
            out.append(-0.5 * scale.amplitude**2 / scale.lengthscale * of_stretch)
            out.append(of_correlation / scale.amplitude)
        return [*out, theta.noise_sd * (self.noise.share @ of_each)]

    def axes(self, coords: FloatArray) -> FloatArray:
        r"""sum_ij (a a' - K^-1)_ij sum_c \sigma_c^2 (z^2 D rho_c)_ij u_ij u_ij', shape (2, 2).

        u_ij is the unit vector between sites i and j at `coords` (n, 2).
        """
        return sum(
            scale.amplitude**2 * weighted_axes(stretch, self.a, self.inverse, coords)
            for scale, stretch in zip(self.theta.scales, self.stretches, strict=True)
        )
