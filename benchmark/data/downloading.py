"""Files from an address or a folder into `.part` files.

`pooch` downloads whole files only; an interrupted one is continued here by an HTTP Range request, hence `requests`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from benchmark.system.errors import BenchmarkError, DataError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 15
"""Bytes that are written at once; less than this is lost where a connection breaks off."""
ATTEMPTS = 3
BACKOFF_S = 0.5
TIMEOUT_S = (10, 60)
"""Seconds to connect, and between two pieces of an answer."""

Deliver = Callable[[str, Path], None]
"""(relative path, `.part` file) -> completes the `.part` file, continuing what it holds or beginning anew."""


@contextmanager
def opened(name: str, mirror: str | None, jobs: int) -> Iterator[Deliver]:
    """How files of the dataset `name` arrive: from the addresses in its manifest, from a mirror's address, or from a folder.

    Raises `BenchmarkError` where `mirror` is neither a folder nor an address. Delivery raises `DataError` for a file that the
    source lacks, `BenchmarkError` where the network fails, `OSError` where the disk does.
    """
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        root = Path(mirror).expanduser()
        if not root.is_dir():
            raise BenchmarkError(f"mirror '{mirror}' is neither a folder nor an http(s):// address")
        yield partial(_copy, name, root)
        return
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    patience = Retry(ATTEMPTS, backoff_factor=BACKOFF_S, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=max(1, jobs), max_retries=patience))
        yield partial(_download, name, session, mirror.rstrip("/") + "/" if mirror else "https://")


def _copy(name: str, root: Path, relative: str, part: Path) -> None:
    source = root / relative
    if not source.is_file():
        raise DataError(f"{name}: {relative} is not in the mirror {root}: it must be laid out as <host>/<path>")
    shutil.copyfile(source, part)


def _download(name: str, session: requests.Session, base: str, relative: str, part: Path) -> None:
    """Download by HTTP, continuing a `.part`; a connection that breaks off is taken up again `ATTEMPTS` times."""
    import requests

    url = base + quote(relative)
    for attempt in range(ATTEMPTS):
        try:
            _receive(name, session, url, part)
            return
        except requests.RequestException as error:
            if attempt == ATTEMPTS - 1:
                raise BenchmarkError(
                    f"{name}: {url} cannot be downloaded ({_reason(error)}): check the network or give --mirror; "
                    "what has arrived is kept"
                ) from error


def _receive(name: str, session: requests.Session, url: str, part: Path) -> None:
    offset = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
        if offset and answer.status_code == 416:  # nothing beyond what is there: the checksum decides
            return
        if not answer.ok:
            raise DataError(f"{name}: {url} answered {answer.status_code} {answer.reason}: check the address or give --mirror")
        continued = answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        with part.open("ab" if offset and answer.status_code == 206 and continued else "wb") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)


def _reason(error: Exception) -> str:
    """The innermost cause of a network error, on one line."""
    cause: Any = error
    while (inner := getattr(cause, "reason", None) or (cause.args[0] if cause.args else None)) and isinstance(inner, Exception):
        cause = inner
    return " ".join(str(cause).split()) or type(cause).__name__
