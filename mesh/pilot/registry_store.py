"""The registry on disk, so that a control plane that starts again serves the endpoints it knew.

One JSON file, replaced whole: ``{"generation": n, "nodes": [node metadata...], "services": [claimed...]}``.
The generation is kept with them so that it never falls: what a user saw live stays behind what comes.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.model.node import Node, ServicePort
from mesh.pilot.services import ClaimedService

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Saved:
    """What a registry file holds."""

    nodes: tuple[Node, ...] = ()
    services: tuple[ClaimedService, ...] = ()
    generation: int = 0  # the newest that was pushed


def load(path: Path) -> Saved:
    """Read the file; no file is an empty registry, and so is one that cannot be read (logged)."""
    try:
        raw = json.loads(path.read_text())
        return Saved(
            tuple(Node.from_metadata(node) for node in raw["nodes"]),
            tuple(_service(service) for service in raw["services"]),
            int(raw.get("generation", 0)),
        )
    except FileNotFoundError:
        return Saved()
    except (OSError, ValueError, KeyError, TypeError) as fault:
        log.warning("%s: left out: %s", path, fault)
        return Saved()


def save(path: Path, registry: Saved) -> None:
    """Replace the file at once: a reader sees the old or the new one. Raises OSError."""
    content = {
        "generation": registry.generation,
        "nodes": [node.to_metadata() for node in registry.nodes],
        "services": [_metadata(service) for service in registry.services],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1, sort_keys=True))
    os.replace(fresh, path)


def _metadata(service: ClaimedService) -> dict[str, Any]:
    return {
        "name": service.name,
        "namespace": service.namespace,
        "ports": [port.to_metadata() for port in service.ports],
        "accounts": list(service.accounts),
    }


def _service(raw: dict[str, Any]) -> ClaimedService:
    return ClaimedService(
        str(raw["name"]),
        str(raw["namespace"]),
        tuple(ServicePort.from_metadata(port) for port in raw["ports"]),
        tuple(str(account) for account in raw["accounts"]),
    )
