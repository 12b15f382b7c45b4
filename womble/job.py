"""A fit in a file that knows what it was made of, so that it need not be made twice."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import womble as wb
from womble.input_kinds import read_input

if TYPE_CHECKING:
    from womble.model import FieldModel
    from womble.posterior import Posterior

ATTRIBUTE = "job"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `FieldModel.fit` is asked for, beside data and model."""

    value: str | None
    covariates: tuple[str, ...] = ()
    transform: str | None = None
    units: str | None = None
    exposure: str | None = None
    trials: str | None = None
    inference: str = "nuts"
    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    rng: int = field(default=1, metadata={"called": "seed"})

    @property
    def columns(self) -> list[str]:
        """Columns of the data, besides the response, that the fit takes."""
        named = [*self.covariates, self.exposure, self.trials]
        return [name for name in named if name is not None]


def fit(model: FieldModel, data: Any, job: Job, progress: bool) -> Posterior:
    """The fit that the job asks for."""
    return model.fit(data, progress=progress, **vars(job))


def fit_once(
    model: FieldModel, data: Any, job: Job, path: Path, *, anew: bool, progress: bool
) -> tuple[Posterior, str]:
    """The fit in `path` if it is of the same data, model and job; else a new one, saved there.

    Parameters
    ----------
    model : FieldModel
        With default priors.
    data : GeoDataFrame or DataArray
    job : Job
    path : Path
        Its folder must exist.
    anew : bool
        Fit in any case.
    progress : bool

    Returns
    -------
    posterior : Posterior
    note : str
        Whether it was reused, or why not.

    Raises
    ------
    ValueError
        If there is a file at `path` without a record of its making, which may be someone's work.
    """
    record = describe(model, data, job)
    note = f"{path.name} written"
    if path.exists() and not anew:
        stored = read_record(path)
        if not stored:
            raise ValueError(
                f"{str(path)!r} has no record of how it was made, and would be overwritten. Take "
                "another folder with --out, or fit anew with --refit."
            )
        changed = sorted(key for key in record if record[key] != stored.get(key))
        if not changed:
            return wb.load(path), f"{path.name} reused: the same data and options"
        note = f"{path.name} written anew: {', '.join(changed)} changed"
    posterior = fit(model, data, job, progress)
    write(posterior, path, record)
    return posterior, note


def write(posterior: Posterior, path: Path, record: dict[str, Any]) -> None:
    """Save a fit with its record; the file appears complete or not at all."""
    import h5py

    draft = path.with_name(f".{path.name}.part")
    posterior.save(draft)
    with h5py.File(draft, "a") as file:
        file.attrs[ATTRIBUTE] = json.dumps(record)
    os.replace(draft, path)


def read_record(path: Path) -> dict[str, Any]:
    """The record of a fit; empty where there is none."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return json.loads(file.attrs.get(ATTRIBUTE, "{}"))
    except OSError:  # no NetCDF-4 file at all
        return {}


def describe(model: FieldModel, data: Any, job: Job) -> dict[str, Any]:
    """Everything that a fit depends on, in plain values; the data as a digest."""
    asked = asdict(job)
    seed = asked.pop("rng")
    stated = {
        "kernel": repr(model.kernel),
        "trend": model.trend,
        "likelihood": model.likelihood,
        "anisotropic": model.anisotropic,
    }
    made = asked | stated | {"seed": seed, "data": digest(data, job), "womble": version("womble")}
    return json.loads(json.dumps(made))  # tuples become lists, as they are in the file


def digest(data: Any, job: Job) -> str:
    """SHA-256 of locations, values, further columns and CRS."""
    import pandas as pd

    table = read_input(data, job.value)
    found = hashlib.sha256(table.coords.tobytes() + table.values.tobytes())
    found.update(("" if table.crs is None else table.crs.to_wkt()).encode())
    for name in job.columns:
        if name in data:  # one that is not there is refused by the fit
            found.update(name.encode())
            found.update(pd.util.hash_pandas_object(data[name], index=False).to_numpy().tobytes())
    return found.hexdigest()
