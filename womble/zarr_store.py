"""Maps that need not fit in memory, written to Zarr region by region, going on where they stopped.

A run works in a hidden folder beside its goal: the store, a fingerprint of the Dataset, and a mark
for every region that is complete. When all are, the store moves to its place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from womble.arguments import checked

if TYPE_CHECKING:
    import xarray as xr

MISSING = 'write_zarr and maps made with `chunks` need dask and Zarr: pip install "womble[dask]"'
FINGERPRINT = ".womble-fingerprint"
# Cells along a side of the regions of a map that is in memory: 2 MB a number.
SIDE = 512
# Seconds between two looks at what is done.
GLANCE = 0.25


@checked
def write_zarr(
    ds: xr.Dataset, path: str | os.PathLike, *, overwrite: bool = False, progress: bool = True
) -> Path:
    """Write a map to a Zarr store, computing it region by region if it is lazy.

    Dask's scheduler does the work: threads by default, processes, or the cluster of the current
    `distributed.Client`, whose workers must see the path. Regions are the map's chunks; what is
    held in memory is a few of them. A run that was interrupted goes on where it stopped, when it is
    called again with the same Dataset: the same posterior, grid, options and seed (without `rng`,
    `surface` takes a new seed each time). The store appears at `path` complete or not at all.

    Parameters
    ----------
    ds : xarray.Dataset
        As `Posterior.surface` returns it, with `chunks` or without, or any other with evenly sized
        chunks.
    path : path
        Of the store, in a local or shared file system; its folder is made if need be.
    overwrite : bool
        Replace another Dataset's store, or its unfinished run. Without it they are refused.
    progress : bool
        Show the share of regions done.

    Returns
    -------
    pathlib.Path
        The store, Zarr format 2; `xarray.open_zarr(path)` reads it.

    Raises
    ------
    ImportError
        If dask or Zarr is not installed.
    TypeError
        `ds` is not a Dataset.
    ValueError
        Chunks along a dimension differ in size or between variables.
    FileExistsError
        There is something else at `path`, or an unfinished run of another Dataset.
    """
    import xarray as xr

    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"`ds` must be an xarray.Dataset; got {type(ds).__name__}.")
    path = Path(path).absolute()
    token = fingerprint(ds)
    if path.exists():
        if _read(path / FINGERPRINT) == token:
            return path
        _require_ours(path, overwrite)
    ds = _chunked(ds)
    draft = path.parent / f".{path.name}.part"
    if _read(draft / FINGERPRINT) != token:
        _begin(ds, draft, token, overwrite)
    _fill(ds, draft, progress)
    shutil.copyfile(draft / FINGERPRINT, draft / "store" / FINGERPRINT)
    if path.exists():
        shutil.rmtree(path)
    (draft / "store").replace(path)
    shutil.rmtree(draft)
    return path


def fingerprint(ds: xr.Dataset) -> str:
    """A text that is the same for the same Dataset, computed or not.

    Of a lazy variable the name of its graph counts, which `surface` makes of all that determines
    the numbers.

    Raises
    ------
    ImportError
        If dask is not installed.
    """
    try:
        from dask.base import tokenize
    except ImportError as error:
        raise ImportError(MISSING) from error
    parts = [
        (str(name), variable.dims, sorted(map(str, variable.attrs.items())), variable.data)
        for name, variable in ds.variables.items()
    ]
    return str(tokenize(sorted(map(str, ds.attrs.items())), parts))


def is_lazy(ds: xr.Dataset) -> bool:
    """Whether some variable is a dask array."""
    return any(variable.chunks is not None for variable in ds.variables.values())


def _read(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _require_ours(path: Path, overwrite: bool) -> None:
    """Refuse to replace what is no Zarr store, or any store without leave."""
    is_store = any((path / name).is_file() for name in (".zgroup", "zarr.json"))
    if not is_store:
        raise FileExistsError(f"{path} is no Zarr store and stays as it is. Give another path.")
    if not overwrite:
        raise FileExistsError(
            f"{path} holds another Dataset. Give another path, or overwrite=True to replace it."
        )


def _chunked(ds: xr.Dataset) -> xr.Dataset:
    """The Dataset with all variables in chunks, which are checked to be even."""
    if not is_lazy(ds):
        return ds.chunk({dim: SIDE if dim in ("y", "x") else -1 for dim in ds.dims})
    try:
        sizes = dict(ds.chunks)
    except ValueError as error:
        raise ValueError(
            "all variables must have the same chunks along a dimension. Call ds.unify_chunks() "
            "first."
        ) from error
    for dim, parts in sizes.items():
        if len(set(parts[:-1])) > 1 or parts[-1] > parts[0]:
            raise ValueError(
                f"chunks along {dim!r} must all have one size, the last at most; got {parts}. Call "
                f"ds.chunk({{{dim!r}: {max(parts)}}}) first."
            )
    return ds.chunk({dim: parts[0] for dim, parts in sizes.items()})


def _begin(ds: xr.Dataset, draft: Path, token: str, overwrite: bool) -> None:
    """A store with coordinates and attributes, and nothing in it yet."""
    if _read(draft / FINGERPRINT) is not None and not overwrite:
        raise FileExistsError(
            f"{draft} is an unfinished run of another Dataset. Give `surface` the same `rng` seed "
            "and options to go on with it, or overwrite=True to start anew."
        )
    try:
        import zarr
    except ImportError as error:
        raise ImportError(MISSING) from error
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "done").mkdir(parents=True)
    # Format 2 has names for texts and is read by everything; Zarr 2 knows no other.
    options = {"zarr_format": 2} if int(zarr.__version__.split(".")[0]) > 2 else {}
    ds.to_zarr(draft / "store", mode="w", compute=False, consolidated=True, **options)
    (draft / FINGERPRINT).write_text(token)


def _fill(ds: xr.Dataset, draft: Path, progress: bool) -> None:
    """Compute and store the regions that are not done."""
    from dask.array import Array
    from dask.base import compute_as_if_collection
    from dask.highlevelgraph import HighLevelGraph

    tasks, arrays, done = {}, [v.data for v in ds.data_vars.values() if v.chunks], draft / "done"
    finished, total = {mark.name for mark in done.iterdir()}, 0
    name = f"regions-{draft}"
    for index in product(*(range(len(parts)) for parts in ds.chunks.values())):
        total += 1
        mark = ".".join(map(str, index))
        if mark not in finished:
            tasks[(name, mark)] = (_store, str(draft), mark, *_region(ds, index))
    if tasks:
        graph = HighLevelGraph.from_collections(name, tasks, dependencies=arrays)
        with _watched(done, total, progress):
            compute_as_if_collection(Array, graph, list(tasks))


def _region(ds: xr.Dataset, index: tuple[int, ...]) -> tuple[list, list]:
    """What is stored of a region: name, dimensions and place, and the block's key, of each."""
    number = dict(zip(ds.chunks, index, strict=True))
    starts = {dim: np.cumsum([0, *parts]).tolist() for dim, parts in ds.chunks.items()}
    where = {dim: (starts[dim][i], starts[dim][i + 1]) for dim, i in number.items()}
    places, blocks = [], []
    for name, variable in ds.data_vars.items():
        # Without a dimension that others have it is stored once, with their first chunk.
        absent = any(i > 0 for dim, i in number.items() if dim not in variable.dims)
        if variable.chunks and not absent:
            places.append(_Place(str(name), variable.dims, where))
            blocks.append((variable.data.name, *(number[dim] for dim in variable.dims)))
    return places, blocks


class _Place:
    """Where a block belongs."""

    def __init__(self, name: str, dims: Sequence[Any], where: dict[Any, tuple[int, int]]) -> None:
        self.name, self.dims = name, tuple(dims)
        self.region = {dim: where[dim] for dim in dims}


def _store(draft: str, mark: str, places: list[_Place], blocks: list[np.ndarray]) -> str:
    """Store the blocks of a region, then mark it as complete."""
    import xarray as xr

    if places:
        region = {}
        for place in places:
            region |= {dim: slice(*bounds) for dim, bounds in place.region.items()}
        parts = zip(places, blocks, strict=True)
        ds = xr.Dataset({place.name: (place.dims, block) for place, block in parts})
        ds.to_zarr(Path(draft) / "store", region=region, mode="r+", consolidated=False)
    (Path(draft) / "done" / mark).touch()
    return mark


@contextmanager
def _watched(done: Path, total: int, progress: bool) -> Iterator[None]:
    """A bar of the marks in a folder, whoever makes them, while the block runs."""
    if not progress:
        yield
        return
    from rich.progress import Progress

    over = Event()
    with Progress(transient=True) as bar:
        task = bar.add_task("regions", total=total)

        def watch() -> None:
            while not over.wait(GLANCE):
                bar.update(task, completed=sum(1 for _ in done.iterdir()))

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
