"""Which nodes may join: what a node says of itself ends up in everybody's configuration, so it must be of the
identity its token proves, and of a form that no proxy will choke on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mesh.model.identity import SpiffeId
from mesh.model.names import is_ip
from mesh.model.node import Node
from mesh.xds.errors import Refused

# one label of a host name (RFC 1123), and underscores besides: compose files have them in service names
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def check_node(node: Node, identity: SpiffeId | None) -> None:
    """``identity`` is what the token proved, None where nothing was asked. Raises Refused with one reason."""
    if identity is not None and identity != node.spiffe_id:
        raise Refused(f"node {node.id} claims {node.spiffe_id}, its token is for {identity}")
    for fault in _faults(node):
        raise Refused(f"node {node.id}: {fault}")


def _faults(node: Node) -> Iterator[str]:
    for key, value in (("NAMESPACE", node.namespace), ("SERVICE.name", node.service or "none")):
        if not _LABEL.fullmatch(value):
            yield f"{key}: expected at most 63 letters, digits and dashes, got {value!r}"
    for key, value in (("NAME", node.name), ("WORKLOAD_NAME", node.workload)):
        if not _NAME.fullmatch(value):
            yield f"{key}: expected letters, digits, dots and dashes, got {value!r}"
    for key, value in (("INSTANCE_IPS", node.address), ("APP_ADDRESS", node.app_address)):
        if not is_ip(value):
            yield f"{key}: expected an IP address, got {value!r}"
    for host, address in node.outbound_addresses.items():
        if not is_ip(address):
            yield f"OUTBOUND_ADDRESSES: {host}: expected an IP address, got {address!r}"
    for port in node.ports:
        for key, number in (("number", port.number), ("targetPort", port.target_port)):
            if not 0 < number < 65536:
                yield f"SERVICE.ports {port.name!r}: {key}: expected 1..65535, got {number}"
