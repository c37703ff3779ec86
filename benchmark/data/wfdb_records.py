"""Records in the format of the WaveForm DataBase: a header `.hea` and its signals, read and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.data.recordings import Recording
from benchmark.system.errors import DataError

TO_MV = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3}
"""Unit of a header -> what it is in mV."""


def read_record(header: Path) -> Recording:
    """The record of a header file, in mV, NaN where the file marks a sample as not known.

    Raises `DataError`, with the record's name, for a file that is missing or cut, a checksum that is not the header's, or a
    unit that is no voltage.
    """
    import wfdb

    name = header.stem
    try:
        record = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    except Exception as error:  # the library raises whatever its parsing happens to meet
        raise DataError(f"record {name}: cannot be read ({type(error).__name__}: {error}): fetch it again") from error
    if record.d_signal is None or not record.d_signal.size:
        raise DataError(f"record {name}: holds no sample")
    stated = record.checksum or []
    for lead, said, found in zip(record.sig_name, stated, record.calc_checksum(), strict=False):
        if said is not None and said != found:
            raise DataError(f"record {name}: lead {lead}: checksum {found}, and the header says {said}: fetch it again")
    units = [str(unit).casefold() for unit in record.units]
    strange = [unit for unit in units if unit not in TO_MV]
    if strange:
        raise DataError(f"record {name}: unit '{strange[0]}' is no voltage: expected mV, uV or V")
    values = record.dac().T * np.array([TO_MV[unit] for unit in units])[:, None]
    return Recording(name, values, float(record.fs), tuple(record.sig_name))
