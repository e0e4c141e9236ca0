"""The YAML under study, the certificates, and what each sabotage makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from labs.harness.authority import Authority
from mesh.model.tls import TlsCertificate

FOLDER = Path(__file__).parent / "mesh"
NAMESPACE = "istio-system"  # of the gateways, and so of their credentials

SABOTAGES: Mapping[str, str] = {
    "redirect": "plaintext is served instead of redirected: step b must fail",
    "mutual": "the staff's door asks nobody for a certificate: step c must fail",
    "passthrough": "the gateway opens the vault's TLS: step d must fail",
    "origination": "the gateway speaks plaintext to the bank: step g must fail",
    "egress": "the rule that leads out by the gateway is dropped: step f must fail",
}

Document = dict[str, Any]


def _no_redirect(document: Document) -> None:
    del document["spec"]["servers"][0]["tls"]


def _nobody_asked(document: Document) -> None:
    document["spec"]["servers"][2]["tls"]["mode"] = "SIMPLE"


def _opened(document: Document) -> None:
    server = document["spec"]["servers"][3]
    server["port"]["protocol"], server["tls"] = "HTTPS", {"mode": "SIMPLE", "credentialName": "shop"}


def _in_plaintext(document: Document) -> None:
    document["spec"]["trafficPolicy"]["portLevelSettings"][0]["tls"] = {"mode": "DISABLE"}


def _straight_out(document: Document) -> None:
    document["spec"]["http"][0]["route"] = document["spec"]["http"][1]["route"]


# sabotage -> (kind, name) -> what happens to the object
_SPOILT: Mapping[str, tuple[tuple[str, str], Callable[[Document], None]]] = {
    "redirect": (("Gateway", "front"), _no_redirect),
    "mutual": (("Gateway", "front"), _nobody_asked),
    "passthrough": (("Gateway", "front"), _opened),
    "origination": (("DestinationRule", "bank"), _in_plaintext),
    "egress": (("VirtualService", "api"), _straight_out),
}


def mesh_yaml(name: str, sabotage: str = "", **values: str) -> str:
    """A file of mesh/ as it is applied: unchanged, unless the sabotage is about it; API_ADDRESS and the
    like give way to ``values``."""
    text = (FOLDER / name).read_text()
    for word, value in values.items():
        text = text.replace(word, value)
    if sabotage not in _SPOILT:
        return text
    wanted, spoil = _SPOILT[sabotage]
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        if (document["kind"], document["metadata"]["name"]) == wanted:
            spoil(document)
    return yaml.safe_dump_all(documents, sort_keys=False)


def secret_yaml(name: str, certificate: TlsCertificate, roots: Authority | None = None) -> str:
    """A Secret for a gateway; ``roots``: whose certificates its clients must have."""
    parts = {"tls.crt": certificate.chain_pem.decode(), "tls.key": certificate.key_pem.decode()}
    if roots is not None:
        parts["ca.crt"] = roots.root_pem.decode()
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
    return yaml.safe_dump({**made, "stringData": parts}, sort_keys=False)
