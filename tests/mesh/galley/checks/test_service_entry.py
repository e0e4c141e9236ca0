"""A ServiceEntry's hosts, ports and endpoints fit its resolution."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.galley.api.service_entry import ServiceEntry
from mesh.galley.checks.service_entry import check_service_entry

GOOD: dict[str, Any] = {
    "hosts": ["api.example.com"],
    "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
    "resolution": "DNS",
}
HERE = {"address": "127.0.0.1"}


def problems(**changes: Any) -> list[str]:
    entry = ServiceEntry.model_validate(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "api", "namespace": "default"},
            "spec": {**GOOD, **changes},
        }
    )
    return [f"{'.'.join(map(str, one.loc))}: {one.message}" for one in check_service_entry(entry)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"resolution": "NONE", "hosts": ["*.example.com"]},
        {"resolution": "STATIC", "endpoints": [HERE], "addresses": ["240.0.0.1"]},
        {"resolution": "STATIC", "workloadSelector": {"labels": {"app": "vm"}}},
        {"endpoints": [{"address": "a.example.com", "ports": {"http": 8080}}]},
        {"exportTo": [".", "other"]},
        {"exportTo": ["~"]},
        {"addresses": ["10.0.0.0/8", "10.1.2.3/16", "fd00::/8"]},
        {"resolution": "DNS_ROUND_ROBIN"},
        {"resolution": "DNS_ROUND_ROBIN", "hosts": ["*.example.com"], "endpoints": [{"address": "a.b"}]},
    ],
)
def test_good_ones_pass(changes: dict[str, Any]) -> None:
    assert problems(**changes) == []


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"hosts": []}, "spec.hosts"),
        ({"hosts": ["*"]}, "spec.hosts.0"),
        ({"hosts": ["*.example.com"]}, "spec.hosts.0"),
        ({"ports": []}, "spec.ports"),
        ({"ports": [*GOOD["ports"], {"number": 80, "name": "b"}]}, "spec.ports.1.number"),
        ({"ports": [*GOOD["ports"], {"number": 81, "name": "http"}]}, "spec.ports.1.name"),
        ({"addresses": ["api"]}, "spec.addresses.0"),
        ({"addresses": ["10.0.0.0/33"]}, "spec.addresses.0"),
        ({"addresses": ["10.0.0.0/8", "a/8"]}, "spec.addresses.1"),
        ({"resolution": "STATIC"}, "spec.endpoints"),
        ({"resolution": "NONE", "endpoints": [HERE]}, "spec.endpoints"),
        ({"endpoints": [HERE], "workloadSelector": {"labels": {"app": "vm"}}}, "spec.endpoints"),
        ({"resolution": "STATIC", "endpoints": [{"address": "a.b"}]}, "spec.endpoints.0.address"),
        ({"endpoints": [{"address": "unix:///run/a"}]}, "spec.endpoints.0.address"),
        ({"endpoints": [{**HERE, "ports": {"grpc": 1}}]}, "spec.endpoints.0.ports.grpc"),
        ({"resolution": "DNS_ROUND_ROBIN", "hosts": ["*.example.com"]}, "spec.hosts.0"),
        ({"resolution": "DNS_ROUND_ROBIN", "endpoints": [HERE, {"address": "a.b"}]}, "spec.endpoints"),
        ({"exportTo": ["Other"]}, "spec.exportTo.0"),
        ({"exportTo": ["other", "~"]}, "spec.exportTo.1"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], where: str) -> None:
    (problem,) = problems(**changes)
    assert problem.startswith(f"{where}: ")
