"""Triangular products against full ones, from one thread and from two."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.testing as npt
import pytest

from womble.compiled.triangular import factor, times_transposed


@pytest.mark.parametrize(("m", "n"), [(1, 1), (6, 3), (5, 64), (700, 130)])
def test_rows_times_the_transpose(m, n):
    rng = np.random.default_rng(m)
    W, rows = np.asfortranarray(np.tril(rng.normal(size=(n, n)))), rng.normal(size=(m, n))
    W[np.triu_indices(n, 1)] = np.nan  # never looked at
    product = rows.copy()
    times_transposed(product, W)
    npt.assert_allclose(product, rows @ np.tril(W).T, atol=1e-14 * n)


def test_threads_do_not_meet():
    rng = np.random.default_rng(0)
    W = np.asfortranarray(np.tril(rng.normal(size=(90, 90))))
    every = rng.normal(size=(40, 30, 90))
    expected = every @ W.T
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda rows: times_transposed(rows, W), every))
    npt.assert_allclose(every, expected, atol=1e-12)


def test_factor_is_numpys():
    A = np.random.default_rng(1).normal(size=(40, 40))
    K = A @ A.T + np.eye(40)
    ours = np.asfortranarray(K)
    assert factor(ours)
    npt.assert_allclose(np.tril(ours), np.linalg.cholesky(K), rtol=1e-11)
    npt.assert_array_equal(np.triu(ours, 1), np.triu(K, 1))
    assert not factor(np.asfortranarray(-K))
