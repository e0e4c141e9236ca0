from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.citadel import istio_ca
from mesh.citadel.ca import CertificateAuthority
from mesh.grpc.channel import Channel
from mesh.grpc.status import UNAVAILABLE, RpcError
from mesh.model.node import Node
from mesh.proxy.agent.control_plane import open_channel
from mesh.proxy.agent.csr import new_key, signing_request
from mesh.proxy.agent.secrets import METHOD
from mesh.proxy.bootstrap import Bootstrap


async def ask(channel: Channel, node: Node) -> Any:
    request = istio_ca.IstioCertificateRequest(csr=signing_request(new_key(), node.spiffe_id))
    answer = await channel.unary(METHOD, request.SerializeToString(), timeout_s=5)
    return istio_ca.IstioCertificateResponse.FromString(answer)


async def test_carries_the_token_that_is_in_the_file_now(
    control_plane: Any, bootstrap: Bootstrap, node: Node
) -> None:
    good = bootstrap.token_file.read_text()
    async with open_channel(bootstrap) as channel:
        bootstrap.token_file.write_text("stale")
        with pytest.raises(RpcError) as refused:
            await ask(channel, node)
        assert refused.value.name == "UNAUTHENTICATED"
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
    with pytest.raises(RpcError, match="CERTIFICATE_VERIFY_FAILED") as refused:
        await open_channel(stranger).__aenter__()
    assert refused.value.code == UNAVAILABLE


async def test_does_not_go_through_the_applications_proxy(
    bootstrap: Bootstrap, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_channel(bootstrap) as channel:
        await ask(channel, node)
