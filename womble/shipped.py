"""Objects that tasks in other processes share: sent once, unpacked once a process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import threadpool_limits

# Unpacked objects that a process keeps for its next task.
KEPT = 2
_unpacked: OrderedDict[str, Any] = OrderedDict()
_lock = Lock()


class Shipped:
    """An object by its token.

    Where it was made it is the object itself. Sent elsewhere it is a string of bytes, however often
    it is passed on (a scheduler need not look inside), and is unpacked by the first task of a
    process that asks.

    Parameters
    ----------
    value : object
        Not to be changed.
    token : str
        The same only for the same contents.
    """

    def __init__(self, value: Any, token: str) -> None:
        self._value, self._packed, self.token = value, None, token

    def __reduce__(self) -> tuple:
        if self._packed is None:
            import cloudpickle  # dask's own: fields may be functions of the user's session

            self._packed = cloudpickle.dumps(self._value)
        return _arrived, (self.token, self._packed)

    def __dask_tokenize__(self) -> str:
        return self.token

    def __sizeof__(self) -> int:
        return 0 if self._packed is None else len(self._packed)

    @property
    def value(self) -> Any:
        """The object."""
        if self._value is None:
            import pickle

            with _lock:
                if self.token not in _unpacked:
                    _unpacked[self.token] = pickle.loads(self._packed)
                _unpacked.move_to_end(self.token)
                while len(_unpacked) > KEPT:
                    _unpacked.popitem(last=False)
                self._value = _unpacked[self.token]
        return self._value


def _arrived(token: str, packed: bytes) -> Shipped:
    out = Shipped(None, token)
    out._packed = packed
    return out


class _Held:
    """How many tasks of this process hold BLAS to one thread, and who does it for them."""

    count: int = 0
    keeper: ThreadPoolExecutor
    limits: threadpool_limits


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One BLAS thread for as long as some thread of the process is in here.

    The limit is the process's: entered and left by several threads in turn, each restoring what it
    found, it would stay for good. threadpoolctl 3.8 obeys only the thread that set it first,
    so that one thread does both for all.
    """
    with _lock:
        if _Held.count == 0:
            _Held.keeper = ThreadPoolExecutor(1)
            _Held.limits = _Held.keeper.submit(_limit).result()
        _Held.count += 1
    try:
        yield
    finally:
        with _lock:
            _Held.count -= 1
            if _Held.count == 0:
                _Held.keeper.submit(_Held.limits.__exit__, None, None, None).result()
                _Held.keeper.shutdown()


def _limit() -> threadpool_limits:
    return threadpool_limits(1, user_api="blas").__enter__()


# A child made by fork starts with an open lock and no tasks.
def _after_fork() -> None:
    global _lock
    _lock = Lock()
    _Held.count = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
