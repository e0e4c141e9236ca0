"""The Kubernetes Service."""

from __future__ import annotations

from mesh.galley.api.service import Service
from mesh.galley.checks.common import Problems, check_labels
from mesh.galley.fault import Problem, quoted


def check_service(service: Service) -> Problems:
    spec = service.spec
    if not spec.ports and spec.type != "ExternalName" and spec.cluster_ip != "None":
        yield Problem(("spec", "ports"), "expected at least one port, got none")
    yield from check_labels(spec.selector, ("spec", "selector"))
    for index, port in enumerate(spec.ports):
        if len(spec.ports) > 1 and not port.name:
            yield Problem(("spec", "ports", index), "expected a name: the service has several ports")
        if port.name and port.name in [other.name for other in spec.ports[:index]]:
            yield Problem(("spec", "ports", index, "name"), f"the name {quoted(port.name)} stands twice")
