"""Cholesky factors, and products with triangular matrices, that let other threads run.

SciPy's own wrappers of the same routines hold the interpreter lock: two threads then take as long
as one. NumPy's factor does not, but takes twice the time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit
from numba.extending import get_cython_function_address

from womble.arrays import FloatArray

# Left side, lower triangle, no transpose, diagonal as it is.
SIDES = np.frombuffer(b"LLNN", np.uint8)


@cache
def _product() -> Callable[..., None]:
    """BLAS dtrmm, made callable on first use: a pointer to it cannot be kept on disk."""
    address = get_cython_function_address("scipy.linalg.cython_blas", "dtrmm")
    dtrmm = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 11)(address)

    @njit(nogil=True)
    def product(W: FloatArray, rows: FloatArray, sides, sizes, one) -> None:
        dtrmm(
            sides[0:].ctypes,
            sides[1:].ctypes,
            sides[2:].ctypes,
            sides[3:].ctypes,
            sizes[0:].ctypes,
            sizes[1:].ctypes,
            one.ctypes,
            W.ctypes,
            sizes[0:].ctypes,
            rows.ctypes,
            sizes[0:].ctypes,
        )

    return product


def times_transposed(rows: FloatArray, W: FloatArray) -> None:
    """rows W' in place of `rows` (m, n), for lower triangular W (n, n) in Fortran order.

    Half the work of a full product.
    """
    m, n = rows.shape
    assert rows.flags.c_contiguous
    assert W.flags.f_contiguous
    # Row by row in C order is column by column in BLAS's: it sees W times the transpose.
    _product()(W, rows, SIDES, np.array([n, m], dtype=np.intc), np.ones(1))


@cache
def _lapack(name: str, arguments: int) -> Callable[..., None]:
    """A routine of LAPACK; ctypes gives up the lock while it runs."""
    address = get_cython_function_address("scipy.linalg.cython_lapack", name)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)


def factor(K: FloatArray) -> bool:
    """The lower Cholesky factor in place of the lower triangle of K (n, n), in Fortran order.

    The other triangle stays as it is. False where K is not positive definite in double precision.
    """
    assert K.flags.f_contiguous
    size, info = ctypes.c_int(len(K)), ctypes.c_int(0)
    at = ctypes.byref(size)
    _lapack("dpotrf", 5)(ctypes.c_char_p(b"L"), at, K.ctypes.data, at, ctypes.byref(info))
    return info.value == 0


def invert(L: FloatArray) -> None:
    """L^-1 in place of L (n, n), lower triangular, regular and in Fortran order."""
    assert L.flags.f_contiguous
    size, info = ctypes.c_int(len(L)), ctypes.c_int(0)
    at, kind = ctypes.byref(size), ctypes.c_char_p(b"N")
    lower = ctypes.c_char_p(b"L")
    _lapack("dtrtri", 6)(lower, kind, at, L.ctypes.data, at, ctypes.byref(info))
    assert info.value == 0
