"""`python -m benchmark`."""

import signal
import sys
from typing import Any

from benchmark.cli.main import main


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)  # a batch system asks a job to end by it: as Ctrl-C, so that nothing is left
    sys.exit(main())
