"""Runs the notebooks of `docs/examples/` as they stand and writes what they print into them.

python -m tools.notebook

After rows are published anew, the numbers that the notebooks show are the new ones by this. It needs no Jupyter.
"""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

from benchmark.system.files import write_if_changed
from benchmark.system.locations import ROOT

FOLDER = ROOT / "docs" / "examples"


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook with what its cells print now; they run in one namespace, from the first to the last."""
    space: dict[str, Any] = {}
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec("".join(cell["source"]), space)
            stream = {"name": "stdout", "output_type": "stream", "text": printed.getvalue().splitlines(keepends=True)}
            cell = {**cell, "outputs": [stream]}
        cells.append(cell)
    return {**notebook, "cells": cells}


def read(path: Path) -> dict[str, Any]:
    """A notebook as it is stored."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def main() -> None:
    """Run every notebook."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        write_if_changed(path, (json.dumps(executed(read(path)), indent=1) + "\n").encode())
        print(path)


if __name__ == "__main__":
    main()
