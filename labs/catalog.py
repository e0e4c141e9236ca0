"""Every lab, in the order in which to read them."""

from __future__ import annotations

from labs.bookinfo.lab import BOOKINFO
from labs.canary.lab import CANARY
from labs.gateway.lab import GATEWAY
from labs.harness.lab import Lab

LABS: dict[str, Lab] = {lab.name: lab for lab in (BOOKINFO, CANARY, GATEWAY)}
