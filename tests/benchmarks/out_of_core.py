"""A fit to a Parquet data set under a limit of address space; `python out_of_core.py --help`.

Written as a script, as a limit holds for a whole process: tests/test_out_of_core_study.py runs it.
"""

import argparse
import json
import os
import resource
import sys
from pathlib import Path
from time import perf_counter, process_time

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
ROWS = 1_000_000


def write(folder, count):
    """A data set of `count` rows, in files of a million, clustered about a wave."""
    import numpy as np
    import pandas as pd

    Path(folder).mkdir(parents=True, exist_ok=True)
    for part, start in enumerate(range(0, count, ROWS)):
        rng, n = np.random.default_rng([1, part]), min(ROWS, count - start)
        x, y = rng.uniform(0, 1000, n), 600 * rng.beta(2, 2, n)
        truth = np.sin(x / 70) * np.cos(y / 50) + 0.5 * np.sin(x / 25 + y / 40)
        z = truth + 0.3 * rng.standard_normal(n)
        frame = pd.DataFrame({"x": x, "y": y, "z": z, "other": rng.integers(0, 9, n)})
        frame.to_parquet(f"{folder}/part-{part:04d}.parquet", row_group_size=200_000)


def address_space():
    """Of this process so far, in GB: now and at most."""
    text = Path("/proc/self/status").read_text()
    sizes = {
        line.split()[0]: int(line.split()[1]) / 1e6 for line in text.splitlines() if "kB" in line
    }
    return {
        "space": sizes["VmSize:"],
        "most_space": sizes["VmPeak:"],
        "most_memory": sizes["VmHWM:"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--write", type=int, metavar="COUNT", help="write that many rows first")
    parser.add_argument("--limit", type=float, default=4.0, help="GB of address space")
    parser.add_argument("--paths", type=int, default=200)
    parser.add_argument("--fit", action="store_true", help="hyperparameters too")
    asked = parser.parse_args()
    if asked.write:
        return write(asked.folder, asked.write)
    limit = int(asked.limit * 1e9)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    row, begin = {}, perf_counter()
    import numpy as np

    import womble as wb
    from womble import out_of_core, survey

    row["imports_s"] = perf_counter() - begin
    row |= {f"imports_{name}": x for name, x in address_space().items()}
    timed(row, "survey", survey, "surveyed")
    timed(row, "pass", out_of_core.Pass, "statistics")
    points = wb.open_points(asked.folder, paths=asked.paths)
    model, begin = wb.FieldModel(), perf_counter()
    if asked.fit:
        post = model.fit(points, "z", inference="importance", draws=200, rng=1, progress=False)
    else:
        post = model.condition(points, "z", lengthscale=80.0, amplitude=1.0, noise_sd=0.3)
    row["fit_s"] = perf_counter() - begin
    row |= {"count": post.data.count, "features": post._engine.statistics.size}
    rng = np.random.default_rng(2)
    where = np.column_stack([rng.uniform(20, 980, 1000), rng.uniform(100, 500, 1000)])
    begin = perf_counter()
    mean = post.ensemble("surface", 2, rng).mean(where, 2)
    row["mean_s"] = perf_counter() - begin
    begin = perf_counter()
    jets = post.paths(samples=4, rng=1, progress=False).jets(where)
    row["four_paths_s"] = perf_counter() - begin
    x, y = where.T
    truth = np.sin(x / 70) * np.cos(y / 50) + 0.5 * np.sin(x / 25 + y / 40)
    row["rmse"] = float(np.sqrt(np.mean((mean[:, 0] - truth) ** 2)))
    row["path_rmse"] = float(np.sqrt(np.mean((jets[..., 0] - truth) ** 2)))
    row |= address_space()
    row["engine"] = post.engine
    json.dump(row, sys.stdout)
    return None


def timed(row, name, home, function):
    """Note seconds, on the clock and of CPU, of a function whenever it is called."""
    inner = getattr(home, function)

    def outer(*arguments, **keywords):
        wall, cpu = perf_counter(), process_time()
        out = inner(*arguments, **keywords)
        row[f"{name}_s"], row[f"{name}_cpu_s"] = perf_counter() - wall, process_time() - cpu
        return out

    setattr(home, function, outer)


if __name__ == "__main__":
    for name in THREADS:
        os.environ.setdefault(name, "1")
    main()
