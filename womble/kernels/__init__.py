"""Correlation functions, each one file, and their sums."""

from womble.kernels.base import Correlation, Kernel
from womble.kernels.matern import Matern
from womble.kernels.rational_quadratic import RationalQuadratic
from womble.kernels.squared_exponential import SquaredExponential
from womble.kernels.sum import Sum

__all__ = ["Correlation", "Kernel", "Matern", "RationalQuadratic", "SquaredExponential", "Sum"]
