"""Zero lines of fields of axes, whose sign means nothing."""

import numpy as np
import numpy.testing as npt

from womble.contour import axis_lines

SIDE = np.linspace(-1.0, 1.0, 40)  # 0 lies between two cells
X, Y = np.meshgrid(SIDE, SIDE)
ALL = np.ones(X.shape, dtype=bool)


def axes_at(angle, rng):
    """Unit vectors at these angles, each with a sign at random."""
    sign = rng.choice([-1.0, 1.0], angle.shape)
    return sign[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def test_signs_of_axes_do_not_matter():
    # The vector has no component along the axis of polar angle where it turns by 90 degrees to it:
    # with axes along the radius and v = s - (r^2 / 4) s, on the circle r = 2 / 3 after scaling.
    rng = np.random.default_rng(0)
    radius = np.hypot(X, Y)
    vectors = np.stack([X, Y], axis=-1) * (radius - 2 / 3)[..., None]
    outer = ALL & (radius > 0.2)
    lines = axis_lines(SIDE, SIDE, vectors, axes_at(np.arctan2(Y, X), rng), outer)
    assert len(lines) == 1
    npt.assert_array_equal(lines[0][0], lines[0][-1])  # closed
    # Linear interpolation of r (r - 2 / 3), whose second derivative is 2: h^2 / 8 * 2 / slope.
    npt.assert_allclose(np.hypot(*lines[0].T), 2 / 3, atol=(2 / 39) ** 2)


def test_a_line_ends_where_the_axis_makes_half_a_turn():
    # Axis at half the polar angle, vector (1, 0): component cos(angle / 2), 0 on the negative x
    # axis only, at whose end no sign can be carried round the origin.
    rng = np.random.default_rng(1)
    vectors = np.stack([np.ones_like(X), np.zeros_like(X)], axis=-1)
    lines = axis_lines(SIDE, SIDE, vectors, axes_at(np.arctan2(Y, X) / 2, rng), ALL)
    assert len(lines) == 1
    x, y = lines[0].T
    npt.assert_allclose(y, 0.0, atol=1e-12)
    # The axis turns by 30 degrees from (x, -h / 2) to (x, h / 2) at |x| = 0.87 h.
    npt.assert_allclose([x.min(), x.max()], [-1.0, SIDE[18]], atol=1e-12)


def test_lines_that_cross_are_cut_at_the_crossing():
    rng = np.random.default_rng(2)
    vectors = np.stack([X * Y, np.zeros_like(X)], axis=-1)
    lines = axis_lines(SIDE, SIDE, vectors, axes_at(0 * X, rng), ALL)
    assert len(lines) == 4
    assert np.hypot(*np.concatenate(lines).T).min() >= SIDE[20]


def test_lines_are_cut_at_the_mask():
    rng = np.random.default_rng(3)
    vectors = np.stack([np.zeros_like(X), Y], axis=-1)
    inside = np.abs(X) > 0.3
    lines = axis_lines(SIDE, SIDE, vectors, axes_at(np.pi / 2 + 0 * X, rng), inside)
    assert len(lines) == 2
    assert np.abs(np.concatenate(lines)[:, 0]).min() > 0.3


def test_nothing_is_found_where_nothing_is():
    vectors = np.stack([np.ones_like(X), np.ones_like(X)], axis=-1)
    assert axis_lines(SIDE, SIDE, vectors, vectors / np.sqrt(2), ALL) == []
