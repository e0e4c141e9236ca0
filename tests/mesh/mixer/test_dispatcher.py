from __future__ import annotations

import threading
from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from mesh.mixer.dispatcher import Dispatcher
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node


class Recorder:
    """Keeps what it is given; ``gate`` holds it up, ``broken`` makes it raise."""

    def __init__(self, *, broken: bool = False) -> None:
        self.entries: list[AccessLogEntry] = []
        self.gate = threading.Event()
        self.gate.set()
        self.busy = threading.Event()
        self.broken = broken
        self.closed = False

    def handle(self, node: Node, entries: Sequence[AccessLogEntry]) -> None:
        self.busy.set()
        assert self.gate.wait(10)
        if self.broken:
            raise ValueError("broken on purpose")
        self.entries += entries

    def close(self) -> None:
        self.closed = True


def value(registry: CollectorRegistry, what: str, adapter: str) -> float | None:
    return registry.get_sample_value(f"mixer_adapter_{what}_entries_total", {"adapter": adapter})


def test_every_adapter_gets_every_batch_in_order(node: Node, entry: AccessLogEntry) -> None:
    one, two = Recorder(), Recorder()
    dispatcher = Dispatcher({"one": one, "two": two}, CollectorRegistry())
    for _ in range(100):
        dispatcher.put(node, [entry])
    dispatcher.close()
    assert len(one.entries) == len(two.entries) == 100
    assert one.closed
    assert two.closed


def test_one_that_raises_loses_its_batch_and_nobody_elses(node: Node, entry: AccessLogEntry) -> None:
    registry, good, bad = CollectorRegistry(), Recorder(), Recorder(broken=True)
    dispatcher = Dispatcher({"bad": bad, "good": good}, registry)
    for _ in range(3):
        dispatcher.put(node, [entry, entry])
    dispatcher.close()
    assert len(good.entries) == 6
    assert (value(registry, "failed", "bad"), value(registry, "failed", "good")) == (6, 0)


def test_one_that_is_stuck_loses_only_what_its_queue_cannot_hold(node: Node, entry: AccessLogEntry) -> None:
    registry, good, stuck = CollectorRegistry(), Recorder(), Recorder()
    stuck.gate.clear()
    dispatcher = Dispatcher({"stuck": stuck, "good": good}, registry, max_batches=5)
    dispatcher.put(node, [entry])
    assert stuck.busy.wait(10)
    for _ in range(5 + 3):
        good.busy.clear()
        dispatcher.put(node, [entry])
        assert good.busy.wait(10)  # the other one goes on meanwhile
    assert value(registry, "dropped", "stuck") == 3
    stuck.gate.set()
    dispatcher.close()
    assert (len(stuck.entries), len(good.entries)) == (6, 9)


def test_close_does_not_wait_for_ever(node: Node, entry: AccessLogEntry) -> None:
    stuck = Recorder()
    stuck.gate.clear()
    dispatcher = Dispatcher({"stuck": stuck}, CollectorRegistry())
    dispatcher.put(node, [entry])
    assert stuck.busy.wait(10)
    dispatcher.close(timeout_s=0.01)
    stuck.gate.set()
