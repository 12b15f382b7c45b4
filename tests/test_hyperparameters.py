"""Hyperparameters have a name, a place in a vector and a unit."""

import numpy as np
import numpy.testing as npt
import pytest

from womble.covariance import Scale
from womble.hyperparameters import PLAIN, Layout, Theta, given_hyperparameters
from womble.kernels import Matern
from womble.scaling import Scaling

SUM = ("lengthscale_1", "amplitude_1", "lengthscale_2", "amplitude_2", "noise_sd")
AXES = ("anisotropy_1", "anisotropy_2")
TWO = Theta((Scale(1.0, 2.0), Scale(3.0, 4.0)), 0.5)


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        (Layout.of(Matern(3.5)), ("lengthscale", "amplitude", "noise_sd")),
        (Layout(1, True), ("lengthscale", "amplitude", "noise_sd", *AXES)),
        (Layout(2), SUM),
        (Layout(2, True), (*SUM, *AXES)),
    ],
)
def test_names_and_their_order(layout, names):
    assert layout.names == names
    vector = np.arange(1.0, len(names) + 1)
    npt.assert_array_equal(layout.vector(layout.theta(vector)), vector)


def test_a_vector_holds_lengthscale_and_amplitude_in_turn():
    assert Layout(2).theta([2.0, 1.0, 4.0, 3.0, 0.5]) == TWO
    anisotropic = Layout(1, True).theta([2.0, 1.0, 0.5, 0.3, -0.4])
    assert anisotropic == Theta((Scale(1.0, 2.0),), 0.5, (0.3, -0.4))


def test_units_are_those_of_each_kind():
    scaling = Scaling(np.zeros(2), length=7.0, offset=1.0, scale=3.0)
    npt.assert_array_equal(Layout(2, True).units(scaling), [7, 3, 7, 3, 3, 1, 1])


def test_the_shortest_lengthscale_is_of_any_component_in_any_direction():
    assert TWO.shortest == 2.0
    # Longest over shortest is e^0.5 for (0.3, 0.4), and 2 their geometric mean.
    stretched = Theta(TWO.scales, 0.5, (0.3, -0.4))
    npt.assert_allclose(stretched.shortest, 2.0 * np.exp(-0.25), rtol=1e-15)


@pytest.mark.parametrize(
    "vector",
    [[0.0, 1, 1, 0, 0], [np.inf, 1, 1, 0, 0], [1, 1, 1e60, 0, 0], [1, 1, 1, 200, 0], [np.nan] * 5],
)
def test_numbers_that_overflow_are_out_of_range(vector):
    layout = Layout(1, True)
    assert layout.in_range(np.array([1e-3, 1e3, 1.0, -3.0, 0.0]))
    assert not layout.in_range(np.array(vector, dtype=float))


def test_given_numbers_by_name():
    found = given_hyperparameters(
        Layout(2), lengthscale=[2.0, 4.0], amplitude=(1.0, 3.0), noise_sd=0.0
    )
    assert found == dict(zip(SUM, [2.0, 1.0, 4.0, 3.0, 0.0], strict=True))


@pytest.mark.parametrize(
    ("layout", "given", "message"),
    [
        (PLAIN, {"lengthscale": [1.0, 2.0]}, r"`lengthscale` must be a number .*got \[1.0, 2.0\]"),
        (Layout(2), {"amplitude": 1.0}, r"`amplitude` must be 2 numbers, one for each component"),
        (Layout(2), {"amplitude": [1.0, -1.0]}, "`amplitude_2` must be positive .*got -1.0"),
    ],
)
def test_given_numbers_are_checked(layout, given, message):
    both = {name: [1.0] * layout.components for name in ("lengthscale", "amplitude")}
    with pytest.raises(ValueError, match=message):
        given_hyperparameters(layout, **(both | given), noise_sd=1.0)
