"""`import womble` is quick, brings in nothing heavy, and every public name is there."""

import json
import subprocess
import sys

import pytest

import womble as wb

HEAVY = ("pymc", "pytensor", "matplotlib.pyplot", "rasterio", "sklearn", "dask")

SCRIPT = f"""
import json, sys, time
start = time.perf_counter()
import womble
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def test_import_is_quick_and_light():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    seconds, loaded = json.loads(run.stdout)
    assert seconds < 1.5
    assert loaded == []


@pytest.mark.parametrize("name", wb.__all__)
def test_public_names_resolve(name):
    assert name in dir(wb)
    assert getattr(wb, name) is not None


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'womble' has no attribute 'Wimble'"):
        wb.Wimble  # noqa: B018
