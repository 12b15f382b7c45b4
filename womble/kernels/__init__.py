"""Correlation functions, each one file."""

from womble.kernels.base import Kernel
from womble.kernels.matern import Matern
from womble.kernels.squared_exponential import SquaredExponential

__all__ = ["Kernel", "Matern", "SquaredExponential"]
