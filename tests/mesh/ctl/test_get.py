from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from mesh.ctl.get import as_table

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Meshctl

CONFIG = """\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: reviews, labels: {team: a}}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""


@pytest.fixture
def applied(in_mesh: Meshctl, tmp_path: Path) -> Meshctl:
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert in_mesh("apply", "-f", str(tmp_path / "config.yaml")).status == 0
    return in_mesh


def test_the_table_has_kubectls_columns(applied: Meshctl) -> None:
    assert applied("get", "virtualservices").out.splitlines() == [
        "NAME      GATEWAYS   HOSTS",
        'reviews              ["reviews"]',
    ]
    wide = applied("get", "pa", "-A", "-o", "wide").rows
    assert wide[0] == ["NAMESPACE", "NAME", "MODE", "GENERATION", "SOURCE"]
    assert wide[1][:3] == ["istio-system", "default", "STRICT"]


def test_yaml_can_be_applied_again(applied: Meshctl, tmp_path: Path) -> None:
    text = applied("get", "vs", "reviews", "-o", "yaml").out
    document = yaml.safe_load(text)
    assert document["apiVersion"] == "networking.istio.io/v1alpha3"
    assert document["metadata"] == {"name": "reviews", "namespace": "default", "labels": {"team": "a"}}
    (tmp_path / "again.yaml").write_text(text)
    assert "unchanged" in applied("apply", "-f", str(tmp_path / "again.yaml")).out


def test_json_is_one_object_or_a_list(applied: Meshctl) -> None:
    assert json.loads(applied("get", "vs", "reviews", "-o", "json").out)["kind"] == "VirtualService"
    assert json.loads(applied("get", "vs", "-o", "json").out)["kind"] == "List"


def test_namespaces_are_kept_apart(applied: Meshctl) -> None:
    assert applied("get", "pa").out == "No resources found in default namespace\n"
    assert "default" in applied("get", "pa", "-n", "istio-system").out


def test_what_is_not_there_is_said_in_one_line(applied: Meshctl) -> None:
    missing = applied("get", "vs", "ratings")
    assert (missing.status, missing.err) == (
        1,
        'meshctl: virtualservices "ratings" not found in namespace default\n',
    )


def test_ports_of_a_service() -> None:
    service = {"name": "reviews", "namespace": "d", "spec": {"ports": [{"name": "http", "port": 9080}]}}
    assert as_table("Service", [service], wide=False, all_namespaces=False).splitlines() == [
        "NAME      PORT(S)",
        "reviews   9080/TCP",
    ]
