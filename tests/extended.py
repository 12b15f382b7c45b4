"""The Gaussian model in extended precision: mpmath, written apart from the package.

Inputs are doubles, taken as exact; the package's scaling of coordinates and values, which its
trend's priors refer to, is worked out anew.
"""

from dataclasses import dataclass

import mpmath as mp
import numpy as np

from womble import jet
from womble.kernels import Matern

DIGITS = 60


def exact(array):
    """Numbers as an object array of mpf."""
    array = np.asarray(array, dtype=float)
    return np.array([mp.mpf(x) for x in array.ravel()], dtype=object).reshape(array.shape)


def doubles(array):
    """An object array rounded to doubles."""
    return np.array([float(x) for x in np.ravel(array)]).reshape(np.shape(array))


def cholesky(K):
    """The lower factor of a positive definite object array."""
    L = np.full(K.shape, mp.mpf(0), dtype=object)
    for j in range(len(K)):
        column = K[j:, j] - L[j:, :j] @ L[j, :j]
        L[j:, j] = column / mp.sqrt(column[0])
    return L


def forward(L, B):
    """L^-1 B for B (n, k)."""
    X = B.copy()
    for i in range(len(L)):
        X[i] = (X[i] - L[i, :i] @ X[:i]) / L[i, i]
    return X


def radials(kernel, z, orders):
    """D^order rho(z) of an mpf z > 0, D = (1/z) d/dz; SquaredExponential or half-integer Matern."""
    if not isinstance(kernel, Matern):
        base = mp.exp(-z * z / 2)
        return [(-1) ** order * base for order in orders]
    nu = mp.mpf(kernel.nu)
    x = mp.sqrt(2 * nu) * z
    front = mp.mpf(2) ** (1 - nu) / mp.gamma(nu) * mp.sqrt(mp.pi / 2) * mp.exp(-x)
    out = []
    for order in orders:
        index = nu - order
        p = int(abs(index) - 0.5)
        series = sum(
            mp.factorial(p + i) / (mp.factorial(i) * mp.factorial(p - i) * mp.mpf(2) ** i) / x**i
            for i in range(p + 1)
        )  # x^(1/2) e^x K_index(x) but for sqrt(pi / 2)
        out.append(front * (-2 * nu) ** order * x ** (index - mp.mpf(1) / 2) * series)
    return out


def at_zero(kernel, order):
    """D^order rho(0); exists for nu > order."""
    if not isinstance(kernel, Matern):
        return mp.mpf((-1) ** order)
    nu = mp.mpf(kernel.nu)
    return (-nu) ** order * mp.gamma(nu - order) / mp.gamma(nu)


@dataclass
class Exact:
    """y ~ N(0, K) at given hyperparameters, all in scaled units, 60 digits."""

    kernel: object
    trend: str
    coords: np.ndarray
    values: np.ndarray
    lengthscale: float
    amplitude: float
    noise_sd: float
    share: object = 1.0  # 1 / weights

    def __post_init__(self):
        mp.mp.dps = DIGITS
        s, y = exact(self.coords), exact(self.values)
        self.origin = s.mean(axis=0)
        self.length = mp.sqrt(((s - self.origin) ** 2).sum() / len(s))
        self.offset = y.mean() if self.trend != "none" else mp.mpf(0)
        self.scale = mp.sqrt(((y - self.offset) ** 2).mean())
        self.s, self.y = (s - self.origin) / self.length, (y - self.offset) / self.scale
        self.l = mp.mpf(self.lengthscale) / self.length
        self.a = mp.mpf(self.amplitude) / self.scale
        self.tau = mp.mpf(self.noise_sd) / self.scale
        self.H = 10 * self.basis(self.s, 0)[:, 0]
        K = self.cross(self.s, 0)[:, 0]
        n = len(y)
        noise = np.broadcast_to(exact(self.share), (n,)) * self.tau**2
        K[np.arange(n), np.arange(n)] += noise
        self.L = cholesky(K)
        self.white = forward(self.L, self.y[:, None])[:, 0]

    def basis(self, s, order):
        """Jets of the trend's basis, (p, c, k); coefficients have prior sd 10."""
        p, d = s.shape
        zero, one = np.full(p, mp.mpf(0), dtype=object), np.full(p, mp.mpf(1), dtype=object)
        columns = []
        if self.trend != "none":
            columns.append({(): one})
        if self.trend == "linear":
            columns += [{(): s[:, i], (i,): one} for i in range(d)]
        assert self.trend != "quadratic"
        wanted = jet.components(d, order)
        out = np.full((p, len(wanted), len(columns)), mp.mpf(0), dtype=object)
        for k, column in enumerate(columns):
            for c, indices in enumerate(wanted):
                out[:, c, k] = column.get(indices, zero)
        return out

    def cross(self, s, order):
        """Covariance of the surface's jets at s with the data, (p, c, n)."""
        wanted = jet.components(s.shape[1], order)
        out = np.full((len(s), len(wanted), len(self.s)), mp.mpf(0), dtype=object)
        for i, here in enumerate(s):
            for j, there in enumerate(self.s):
                h = (here - there) / self.l
                z = mp.sqrt((h * h).sum())
                if z == 0:
                    k = [at_zero(self.kernel, 0), 0, 0]
                    k[1:] = [at_zero(self.kernel, m) for m in range(1, order + 1)]
                else:
                    k = [*radials(self.kernel, z, range(order + 1)), 0, 0]
                for c, indices in enumerate(wanted):
                    if len(indices) == 0:
                        value = k[0]
                    elif len(indices) == 1:
                        value = h[indices[0]] * k[1]
                    else:
                        (a, b) = indices
                        value = (k[1] if a == b else 0) + h[a] * h[b] * k[2]
                    out[i, c, j] = value * self.a**2 / self.l ** len(indices)
        trend = self.basis(s, order)
        return out + 10 * trend @ self.H.T if trend.shape[2] else out

    def prior(self, s, order):
        """Covariance of the surface's jets at each point, (p, c, c)."""
        wanted, one = jet.components(s.shape[1], order), {}
        k = [at_zero(self.kernel, m) if m < getattr(self.kernel, "nu", 9) else 0 for m in range(3)]
        for indices in {tuple(sorted(a + b)) for a in wanted for b in wanted}:
            counts = [indices.count(i) for i in set(indices)]
            odd, m = any(c % 2 for c in counts), len(indices) // 2
            ways = 3 if counts == [4] else 1
            one[indices] = mp.mpf(0) if odd else ways * k[m] * self.a**2 / self.l ** (2 * m)
        V = np.array(
            [[(-1) ** len(b) * one[tuple(sorted(a + b))] for b in wanted] for a in wanted],
            dtype=object,
        )
        trend = 10 * self.basis(s, order)
        if not trend.shape[2]:
            return np.repeat(V[None], len(s), axis=0)
        return V + np.array([B @ B.T for B in trend], dtype=object)

    def jet_moments(self, points, order=2):
        """Mean (p, c) and covariance (p, c, c) in user units, rounded at the very end."""
        s = (exact(points) - self.origin) / self.length
        C = self.cross(s, order)
        p, c, n = C.shape
        A = forward(self.L, C.reshape(p * c, n).T).T.reshape(p, c, n)
        units = np.array(
            [self.scale / self.length ** len(a) for a in jet.components(s.shape[1], order)],
            dtype=object,
        )
        mean = (A @ self.white) * units
        mean[:, 0] += self.offset
        gram = np.array([X @ X.T for X in A], dtype=object)
        covariance = (self.prior(s, order) - gram) * units[:, None] * units
        return doubles(mean), doubles(covariance)

    def log_likelihood(self):
        """log p of the scaled values."""
        log_det = 2 * sum(mp.log(x) for x in np.diag(self.L))
        n = len(self.y)
        return -((self.white**2).sum() + log_det + n * mp.log(2 * mp.pi)) / 2
