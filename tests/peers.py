"""Predictions of noisy observations by other packages, each as its own guide has it.

Every function takes sites (n, 2), values (n,) and new sites (p, 2), and returns mean and standard
deviation (p,) of the observations there, noise included.
"""

import numpy as np
from scipy.special import ndtr


def nothing(coords, values, new):
    """Mean and standard deviation of the values, whatever the place."""
    return np.full(len(new), values.mean()), np.full(len(new), values.std(ddof=1))


def scikit_learn(coords, values, new):
    """Likelihood maximised from six starts; sites scaled, as its bounds are 1e-5 and 1e5."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel() * Matern(nu=2.5) + WhiteKernel()
    gpr = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=5, random_state=0)
    centre, scale = coords.mean(axis=0), coords.std(axis=0).mean()
    gpr.fit((coords - centre) / scale, values)
    return gpr.predict((new - centre) / scale, return_std=True)


def pykrige(model):
    """Ordinary kriging with the variogram that it fits, its nugget as noise.

    Short distances count more in that fit: without, its errors at Meuse were a fifth larger.
    """

    def predict(coords, values, new):
        from pykrige.ok import OrdinaryKriging

        kriging = OrdinaryKriging(
            *coords.T, values, variogram_model=model, weight=True, exact_values=False
        )
        mean, variance = kriging.execute("points", *new.T)
        return np.asarray(mean), np.sqrt(np.asarray(variance))

    return predict


def gstools(model):
    """Variogram estimated on its own bins and fitted with nugget, then ordinary kriging."""

    def predict(coords, values, new):
        import gstools as gs

        fitted = getattr(gs, model)(dim=2)
        fitted.fit_variogram(*gs.vario_estimate(coords.T, values), nugget=True)
        mean, variance = gs.krige.Ordinary(fitted, coords.T, values)(new.T)
        return mean, np.sqrt(variance)

    return predict


def normal_scores(observed, mean, sd):
    r"""Of normal predictions: mean, crps, coverage of 95% and log density, each (n,).

    .. math:: CRPS = s \{z [2 \Phi(z) - 1] + 2 \phi(z) - \pi^{-1/2}\}, \quad z = (y - m) / s

    References
    ----------
    Gneiting and Raftery (2007), JASA 102, eq. (21).
    """
    z = (observed - mean) / sd
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return {
        "mean": mean,
        "crps": sd * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi)),
        "covered": np.abs(ndtr(z) - 0.5) <= 0.475,
        "log_density": np.log(density / sd),
    }
