"""Runs the notebooks in this environment: `python tests/run_notebooks.py out/notebooks`.

With `--clean` in place of a folder, takes outputs and stray metadata out of `notebooks/*.ipynb`.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from traitlets import default

import womble

ROOT = Path(womble.__file__).parents[1]
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
# Seconds for a whole notebook; one that says {"womble": {"slow": true}} in its metadata has more.
# The others take up to 30 s of CPU; the rest is for machines that are busy with something else.
LIMIT, SLOW_LIMIT = 180, 900
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class OwnKernel(AsyncKernelManager):
    """Starts ipykernel's native kernel, this interpreter, whatever other `python3` is installed."""

    @default("kernel_spec_manager")
    def _own_specs(self):
        return KernelSpecManager(kernel_dirs=[])


def is_slow(path):
    return nbformat.read(path, as_version=4).metadata.get("womble", {}).get("slow", False)


def run(notebook, folder, limit=LIMIT):
    """Execute in place, with `folder` as working directory; seconds taken. Raises what cells do."""
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    client = NotebookClient(
        notebook,
        timeout=limit,
        kernel_name="python3",
        kernel_manager_class=OwnKernel,
        resources={"metadata": {"path": str(folder)}},
    )
    start = time.perf_counter()
    client.execute(env=env)
    return time.perf_counter() - start


def cleaned(path):
    """The text of a notebook as it is committed: no outputs, no metadata but the kernel's."""
    notebook = nbformat.read(path, as_version=4)
    own = {"womble": notebook.metadata["womble"]} if "womble" in notebook.metadata else {}
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}} | own
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook = nbformat.from_dict(notebook)
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def main(where):
    for path in NOTEBOOKS:
        if where == "--clean":
            path.write_text(cleaned(path), encoding="utf-8")
            continue
        folder = Path(where)
        folder.mkdir(parents=True, exist_ok=True)
        notebook = nbformat.read(path, as_version=4)
        seconds = run(notebook, folder, SLOW_LIMIT if is_slow(path) else LIMIT)
        nbformat.write(notebook, folder / path.name)
        print(f"{folder / path.name}: {seconds:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
