"""The adapters there are, by name; the control plane takes those of ``DEFAULT``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mesh.mixer.adapters.base import Adapter, AdapterContext
from mesh.mixer.adapters.jsonlines import JsonLines
from mesh.mixer.adapters.prometheus import Prometheus

ADAPTERS: Mapping[str, Callable[[AdapterContext], Adapter]] = {
    "prometheus": lambda context: Prometheus(context.registry),
    "jsonlines": lambda context: JsonLines(context.directory / "access_log.jsonl"),
}
DEFAULT = ("prometheus", "jsonlines")
