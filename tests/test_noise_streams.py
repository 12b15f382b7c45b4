"""Noise by row number, samples by content, moments by parts: none depends on the parts."""

import numpy as np
import numpy.testing as npt
import pandas as pd

from womble import row_sample
from womble.engines.noise_streams import ROWS, TOGETHER, NoiseStreams
from womble.moments import Moments
from womble.row_sample import Sample, scrambled


def test_numbers_go_by_row_and_vector_alone():
    few, many = NoiseStreams(3), NoiseStreams(TOGETHER + 5)
    rows = np.arange(ROWS - 50, 2 * ROWS + 70)
    whole = many.of(many.groups[0], rows)
    npt.assert_array_equal(few.of(few.groups[0], rows), whole[:3])
    some = rows[::7]
    npt.assert_array_equal(many.of(many.groups[0], some), whole[:, ::7])
    parts = [many.of(many.groups[0], part) for part in np.split(rows, [10, 51, 5000])]
    npt.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert [group.stop for group in many.groups] == [TOGETHER, TOGETHER + 5]


def test_noise_is_unit_normal_and_independent():
    streams, rows = NoiseStreams(2 * TOGETHER), np.arange(3 * ROWS)
    every = [
        np.concatenate([NoiseStreams(16, d).of(g, rows) for g in streams.groups]) for d in (0, 1)
    ]
    z = np.concatenate(every)
    # 32 means and variances and 496 correlations of 24,576 numbers: 4.5 standard errors.
    n = z.shape[1]
    assert np.abs(z.mean(axis=1)).max() < 4.5 / np.sqrt(n)
    correlation = z @ z.T / n
    assert np.abs(np.diag(correlation) - 1).max() < 4.5 * np.sqrt(2 / n)
    assert np.abs(correlation - np.diag(np.diag(correlation))).max() < 4.5 / np.sqrt(n)


def test_a_sample_is_the_same_whatever_the_parts(monkeypatch):
    monkeypatch.setattr(row_sample, "SAMPLE", 40)
    rng = np.random.default_rng(0)
    columns, table = rng.standard_normal((500, 3)), pd.DataFrame({"a": np.arange(500)})

    def of(rows):
        return Sample.of(columns[rows], table.iloc[rows], rows)

    whole = of(np.arange(500)).in_order
    found = of(np.arange(0, 10))
    for part in np.split(np.arange(10, 500), [1, 100, 430]):
        found = found.merged(of(part))
    npt.assert_array_equal(found.in_order.numbers, whole.numbers)
    npt.assert_array_equal(whole.numbers, columns[whole.table["a"]])
    assert (np.diff(whole.order) > 0).all()


def test_keys_are_uniform_even_for_a_lattice():
    x, y = np.meshgrid(np.arange(300.0), np.arange(300.0))
    keys = scrambled(np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]))
    assert len(np.unique(keys)) == x.size
    counts = np.histogram(keys / 2.0**64, 100, (0, 1))[0]
    # 900 each, chi-square of 99 degrees of freedom: mean 99, sd 14.
    assert abs(np.sum((counts - 900) ** 2 / 900) - 99) < 4.5 * 14
    chosen = np.sort(keys.argsort()[:9000])
    assert abs(np.mean(chosen % 300) - 149.5) < 4.5 * 300 / np.sqrt(12 * 9000)


def test_moments_add_up():
    rng = np.random.default_rng(1)
    columns = 5e6 + rng.standard_normal((1000, 2)) * [1.0, 1e3]
    found = Moments.of(columns[:0])
    for part in np.split(columns, [3, 3, 700]):
        found = found.merged(Moments.of(part))
    npt.assert_allclose(found.mean, columns.mean(axis=0), rtol=1e-15)
    # A mean of 5e6 is rounded by 1e-9, and 1e-9 of the sd is left of it in either variance.
    npt.assert_allclose(found.variance, columns.var(axis=0), rtol=1e-9)
    npt.assert_array_equal([found.low, found.high], [columns.min(axis=0), columns.max(axis=0)])
