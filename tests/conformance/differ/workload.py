"""The workload whose sidecars are compared: its identity."""

from __future__ import annotations

from pathlib import Path

from differ.pair import NODE
from mesh.citadel.ca import CertificateAuthority
from mesh.model.tls import Secrets
from mesh.proxy.agent.csr import key_pem, new_key, signing_request
from mesh.proxy.agent.issued import read_chain


def secrets(directory: Path) -> Secrets:
    """One workload's: both sidecars of a pair, and both proxies, show the same certificate."""
    authority = CertificateAuthority.open(directory / "citadel")
    key = new_key()
    leaf = authority.sign(signing_request(key, NODE.spiffe_id), NODE.spiffe_id)
    return read_chain([leaf, authority.root_pem.decode()], key_pem(key), NODE.spiffe_id)[0]
