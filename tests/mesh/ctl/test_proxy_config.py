"""Every table of a running sidecar; the same from its saved dump."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
import yaml

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Meshctl

POD = "reviews-v1-0"
REVIEWS = "reviews.default.svc.cluster.local"
CONFIG = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rule}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: service}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /static}}]
    route: [{destination: {host: reviews, subset: v1}}]
  - route: [{destination: {host: reviews, subset: v1}}]
"""


@pytest.fixture
def configured(in_mesh: Meshctl, tmp_path: Path) -> Meshctl:
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert in_mesh("apply", "-f", str(tmp_path / "config.yaml"), "--wait").status == 0
    return in_mesh


@pytest.fixture
def dump(configured: Meshctl, tmp_path: Path) -> str:
    (told,) = json.loads(configured("ps", "-o", "json").out)
    file = tmp_path / "dump.json"
    with urlopen(f"http://{told['admin']}/config_dump?include_eds", timeout=5) as answer:
        file.write_bytes(answer.read())
    return str(file)


def test_clusters(configured: Meshctl) -> None:
    rows = configured("pc", "clusters", POD, "--fqdn", REVIEWS).rows
    assert rows == [
        ["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE"],
        [REVIEWS, "9080", "-", "outbound", "EDS", "rule.default"],
        [REVIEWS, "9080", "v1", "outbound", "EDS", "rule.default"],
    ]


def test_listeners(configured: Meshctl) -> None:
    rows = configured("pc", "listeners", POD, "--port", "15001").rows
    assert rows[0] == ["ADDRESSES", "PORT", "MATCH", "DESTINATION"]
    assert [row[1:] for row in rows[1:]] == [["15001", "ALL", "Route: http_proxy"]]
    inbound = configured("pc", "listener", POD, "--port", "9080").rows[1:]
    assert {tuple(row[2:]) for row in inbound} == {
        ("Trans: tls", "Cluster: inbound|9080||"),
        ("Trans: raw_buffer", "Cluster: inbound|9080||"),
    }


def test_routes(configured: Meshctl) -> None:
    rows = configured("pc", "routes", POD, "--name", "http_proxy").rows
    assert rows[0] == ["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"]
    of_reviews = [row[3:] for row in rows if row[1].startswith("reviews")]
    assert of_reviews == [["/static*", "service.default"], ["/*", "service.default"]]


def test_endpoints(configured: Meshctl) -> None:
    rows = configured("pc", "endpoints", POD, "--cluster", f"outbound|9080|v1|{REVIEWS}").rows
    assert rows[0] == ["NAME", "STATUS", "LOCALITY", "CLUSTER"]
    ((address, status, cluster),) = rows[1:]  # its locality is empty
    assert (address.endswith(":9080"), status, cluster) == (True, "HEALTHY", f"outbound|9080|v1|{REVIEWS}")


def test_secrets_without_their_keys(configured: Meshctl) -> None:
    rows = configured("pc", "secret", POD).rows
    assert rows[0] == [
        *("RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"),
    ]
    assert [row[:4] for row in rows[1:]] == [
        ["default", "Cert Chain", "ACTIVE", "true"],
        ["ROOTCA", "CA", "ACTIVE", "true"],
    ]
    assert "W3JlZGFjdGVkXQ==" in configured("pc", "secret", POD, "-o", "json").out


def test_bootstrap_is_json_unless_asked(configured: Meshctl) -> None:
    told = json.loads(configured("pc", "bootstrap", POD).out)
    assert told["bootstrap"]["node"]["metadata"]["WORKLOAD_NAME"] == "reviews-v1"
    assert configured("pc", "bootstrap", POD, "-o", "short").rows[0] == ["NODE", "CLUSTER"]


@pytest.mark.parametrize("verb", ["clusters", "listeners", "routes", "endpoints", "secret", "bootstrap"])
def test_a_saved_dump_shows_the_same(configured: Meshctl, dump: str, verb: str) -> None:
    live, saved = configured("pc", verb, POD), configured("pc", verb, "--file", dump)
    assert saved.status == 0
    assert saved.rows == live.rows
    in_yaml = yaml.safe_load(configured("pc", verb, "-f", dump, "-o", "yaml").out)
    if verb != "endpoints":  # a live sidecar knows more of those than a dump
        assert in_yaml == json.loads(configured("pc", verb, POD, "-o", "json").out)


def test_wrong_use_and_unknown_pods_are_one_line(configured: Meshctl, tmp_path: Path) -> None:
    assert configured("pc", "routes").status == 2
    unknown = configured("pc", "routes", "nobody")
    assert (unknown.status, len(unknown.err.splitlines())) == (1, 1)
    (tmp_path / "x.json").write_text("[]")
    assert "not a config dump" in configured("pc", "routes", "-f", str(tmp_path / "x.json")).err
