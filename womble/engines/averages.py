"""The field of the spectral engine averaged over hyperparameters: all draws share one band."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from womble.arrays import FloatArray
from womble.engines.base import Conditional, Path
from womble.engines.ensemble import DrawTogether, Ensemble
from womble.engines.precision import TOGETHER
from womble.engines.series import draw_together, means_together
from womble.engines.user_units import ENGINE_REMEDY, PathInUserUnits, require_inside
from womble.hyperparameters import Theta
from womble.jet import size as jet_size
from womble.paths import Paths, batched, draw_paths, in_threads, shown


@dataclass(frozen=True)
class SpectralEnsemble(Ensemble):
    """An Ensemble of a SpectralEngine.

    The mean is one function, made of the mean of the weights. Where a draw's moments have no closed
    form, those of the mixture come from one path a draw, made once.

    Parameters
    ----------
    near : Theta, optional
        Hyperparameters in the middle of the posterior, which preconditioners are made for; by
        default those of the first draw.
    """

    near: Theta | None = None

    @property
    def closed_form(self) -> bool:
        """See `Ensemble.closed_form`."""
        return self.engine.closed_form

    @property
    def domain(self) -> FloatArray:
        """Corners of the box in which the field can be asked for, in coordinate units."""
        return self.scaling.origin + self.scaling.length * self.engine.domain

    def condition(self, theta: Theta) -> Conditional:
        """See `Ensemble.condition`."""
        near = self.near or self.thetas[0]
        return self.in_user_units(self.engine.condition(theta, self.target, near))

    @property
    def together(self) -> DrawTogether | None:
        """See `Ensemble.together`."""
        return None if self.closed_form else self._draw

    def _draw(
        self, thetas: Sequence[Theta], streams: Sequence[np.random.Generator], domain: FloatArray
    ) -> list[Path]:
        require_inside(domain, self.domain, ENGINE_REMEDY)
        each = [self.condition(theta) for theta in thetas]
        drawn = draw_together([f.scaled for f in each], streams)
        return [
            PathInUserUnits(path, self.scaling, f.offset, domain)
            for path, f in zip(drawn, each, strict=True)
        ]

    def _weights(self, label: str, progress: bool) -> Iterator[FloatArray]:
        """Posterior mean of the weights given each draw of the hyperparameters."""
        if self.closed_form:
            unused = np.random.default_rng(0)  # nothing is drawn
            yield from self.map(lambda f, _: f.scaled.weights, unused, label, progress)
            return

        def some(thetas: Sequence[Theta]) -> FloatArray:
            return means_together([self.condition(theta).scaled for theta in thetas])

        batches = batched(self.thetas, TOGETHER)
        found = in_threads(some, batches)
        for weights in shown(found, len(batches), label, progress):
            yield from weights

    @cached_property
    def _made(self) -> dict[str, PathInUserUnits | Paths]:
        return {}

    def _mean_function(self, label: str, progress: bool) -> PathInUserUnits:
        if "mean" not in self._made:
            mean = sum(self._weights(label, progress)) / len(self.thetas)
            f = self.condition(self.thetas[0])
            series = f.scaled.series(mean)
            self._made["mean"] = PathInUserUnits(series, self.scaling, f.offset, self.domain)
        return self._made["mean"]

    def mean(
        self, points: FloatArray, order: int, label: str = "", progress: bool = False
    ) -> FloatArray:
        """See `Ensemble.mean`."""
        require_inside(points, self.domain, ENGINE_REMEDY)
        return self._mean_function(label, progress).jets(points, order)

    def moments(self, points: FloatArray, order: int) -> tuple[FloatArray, FloatArray]:
        """See `Ensemble.moments`; covariances from paths err by about (2 / size)^(1/2).

        In closed form after all where that takes no more solutions than paths do.
        """
        solutions = points.shape[0] * jet_size(points.shape[1], order) * len(self.thetas)
        if self.closed_form or solutions <= self.size:
            return super().moments(points, order)
        mean = self.mean(points, order)
        deviation = self.draw_groups(points[:, None], order, np.random.default_rng(0))[:, :, 0]
        deviation -= mean
        return mean, np.einsum("spa,spb->pab", deviation, deviation) / self.size

    def draw_groups(
        self,
        points: FloatArray,
        order: int,
        rng: np.random.Generator,
        label: str = "",
        progress: bool = False,
        columns: Sequence[int] | None = None,
    ) -> FloatArray:
        """See `Ensemble.draw_groups`; without a closed form, jets of one path a draw.

        These are joint draws over all groups. They are the same paths at each call.
        """
        if self.closed_form:
            return super().draw_groups(points, order, rng, label, progress, columns)
        flat = points.reshape(-1, points.shape[-1])
        require_inside(flat, self.domain, ENGINE_REMEDY)
        if "paths" not in self._made:
            domain, kernel = self.domain, self.engine.kernel
            self._made["paths"] = draw_paths(self, kernel, domain, rng, progress)
        jets = self._made["paths"].jets(flat, order)
        jets = jets.reshape(len(jets), *points.shape[:2], -1)
        return jets if columns is None else jets[..., list(columns)]
