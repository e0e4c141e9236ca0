"""Mixer as the control plane holds it: a gRPC servicer to register, metrics to show, an end.

mixer = Mixer.open(data_dir / "mixer", caller=authenticated)
access_log_service.add_to_server(mixer.servicer, server)
... mixer.metrics() ...
mixer.close()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from mesh.mixer.access_log_service import AccessLogServicer
from mesh.mixer.adapters.base import Adapter, AdapterContext
from mesh.mixer.adapters.table import ADAPTERS, DEFAULT
from mesh.mixer.dispatcher import Dispatcher
from mesh.model.identity import SpiffeId


class Mixer:
    """``servicer`` is Envoy's AccessLogService; ``registry`` holds what the adapters and mixer itself
    count.
    """

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        registry: CollectorRegistry | None = None,
        caller: Callable[[], SpiffeId] | None = None,
    ) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._dispatcher = Dispatcher(adapters, self.registry)
        self.servicer = AccessLogServicer(self._dispatcher.put, self.registry, caller)

    @classmethod
    def open(
        cls,
        directory: Path,
        names: Sequence[str] = DEFAULT,
        caller: Callable[[], SpiffeId] | None = None,
    ) -> Mixer:
        """Mixer with the named adapters, its files in ``directory``. Raises ValueError for a name not
        known.
        """
        unknown = [name for name in names if name not in ADAPTERS]
        if unknown:
            raise ValueError(f"mixer adapter {unknown[0]!r}: expected one of {', '.join(ADAPTERS)}")
        context = AdapterContext(directory, CollectorRegistry())
        return cls({name: ADAPTERS[name](context) for name in names}, context.registry, caller)

    def metrics(self) -> bytes:
        """Prometheus text 0.0.4, for /mixer/metrics."""
        return generate_latest(self.registry)

    def close(self) -> None:
        """Let the adapters finish; waits a few seconds at most (it blocks: call it last, or in a thread)."""
        self._dispatcher.close()
