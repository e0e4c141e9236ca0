"""Valid Istio that this mesh does not serve yet: taken, and said by name with file and line.

One table, (kind, path) -> values. ``*`` stands for a list's index; an empty tuple of
values means any value. To serve a field, take its line out.
"""

from __future__ import annotations

from collections.abc import Iterator

from mesh.galley.fault import Loc, Problem, path_of
from mesh.galley.yaml_data import Data

ANY: tuple[str, ...] = ()

_HTTP = "spec.http.*"
_POLICIES = ("spec.trafficPolicy", "spec.subsets.*.trafficPolicy")
_SETTINGS = (*_POLICIES, *(f"{policy}.portLevelSettings.*" for policy in _POLICIES))

_OF_HTTP = (
    "match.*.statPrefix",
    "fault.delay.exponentialDelay",
    "fault.abort.http2Error",
)

_OF_SETTINGS: dict[str, tuple[str, ...]] = {
    "tls.caCrl": ANY,
}

_OF_SERVER = (
    "port.targetPort",
    "defaultEndpoint",
    "tls.serverCertificate",
    "tls.privateKey",
    "tls.caCertificates",
    "tls.caCrl",
    "tls.credentialNames",
    "tls.caCertCredentialName",
    "tls.tlsCertificates",
    "tls.subjectAltNames",
    "tls.verifyCertificateSpki",
    "tls.verifyCertificateHash",
)
_OLD_TLS = ("TLSV1_0", "TLSV1_1")

_OF_POLICY = ("tunnel", "proxyProtocol")

UNSUPPORTED: dict[tuple[str, str], tuple[str, ...]] = {
    **{
        ("VirtualService", f"spec.{rules}.*.match.*.{field}"): ANY
        for rules in ("tcp", "tls")
        for field in ("destinationSubnets", "sourceSubnet")
    },
    **{("VirtualService", f"{_HTTP}.{field}"): ANY for field in _OF_HTTP},
    **{
        ("DestinationRule", f"{settings}.{field}"): values
        for settings in _SETTINGS
        for field, values in _OF_SETTINGS.items()
    },
    **{("DestinationRule", f"{policy}.{field}"): ANY for policy in _POLICIES for field in _OF_POLICY},
    **{("Gateway", f"spec.servers.*.{field}"): ANY for field in _OF_SERVER},
    ("Gateway", "spec.servers.*.tls.mode"): ("AUTO_PASSTHROUGH",),
    **{("Gateway", f"spec.servers.*.tls.{end}ProtocolVersion"): _OLD_TLS for end in ("min", "max")},
    ("Service", "spec.type"): ("ExternalName",),
    **{
        ("Service", f"spec.{field}"): ANY
        for field in (
            "externalName",
            "internalTrafficPolicy",
            "publishNotReadyAddresses",
            "trafficDistribution",
        )
    },
    ("ServiceEntry", "spec.resolution"): ("DYNAMIC_DNS",),
    ("ServiceEntry", "spec.endpoints.*.network"): ANY,
}

# taken and of no use to the mesh, with the reason: nothing is lost without it
WITHOUT_USE: dict[tuple[str, str], str] = (
    {
        ("Service", f"spec.{field}"): "the platform's own"
        for field in (
            "ports.*.nodePort",
            "sessionAffinity",
            "sessionAffinityConfig.clientIP.timeoutSeconds",
            "externalTrafficPolicy",
            "ipFamilies",
            "ipFamilyPolicy",
            "loadBalancerIP",
            "loadBalancerClass",
            "loadBalancerSourceRanges",
            "allocateLoadBalancerNodePorts",
            "healthCheckNodePort",
        )
    }
    | {
        (
            "DestinationRule",
            f"{settings}.outlierDetection.consecutiveErrors",
        ): "means nothing any more, as in Istio"
        for settings in _SETTINGS
    }
    | {
        ("Secret", "immutable"): "the platform's own",
        ("Gateway", "spec.servers.*.name"): "the platform's own",
    }
)

_BY_KIND: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
for (_kind, _path), _values in UNSUPPORTED.items():
    _BY_KIND.setdefault(_kind, []).append((tuple(filter(None, _path.split("."))), _values))


def find_unsupported(kind: str, data: dict[str, Data]) -> tuple[Problem, ...]:
    """A warning for each field of ``data`` that the table holds, in the order of the table."""
    return tuple(
        Problem(loc, f"not supported yet: {path_of(loc) or kind}{f' {value}' if values else ''}", "warning")
        for pattern, values in _BY_KIND.get(kind, ())
        for loc, value in _matches(data, pattern, ())
        if not values or value in values
    )


def _matches(data: Data, pattern: tuple[str, ...], loc: Loc) -> Iterator[tuple[Loc, Data]]:
    """Every (location, value) of ``data`` that ``pattern`` describes and that holds something."""
    if not pattern:
        if data is not None and data is not False and data != ():
            yield loc, data
    elif pattern[0] == "*":
        items = enumerate(data) if isinstance(data, tuple) else ()
        for index, item in items:
            yield from _matches(item, pattern[1:], (*loc, index))
    elif isinstance(data, dict) and pattern[0] in data:
        yield from _matches(data[pattern[0]], pattern[1:], (*loc, pattern[0]))
