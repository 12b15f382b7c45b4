"""Every notebook runs from top to bottom in a fresh kernel, and is committed without outputs."""

import json
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from run_notebooks import LIMIT, NOTEBOOKS, ROOT, SLOW_LIMIT, cleaned, is_slow, run


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=[pytest.mark.slow] if is_slow(p) else []) for p in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_the_notebook_runs(path, tmp_path):
    limit = SLOW_LIMIT if is_slow(path) else LIMIT
    notebook = nbformat.read(path, as_version=4)
    assert run(notebook, tmp_path, limit) < limit


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_is_committed_clean(path):
    hint = "run `python tests/run_notebooks.py --clean`"
    assert path.read_text(encoding="utf-8") == cleaned(path), hint


def test_cleaning_takes_out_what_a_run_leaves(tmp_path):
    cell = new_code_cell("1 + 1", execution_count=3, metadata={"tags": ["raises-exception"]})
    cell.outputs = [nbformat.v4.new_output("stream", text="2")]
    notebook = new_notebook(cells=[cell], metadata={"womble": {"slow": True}, "widgets": {}})
    notebook.metadata["kernelspec"] = {"name": "mine", "display_name": "mine"}
    path = tmp_path / "used.ipynb"
    nbformat.write(notebook, path)
    text = cleaned(path)
    found = json.loads(text)
    assert found["cells"][0] | {"id": ""} == {
        "cell_type": "code",
        "execution_count": None,
        "id": "",
        "metadata": {},
        "outputs": [],
        "source": ["1 + 1"],
    }
    assert found["metadata"]["kernelspec"]["name"] == "python3"
    assert found["metadata"]["womble"] == {"slow": True}
    assert "widgets" not in found["metadata"]
    path.write_text(text, encoding="utf-8")
    assert is_slow(path)
    assert cleaned(path) == text


def test_the_kernel_is_this_python(tmp_path, monkeypatch):
    """Even where another kernel of that name is installed."""
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/no/such/python"], "display_name": "other", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    source = "import os, sys, womble; print(sys.prefix, womble.__file__, os.getcwd(), sep='\\n')"
    notebook = new_notebook(cells=[new_code_cell(source)])
    run(notebook, tmp_path)
    prefix, file, folder = notebook.cells[0].outputs[0]["text"].split()
    assert prefix == sys.prefix
    assert file == str(ROOT / "womble" / "__init__.py")
    assert folder == str(tmp_path.resolve())
