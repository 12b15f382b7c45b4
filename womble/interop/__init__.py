"""Derivatives of Gaussian processes that other libraries have fitted."""
