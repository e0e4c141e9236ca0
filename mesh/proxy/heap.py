"""What the C library does with memory that is free again: it keeps some, instead of asking the kernel anew.

uvloop puts everything it reads into a new block of up to 256 KiB. By its defaults glibc gives a block of that
size back as soon as it is free, so that every read of a large body pays for fresh, zeroed pages: two thirds
of the time a body took. Source: mallopt(3).
"""

from __future__ import annotations

import ctypes

KEPT_BYTES = 8 * 1024 * 1024  # of free memory at the end of the heap; what is beyond goes back
MAPPED_FROM_BYTES = 1024 * 1024  # blocks of this size have pages of their own, gone when they are freed

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> None:
    """For the whole process, once when it begins. Where the C library has no such settings: nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
