"""iptables rules that lead a pod's TCP traffic through its sidecar. Pure: options -> rules.

Chains, ports and options are those of Istio's istio-iptables, in table ``nat`` of the pod's own namespace:

    PREROUTING -> ISTIO_INBOUND  -> ISTIO_IN_REDIRECT  (to 15006)    what comes from other pods
    OUTPUT     -> ISTIO_OUTPUT   -> ISTIO_REDIRECT     (to 15001)    what the application calls

Exempt are the sidecar's own connections (by uid and gid), loopback, and the sidecar's own ports. UDP (and so
DNS) is untouched. The restore text flushes and fills our chains in one commit, the jumps to them are made
once: applying it all again changes nothing, and rules of others (Docker's DNS) stay.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mesh.model import names

PROXY_UID = 1337  # Istio's
PROXY_GID = 1337
# ports the sidecar itself serves: taking them through 15006 would be a loop or would need a certificate
OWN_PORTS = (
    names.ADMIN_PORT,
    names.OUTBOUND_PORT,
    names.INBOUND_PORT,
    names.MERGED_METRICS_PORT,
    names.HEALTH_PORT,
    names.ENVOY_METRICS_PORT,
)
ANY = "*"
ANNOTATIONS = "traffic.sidecar.istio.io/"
LOOPBACK = "127.0.0.0/8"

IPTABLES = ("iptables", "--wait", "--table", "nat")
RESTORE = ("iptables-restore", "--wait", "--noflush")


@dataclass(frozen=True, slots=True)
class Interception:
    """Istio's annotations, parsed. ``("*",)`` is everything; excludes win over includes.

    ``inbound_ports`` the application serves: a call of the pod to itself comes back in through the sidecar.
    """

    include_inbound_ports: tuple[str, ...] = (ANY,)
    exclude_inbound_ports: tuple[str, ...] = ()
    include_outbound_ports: tuple[str, ...] = ()  # redirected whatever the ranges say
    exclude_outbound_ports: tuple[str, ...] = ()
    include_outbound_ip_ranges: tuple[str, ...] = (ANY,)
    exclude_outbound_ip_ranges: tuple[str, ...] = ()
    exclude_interfaces: tuple[str, ...] = ()
    inbound_ports: tuple[str, ...] = ()


# annotation (after its prefix) -> field, in Istio's spelling; the entry's options are named after the fields
ANNOTATION_FIELDS = {
    "includeInboundPorts": "include_inbound_ports",
    "excludeInboundPorts": "exclude_inbound_ports",
    "includeOutboundPorts": "include_outbound_ports",
    "excludeOutboundPorts": "exclude_outbound_ports",
    "includeOutboundIPRanges": "include_outbound_ip_ranges",
    "excludeOutboundIPRanges": "exclude_outbound_ip_ranges",
    "excludeInterfaces": "exclude_interfaces",
}


def from_annotations(annotations: Mapping[str, str]) -> Interception:
    """Read ``traffic.sidecar.istio.io/*`` out of labels. Raises ValueError naming the annotation."""
    found = Interception()
    for key, text in annotations.items():
        if not key.startswith(ANNOTATIONS):
            continue
        field = ANNOTATION_FIELDS.get(key.removeprefix(ANNOTATIONS))
        if field is None:
            known = ", ".join(ANNOTATION_FIELDS)
            raise ValueError(f"{key}: no such annotation; expected one of {known}")
        try:
            found = replace(found, **{field: parse_list(field, text)})
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return found


def parse_list(field: str, text: str) -> tuple[str, ...]:
    """Comma-separated ports, ranges or interfaces, by the field they are for. Raises ValueError."""
    parts = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in parts:
        if part == ANY and field.startswith("include"):
            continue
        if field.endswith("ports") and not (part.isdigit() and 0 < int(part) < 65536):
            raise ValueError(f"expected ports from 1 to 65535, got {part!r}")
        if field.endswith("ranges") and not _is_range(part):
            raise ValueError(f"expected IPv4 ranges such as 10.0.0.0/8, got {part!r}")
    return parts


def _is_range(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


def arguments(options: Interception) -> list[str]:
    """The options that say the same to ``python -m mesh.platform.docker.sidecar``; defaults are left out."""
    standard = Interception()
    words: list[str] = []
    for field in Interception.__slots__:
        value = getattr(options, field)
        if value != getattr(standard, field):
            words += [f"--{field.replace('_', '-')}", ",".join(value)]
    return words


def restore_text(options: Interception) -> str:
    """Input of ``iptables-restore --noflush``: our chains, whole."""
    chains = ("ISTIO_INBOUND", "ISTIO_IN_REDIRECT", "ISTIO_OUTPUT", "ISTIO_REDIRECT")
    lines = ["*nat", *(f":{chain} - [0:0]" for chain in chains)]
    lines += [f"-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports {names.INBOUND_PORT}"]
    lines += [f"-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports {names.OUTBOUND_PORT}"]
    lines += [f"-A ISTIO_INBOUND {rule}" for rule in _inbound(options)]
    lines += [f"-A ISTIO_OUTPUT {rule}" for rule in _outbound(options)]
    return "\n".join([*lines, "COMMIT", ""])


def jumps() -> tuple[tuple[str, ...], ...]:
    """The rules that lead into our chains: each is appended (``-A``) unless it is there (``-C``)."""
    return (
        ("PREROUTING", "-p", "tcp", "-j", "ISTIO_INBOUND"),
        ("OUTPUT", "-p", "tcp", "-j", "ISTIO_OUTPUT"),
    )


def _inbound(options: Interception) -> Iterator[str]:
    yield from (f"-i {name} -j RETURN" for name in options.exclude_interfaces)
    for port in (*map(str, OWN_PORTS), *options.exclude_inbound_ports):
        yield f"-p tcp --dport {port} -j RETURN"
    if ANY in options.include_inbound_ports:
        yield "-p tcp -j ISTIO_IN_REDIRECT"
    else:
        yield from (f"-p tcp --dport {port} -j ISTIO_IN_REDIRECT" for port in options.include_inbound_ports)


def _outbound(options: Interception) -> Iterator[str]:
    # the sidecar calls its own pod's service: that never passes PREROUTING, so it is turned round here
    for port in options.inbound_ports:
        own = f"-o lo ! -d {LOOPBACK} -p tcp --dport {port} -m owner --uid-owner {PROXY_UID}"
        yield f"{own} -j ISTIO_IN_REDIRECT"
    yield f"-m owner --uid-owner {PROXY_UID} -j RETURN"
    yield f"-m owner --gid-owner {PROXY_GID} -j RETURN"
    yield "-o lo -j RETURN"
    yield f"-d {LOOPBACK} -j RETURN"
    yield from (f"-o {name} -j RETURN" for name in options.exclude_interfaces)
    yield from (f"-p tcp --dport {port} -j RETURN" for port in options.exclude_outbound_ports)
    yield from (
        f"-p tcp --dport {port} -j ISTIO_REDIRECT" for port in options.include_outbound_ports if port != ANY
    )
    yield from (f"-d {block} -j RETURN" for block in options.exclude_outbound_ip_ranges)
    if ANY in (*options.include_outbound_ip_ranges, *options.include_outbound_ports):
        yield "-p tcp -j ISTIO_REDIRECT"
    else:
        yield from (f"-d {block} -p tcp -j ISTIO_REDIRECT" for block in options.include_outbound_ip_ranges)
