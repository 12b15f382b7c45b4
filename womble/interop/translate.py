"""Kernels of scikit-learn as covariances whose derivatives are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from womble.interop.derivatives import (
    Constant,
    Covariance,
    Linear,
    Periodic,
    Product,
    Scaled,
    Stationary,
    Sum,
)
from womble.kernels import Matern, RationalQuadratic, SquaredExponential
from womble.kernels.matern import LARGEST_NU

SUPPORTED = (
    "RBF, Matern (nu > 1), RationalQuadratic, DotProduct, ExpSineSquared (one input), "
    "ConstantKernel, WhiteKernel, and sums and products of these"
)


def translate(kernel: Any, d: int) -> Covariance | None:
    """A scikit-learn kernel of `d` inputs as a `Covariance`; None for noise, no part of the field.

    Raises
    ------
    ValueError
        If the kernel's derivatives do not exist or are not known.
    """
    from sklearn.gaussian_process import kernels as sk

    # Exact types: a subclass may mean another function (Matern is itself a subclass of RBF).
    match type(kernel):
        case sk.Sum | sk.Product:
            return _combine(kernel, d)
        case sk.WhiteKernel:
            return None
        case sk.ConstantKernel:
            return Constant(float(kernel.constant_value))
        case sk.RBF:
            return Stationary(SquaredExponential(), _lengthscales(kernel, d))
        case sk.Matern:
            return Stationary(_matern(kernel.nu), _lengthscales(kernel, d))
        case sk.RationalQuadratic:
            return Stationary(RationalQuadratic(float(kernel.alpha)), _lengthscales(kernel, d))
        case sk.DotProduct:
            return Linear(float(kernel.sigma_0) ** 2)
        case sk.ExpSineSquared if d == 1:
            return Periodic(float(kernel.length_scale), float(kernel.periodicity))
    raise ValueError(
        f"the derivatives of {kernel} with d = {d} are not known. Refit with a kernel made of: "
        f"{SUPPORTED}."
    )


def _combine(kernel: Any, d: int) -> Covariance | None:
    """A sum or a product of two kernels; what is times noise is noise."""
    left, right = translate(kernel.k1, d), translate(kernel.k2, d)
    if type(kernel).__name__ == "Sum":
        return Sum(left, right) if left and right else left or right
    if left is None or right is None:
        return None
    if isinstance(left, Constant):
        return Scaled(left.variance, right)
    return Scaled(right.variance, left) if isinstance(right, Constant) else Product(left, right)


def _lengthscales(kernel: Any, d: int) -> tuple[float, ...]:
    """One lengthscale per input."""
    scales = np.squeeze(np.asarray(kernel.length_scale, dtype=float))
    return tuple(np.broadcast_to(scales, d).tolist())


def _matern(nu: float) -> Matern | SquaredExponential:
    """The Matern kernel of smoothness `nu`, if its paths have gradients."""
    if np.isinf(nu):
        return SquaredExponential()
    if not 1.0 < nu <= LARGEST_NU:
        raise ValueError(
            f"paths under Matern(nu={nu:g}) have no gradient, or no double-precision form: "
            f"expected nu > 1 and at most {LARGEST_NU:g}, or infinity. Refit with nu=1.5 for "
            "gradients, nu=2.5 for Hessians."
        )
    return Matern(float(nu))
