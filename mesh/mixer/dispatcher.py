"""Between the streams and the adapters: a thread and a bounded queue for each adapter.

    stream -> put() -> [queue] -> thread -> adapter.handle()
                    -> [queue] -> thread -> adapter.handle()

A slow adapter fills its own queue and then loses its own batches, counted; one that raises loses that batch.
The other adapters and the streams go on.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter

from mesh.mixer.adapters.base import Adapter
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node

MAX_BATCHES = 1024  # of some 32 entries of 2 kB: 64 MB for an adapter that is stuck
CLOSE_TIMEOUT_S = 5.0

_Batch = tuple[Node, Sequence[AccessLogEntry]]
_log = logging.getLogger("mesh.mixer")


class Dispatcher:
    """Starts the threads when made; ``close`` ends them."""

    def __init__(
        self, adapters: Mapping[str, Adapter], registry: CollectorRegistry, max_batches: int = MAX_BATCHES
    ) -> None:
        dropped = Counter(
            "mixer_adapter_dropped_entries_total",
            "Entries an adapter was too slow to take.",
            ["adapter"],
            registry=registry,
        )
        failed = Counter(
            "mixer_adapter_failed_entries_total",
            "Entries of batches an adapter raised on.",
            ["adapter"],
            registry=registry,
        )
        self._workers = [
            _Worker(name, adapter, max_batches, dropped.labels(name), failed.labels(name))
            for name, adapter in adapters.items()
        ]

    def put(self, node: Node, entries: Sequence[AccessLogEntry]) -> None:
        """Hand a batch to every adapter; never waits."""
        for worker in self._workers:
            worker.put((node, entries))

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Let the adapters finish what is queued; one still busy after the timeout is left to the
        process' end.
        """
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join(timeout_s)


class _Worker:
    def __init__(
        self, name: str, adapter: Adapter, max_batches: int, dropped: Counter, failed: Counter
    ) -> None:
        self._name = name
        self._adapter = adapter
        self._dropped = dropped
        self._failed = failed
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._max_batches = max_batches
        self._thread = threading.Thread(target=self._run, name=f"mixer-{name}", daemon=True)
        self._thread.start()

    def put(self, batch: _Batch) -> None:
        if self._batches.qsize() >= self._max_batches:
            self._dropped.inc(len(batch[1]))
        else:
            self._batches.put(batch)

    def end(self) -> None:
        self._batches.put(None)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.warning("adapter %s is still busy, its last entries are lost", self._name)

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            node, entries = batch
            try:
                self._adapter.handle(node, entries)
            except Exception:
                self._failed.inc(len(entries))
                _log.exception("adapter %s lost %d entries", self._name, len(entries))
        try:
            self._adapter.close()
        except Exception:
            _log.exception("adapter %s did not close", self._name)
