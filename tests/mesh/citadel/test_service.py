from __future__ import annotations

from datetime import timedelta
from typing import Any

import grpc
import pytest
from cryptography import x509

from mesh.citadel import istio_ca
from mesh.model.identity import SpiffeId
from mesh.proxy.agent.csr import key_pem, new_key, signing_request
from mesh.proxy.agent.issued import read_chain

REVIEWS = SpiffeId("default", "bookinfo-reviews")
RATINGS = SpiffeId("default", "bookinfo-ratings")


async def ask(citadel: Any, asked: SpiffeId, validity_s: int = 3600, key: Any = None) -> list[str]:
    """CreateCertificate as the reviews workload."""
    token = citadel.tokens.issue("default", "bookinfo-reviews")
    request = istio_ca.IstioCertificateRequest(
        csr=signing_request(key or new_key(), asked), validity_duration=validity_s
    )
    async with citadel.channel() as channel:
        create = channel.unary_unary(
            f"/{istio_ca.SERVICE}/{istio_ca.METHOD}",
            request_serializer=istio_ca.IstioCertificateRequest.SerializeToString,
            response_deserializer=istio_ca.IstioCertificateResponse.FromString,
        )
        answer = await create(request, metadata=(("authorization", f"Bearer {token}"),), timeout=5)
    return list(answer.cert_chain)


async def test_answers_leaf_and_root(citadel: Any) -> None:
    key = new_key()
    chain = await ask(citadel, REVIEWS, key=key)
    secrets, _expires = read_chain(chain, key_pem(key), REVIEWS)
    assert secrets.roots_pem == citadel.ca.root_pem


async def test_grants_the_life_asked_for(citadel: Any) -> None:
    leaf = x509.load_pem_x509_certificate((await ask(citadel, REVIEWS, validity_s=60))[0].encode())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(seconds=60 + 120)


async def test_grants_a_day_when_no_life_is_asked_for(citadel: Any) -> None:
    leaf = x509.load_pem_x509_certificate((await ask(citadel, REVIEWS, validity_s=0))[0].encode())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=24, minutes=2)


async def test_denies_the_identity_of_another(citadel: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as denied:
        await ask(citadel, RATINGS)
    assert denied.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert f"asks for {RATINGS}, but its sender is {REVIEWS}" in denied.value.details()


@pytest.mark.parametrize("validity_s", [-5, 91 * 86400, 2**62])
async def test_refuses_an_absurd_life(citadel: Any, validity_s: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(citadel, REVIEWS, validity_s=validity_s)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_counts_under_istios_names(citadel: Any) -> None:
    await ask(citadel, REVIEWS)
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(citadel, RATINGS)
    value = citadel.registry.get_sample_value
    assert value("citadel_server_csr_count") == 2
    assert value("citadel_server_success_cert_issuance_count") == 1
    assert value("citadel_server_csr_parsing_err_count") == 1
    assert (
        value("citadel_server_root_cert_expiry_timestamp") == citadel.ca.root.not_valid_after_utc.timestamp()
    )
