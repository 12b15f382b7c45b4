"""Random numbers that belong to a draw, a path or a block, whoever asks for them and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """The generators that `rng.spawn` gives, made one by one where they are needed.

    Attributes
    ----------
    kind : type of bit generator
    entropy : int or sequence of int
    spawn_key : tuple of int
        Of the parent.
    pool_size : int
    first : int
        Number of the first child.
    """

    kind: type[np.random.BitGenerator]
    entropy: int | Sequence[int]
    spawn_key: tuple[int, ...]
    pool_size: int
    first: int

    @classmethod
    def spawned(cls, rng: np.random.Generator, count: int) -> Streams:
        """The next `count` children of `rng`, which moves on as if it had spawned them."""
        seed = rng.bit_generator.seed_seq
        first = seed.n_children_spawned
        seed.spawn(count)
        kind = type(rng.bit_generator)
        return cls(kind, seed.entropy, tuple(seed.spawn_key), seed.pool_size, first)

    def __getitem__(self, number: int) -> np.random.Generator:
        key = (*self.spawn_key, self.first + number)
        seed = np.random.SeedSequence(self.entropy, spawn_key=key, pool_size=self.pool_size)
        return np.random.Generator(self.kind(seed))


def child(stream: np.random.Generator, number: int) -> np.random.Generator:
    """The generator that a fresh `stream` would spawn as this number; the stream stays as it is."""
    seed = stream.bit_generator.seed_seq
    kind = type(stream.bit_generator)
    return Streams(kind, seed.entropy, tuple(seed.spawn_key), seed.pool_size, 0)[number]
