"""Writes a text encoder that was trained here as a folder that `transformers` loads.

`python -m tools.text_encoder DIGEST FOLDER`, with the digest of a stage `language` or `matching` of `show stages`, or its
beginning. `AutoModel` and `AutoTokenizer` load the folder; the vector of a text is the mean of the last states over its tokens.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmark.learning.text_vision.exporting import stored_encoder, write_encoder
from benchmark.system.errors import BenchmarkError


def main() -> None:
    """Write the folder. Raises `BenchmarkError` for a stage that there is not, and a folder that is not empty."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("digest")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    model = stored_encoder(options.digest)
    write_encoder(model, options.folder)
    size = model.size
    print(f"{options.folder}: {size.layers} layers of {size.width}, {len(model.pieces):,} pieces, {size.longest} read at once")


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
