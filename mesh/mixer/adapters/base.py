"""The protocol of an adapter.

Each adapter runs on a thread of its own, behind a bounded queue (``mesh/mixer/dispatcher.py``): it may
block and it may raise, and neither the streams nor the other adapters notice. Its calls never overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node


@dataclass(frozen=True, slots=True)
class AdapterContext:
    """What there is to build on: mixer's own directory, and the registry that /mixer/metrics shows."""

    directory: Path
    registry: CollectorRegistry


class Adapter(Protocol):
    def handle(self, node: Node, entries: Sequence[AccessLogEntry]) -> None:
        """Take what ``node`` reports: requests, and the reports of connections (``access_log_type`` tells).

        What is raised is counted and logged; the entries are lost.
        """

    def close(self) -> None:
        """No more will come: write what is buffered, free what is held."""
