"""A compose document with sidecars: one whole example against its golden file, then the rules one by one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesh.platform.docker.compose_file import read, write
from mesh.platform.docker.inject import Injected, InjectError, Options, inject

GOLDEN = Path(__file__).parent / "golden"
GATEWAY = Path(__file__).parents[4] / "compose" / "gateway.yaml"
COMPOSE = (["docker-compose"], ["docker", "compose"])
HTTP = {"mesh.service": "a", "mesh.port": "http:80"}


def injected(**service: Any) -> dict[str, Any]:
    """The services that come of one service named ``a``."""
    return dict(result(service).document["services"])


def result(service: dict[str, Any], **others: Any) -> Injected:
    return inject({"services": {"a": {"image": "a:1"} | service, **others}}, Options("mesh:1"))


def test_a_whole_file_becomes_the_golden_one() -> None:
    """UPDATE_GOLDEN=1 writes it anew: read the difference before you commit it."""
    document = read((GOLDEN / "plain.yaml").read_text(), GOLDEN)
    made = inject(document, Options("mesh-labs:1", config_dir="/rules"))
    text = write(made.document)
    golden = GOLDEN / "plain.injected.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
    assert made.left_alone == {"db": "label sidecar.istio.io/inject", "debug": "network_mode: service:api"}
    assert made.clients == ("batch",)


@pytest.mark.parametrize("command", COMPOSE, ids=" ".join)
def test_both_generations_of_compose_accept_the_golden_file(command: list[str], tmp_path: Path) -> None:
    known = shutil.which(command[0]) and subprocess.run(
        [*command, "version"], capture_output=True, check=False
    )
    if not known or known.returncode != 0:
        pytest.skip(f"{' '.join(command)} is not installed")
    file = tmp_path / "compose.yaml"
    file.write_text((GOLDEN / "plain.injected.yaml").read_text())
    done = subprocess.run(
        [*command, "-f", str(file), "config", "--quiet"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_document_given_is_not_changed() -> None:
    document = {"services": {"a": {"image": "a:1", "ports": ["80:80"]}}}
    inject(document, Options("mesh:1"))
    assert document == {"services": {"a": {"image": "a:1", "ports": ["80:80"]}}}


def test_what_belongs_to_the_network_goes_to_its_owner() -> None:
    made = injected(ports=["80:80"], hostname="h", dns="1.1.1.1", environment={"A": "b"})
    assert made["a-pod"]["ports"] == ["80:80"]
    assert made["a-pod"]["hostname"] == "h"
    assert set(made["a"]) == {"image", "environment", "depends_on", "network_mode"}
    assert made["a"]["network_mode"] == made["a-sidecar"]["network_mode"] == "service:a-pod"


def test_the_pod_answers_to_the_services_names() -> None:
    made = injected(networks={"back": {"aliases": ["reviews"]}})
    assert made["a-pod"]["networks"] == {"back": {"aliases": ["reviews", "a"]}}
    assert injected()["a-pod"]["networks"] == {"default": {"aliases": ["a"]}}


def test_the_app_is_held_until_its_sidecar_is_ready() -> None:
    made = injected(depends_on=["db"])
    assert made["a"]["depends_on"] == {
        "db": {"condition": "service_started"},
        "a-sidecar": {"condition": "service_healthy"},
    }
    assert "15021" in made["a-sidecar"]["healthcheck"]["test"][-1]


def test_a_sidecar_has_four_capabilities_and_sees_one_token() -> None:
    sidecar = injected(labels={"mesh.service-account": "alice"})["a-sidecar"]
    assert sidecar["cap_drop"] == ["ALL"]
    assert sidecar["cap_add"] == ["NET_ADMIN", "SETUID", "SETGID", "KILL"]
    assert sidecar["volumes"] == ["mesh-identity-default-alice:/run/secrets/mesh:ro"]
    assert "privileged" not in sidecar


def test_the_sidecar_says_what_the_labels_say() -> None:
    words = " ".join(injected(labels=HTTP | {"version": "v1"})["a-sidecar"]["command"])
    assert "--service a --port http:80:80" in words
    assert "--labels version=v1" in words
    assert "--inbound-ports 80 --" in words


def test_annotations_reach_the_entry() -> None:
    labels = {"traffic.sidecar.istio.io/excludeInboundPorts": "22"}
    assert "--exclude-inbound-ports 22" in " ".join(injected(labels=labels)["a-sidecar"]["command"])


def test_the_control_plane_is_on_every_network_of_the_mesh() -> None:
    made = result({"networks": ["front"]}, b={"image": "b:1", "networks": ["back"]}).document["services"]
    assert set(made["istiod"]["networks"]) == {"front", "back"}


def test_references_to_a_services_network_mean_its_pods() -> None:
    made = result({}, b={"image": "b", "network_mode": "service:a"}, c={"image": "c", "links": ["a:x", "a"]})
    services = made.document["services"]
    assert services["b"]["network_mode"] == "service:a-pod"
    assert services["c-pod"]["links"] == ["a-pod:x", "a-pod:a"]


@pytest.mark.parametrize(
    ("service", "complaint"),
    [
        ({"labels": {"mesh.port": "80"}}, "services.a.labels.mesh.port"),
        ({"labels": {"traffic.sidecar.istio.io/x": "1"}}, "no such annotation"),
        ({"deploy": {"replicas": 2}}, "cannot be scaled"),
        ({"scale": 3}, "cannot be scaled"),
        ({"user": "1337"}, "the sidecar's"),
        ({"extends": {"service": "b"}}, "resolve it first"),
        ({"labels": {"mesh-labs.part": "app"}}, "sidecars already"),
        ({"network_mode": "host"}, "no service to inject"),
        ({"labels": 3}, "expected a mapping or a list"),
    ],
)
def test_what_cannot_be_injected_is_refused_by_name(service: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InjectError, match=complaint):
        result(service)


@pytest.mark.parametrize("name", ["a-pod", "a-sidecar", "istiod", "mesh-identities"])
def test_names_the_mesh_needs_must_be_free(name: str) -> None:
    with pytest.raises(InjectError, match=f"services.{name}: the name is needed"):
        result({}, **{name: {"image": "x"}})


@pytest.mark.parametrize("document", [{}, {"services": {}}, {"services": []}])
def test_a_file_without_services_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InjectError, match="mapping `services`"):
        inject(document, Options("mesh:1"))


def test_an_injected_file_is_not_injected_again() -> None:
    with pytest.raises(InjectError, match="sidecars already"):
        inject(result({}).document, Options("mesh:1"))


def test_a_gateway_is_its_proxy_alone_and_what_is_outside_is_left_alone() -> None:
    document = read(GATEWAY.read_text(), GATEWAY.parent)
    document["services"]["ingress"]["ports"] = ["8443:8443"]
    made = inject(document, Options("i"))
    services = made.document["services"]
    assert services["ingress-pod"]["ports"] == ["8443:8443"]
    assert services["ingress-sidecar"]["user"] == "1337:1337"
    assert "ingress" not in services
    assert made.left_alone == dict.fromkeys(("api.example", "bank.example"), "label mesh.type: outside")
