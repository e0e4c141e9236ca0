from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from mesh.citadel import istio_ca
from mesh.citadel.ca import CertificateAuthority
from mesh.model.node import Node
from mesh.proxy.agent.control_plane import open_channel
from mesh.proxy.agent.csr import new_key, signing_request
from mesh.proxy.bootstrap import Bootstrap


async def ask(channel: grpc.aio.Channel, node: Node) -> Any:
    request = istio_ca.IstioCertificateRequest(csr=signing_request(new_key(), node.spiffe_id))
    return await istio_ca.create_certificate(channel)(request, timeout=5)


async def test_carries_the_token_that_is_in_the_file_now(
    control_plane: Any, bootstrap: Bootstrap, node: Node
) -> None:
    good = bootstrap.token_file.read_text()
    async with open_channel(bootstrap) as channel:
        bootstrap.token_file.write_text("stale")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(channel, node)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        bootstrap.token_file.write_text(good)
        assert len((await ask(channel, node)).cert_chain) == 2


async def test_a_token_that_cannot_be_read_fails_the_call(bootstrap: Bootstrap, node: Node) -> None:
    bootstrap.token_file.unlink()
    async with open_channel(bootstrap) as channel:
        with pytest.raises(FileNotFoundError):
            await ask(channel, node)


async def test_does_not_speak_to_a_control_plane_of_another_root(
    bootstrap: Bootstrap, node: Node, tmp_path: Path
) -> None:
    CertificateAuthority.open(tmp_path / "stranger")
    stranger = replace(bootstrap, root_cert=tmp_path / "stranger/citadel/root-cert.pem")
    async with open_channel(stranger) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(channel, node)
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "CERTIFICATE_VERIFY_FAILED" in refused.value.details()


async def test_does_not_go_through_the_applications_proxy(
    bootstrap: Bootstrap, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_channel(bootstrap) as channel:
        await ask(channel, node)
