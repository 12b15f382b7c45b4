"""Ten million points in a Parquet data set under 4 GB of address space. Slow, resumable.

Rows already in data/validation/out_of_core.csv are not computed again: delete it to start afresh.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
RESULTS = HERE.parent / "data" / "validation" / "out_of_core.csv"
SCRIPT = HERE / "benchmarks" / "out_of_core.py"
# Every thread of BLAS and OpenMP sets 8 MB of stack and 64 MB of heap apart.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def run(*arguments):
    """Run the script, in the environment of this process but for its threads."""
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("count", "options"),
    [(1_000_000, ()), (10_000_000, ()), (10_000_000, ("--fit", "--paths", "50"))],
    ids=["10^6", "10^7", "10^7, fit"],
)
def test_larger_than_memory(tmp_path, count, options):
    """Seconds of survey and pass, and at most 4 GB; the field is right."""
    table = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame({"key": []})
    key = f"{count} {' '.join(options)}".strip()
    if key not in set(table["key"].astype(str)):
        run(str(tmp_path), "--write", str(count))
        row = {"key": key} | json.loads(run(str(tmp_path), *options))
        table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
        table.to_csv(RESULTS, index=False, float_format="%.5g")
    row = table[table["key"].astype(str) == key].iloc[0]
    print(f"\n{row.to_string()}")
    assert row["count"] == count
    assert row["most_space"] < 4.0
    # Of a field of sd 0.5 and noise sd 0.3, at some 30 effective data for each of its waves.
    assert row["rmse"] < 0.3 / 10
    assert row["path_rmse"] < 2 * 0.3 / 10
