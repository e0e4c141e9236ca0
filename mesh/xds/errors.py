"""What can go wrong at the seam between model and wire.

Rejected   a resource cannot be taken: the text goes back as the NACK's error detail
Refused    a proxy may not connect: its stream ends with PERMISSION_DENIED
"""

from __future__ import annotations


class Rejected(Exception):
    """``str()`` names resource and field: ``listener 0.0.0.0_9080: filter_chains[0].metadata: ...``."""


class Refused(Exception):
    """A source's answer to a proxy it does not take; ``str()`` is told to the proxy."""
