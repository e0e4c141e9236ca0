from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509

from mesh.model.node import Node
from mesh.model.tls import Secrets
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.bootstrap import Bootstrap

DEADLINE_S = 20.0


@asynccontextmanager
async def started(manager: SecretManager) -> AsyncIterator[SecretManager]:
    await asyncio.wait_for(manager.start(), DEADLINE_S)
    try:
        yield manager
    finally:
        await manager.stop()


def next_secrets(manager: SecretManager) -> asyncio.Future[Secrets]:
    """Completed by the next certificate."""
    coming: asyncio.Future[Secrets] = asyncio.get_running_loop().create_future()

    def take(secrets: Secrets) -> None:
        unsubscribe()
        coming.set_result(secrets)

    unsubscribe = manager.subscribe(take)
    return coming


def serial(secrets: Secrets) -> int:
    return x509.load_pem_x509_certificate(secrets.certificate.chain_pem).serial_number


def tls_context(purpose: int, secrets: Secrets, directory: Path) -> ssl.SSLContext:
    """A TLS side that shows its certificate and demands the peer's."""
    file = directory / f"{serial(secrets)}.pem"
    file.write_bytes(secrets.certificate.key_pem + secrets.certificate.chain_pem)
    context = ssl.SSLContext(purpose)
    context.load_cert_chain(file)
    context.load_verify_locations(cadata=secrets.roots_pem.decode())
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[Any, Any]:
    """A whole handshake in memory; answers the certificates that client and server saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server, server_side=False),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return sides[0].getpeercert(), sides[1].getpeercert()


async def test_two_workloads_verify_each_other(
    node: Node,
    bootstrap: Bootstrap,
    as_account: Callable[[str], tuple[Node, Bootstrap]],
    tmp_path: Path,
) -> None:
    async with (
        started(SecretManager(node, bootstrap)) as reviews,
        started(SecretManager(*as_account("bookinfo-ratings"))) as ratings,
    ):
        seen_by_client, seen_by_server = shake_hands(
            tls_context(ssl.PROTOCOL_TLS_CLIENT, reviews.current, tmp_path),
            tls_context(ssl.PROTOCOL_TLS_SERVER, ratings.current, tmp_path),
        )
    assert seen_by_client["subjectAltName"] == (("URI", str(ratings.identity)),)
    assert seen_by_server["subjectAltName"] == (("URI", str(reviews.identity)),)


def files_with(content: bytes, directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and content in path.read_bytes()]


async def test_the_key_is_never_on_disk(node: Node, bootstrap: Bootstrap, tmp_path: Path) -> None:
    async with started(SecretManager(node, bootstrap)) as manager:
        key = manager.current.certificate.key_pem
        assert not files_with(key, tmp_path)
        assert key.decode() not in repr(manager.current)


async def test_asks_for_the_configured_life(node: Node, bootstrap: Bootstrap) -> None:
    async with started(SecretManager(node, replace(bootstrap, secret_ttl_s=600))) as manager:
        leaf = x509.load_pem_x509_certificate(manager.current.certificate.chain_pem)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(seconds=600 + 120)


async def test_renews_with_a_new_key_when_half_of_the_life_is_gone(
    node: Node, bootstrap: Bootstrap, clock: Any
) -> None:
    async with started(SecretManager(node, bootstrap, now=clock.now, sleep=clock.sleep)) as manager:
        first = manager.current
        await clock.until_asleep()
        clock.advance(0.48 * 86400)
        await clock.until_asleep()  # woke, found it too early, sleeps again
        assert manager.current is first
        coming = next_secrets(manager)
        clock.advance(0.04 * 86400)
        second = await asyncio.wait_for(coming, DEADLINE_S)
    assert manager.current is second
    assert serial(second) != serial(first)
    assert second.certificate.key_pem != first.certificate.key_pem


async def test_a_clock_that_was_set_forward_is_noticed_within_a_minute(
    node: Node, bootstrap: Bootstrap, clock: Any
) -> None:
    async with started(SecretManager(node, bootstrap, now=clock.now, sleep=clock.sleep)):
        assert await clock.until_asleep() <= 60


async def test_keeps_the_certificate_while_the_control_plane_is_away_and_renews_when_it_is_back(
    control_plane: Any, node: Node, bootstrap: Bootstrap, clock: Any
) -> None:
    async with started(SecretManager(node, bootstrap, now=clock.now, sleep=clock.sleep)) as manager:
        first = manager.current
        await clock.until_asleep()
        await control_plane.stop()
        clock.advance(0.6 * 86400)
        for _ in range(3):  # failed tries, each followed by a pause of at most a second
            assert await clock.until_asleep() <= 1
            assert manager.current is first
            clock.advance(1)
        await control_plane.start()
        coming = next_secrets(manager)
        await clock.advance_until(coming)
    assert serial(manager.current) != serial(first)


async def test_waits_for_a_control_plane_that_starts_later(
    control_plane: Any, node: Node, bootstrap: Bootstrap, clock: Any
) -> None:
    await control_plane.stop()
    manager = SecretManager(node, bootstrap, now=clock.now, sleep=clock.sleep)
    starting = asyncio.create_task(manager.start())
    await clock.until_asleep()
    assert not manager.has_secrets
    with pytest.raises(RuntimeError, match=r"no certificate for spiffe://.*/sa/bookinfo-reviews yet"):
        _ = manager.current
    await control_plane.start()
    await clock.advance_until(starting)
    assert manager.has_secrets
    await manager.stop()


def token_for_another_audience(data_dir: Path) -> str:
    claims = {"aud": "vault", "sub": "system:serviceaccount:default:bookinfo-reviews", "exp": 4_000_000_000}
    return jwt.encode(claims, (data_dir / "citadel/token-key").read_bytes(), "HS256")


@pytest.mark.parametrize("trouble", ["expired", "audience", "account", "missing"])
async def test_a_bad_token_gets_nothing_until_it_is_replaced(
    control_plane: Any, node: Node, bootstrap: Bootstrap, clock: Any, trouble: str, caplog: Any
) -> None:
    tokens = control_plane.tokens
    match trouble:
        case "expired":
            token, reason = tokens.issue("default", "bookinfo-reviews", timedelta(seconds=-1)), "has expired"
        case "audience":
            token, reason = token_for_another_audience(control_plane.data_dir), "not meant for istio-ca"
        case "account":
            token, reason = tokens.issue("default", "bookinfo-ratings"), "PERMISSION_DENIED"
        case _:
            token, reason = None, "No such file"
    bootstrap.token_file.unlink()
    if token:
        bootstrap.token_file.write_text(token)
    manager = SecretManager(node, bootstrap, now=clock.now, sleep=clock.sleep)
    with caplog.at_level(logging.WARNING):
        starting = asyncio.create_task(manager.start())
        for _ in range(3):
            await clock.until_asleep()
            clock.advance(1)
    assert not manager.has_secrets
    complaints = [record.message for record in caplog.records if "no certificate" in record.message]
    assert len(complaints) == 1, "said once, not at each try"
    assert reason in complaints[0]
    bootstrap.token_file.write_text(tokens.issue("default", "bookinfo-reviews"))
    await clock.advance_until(starting)
    assert manager.has_secrets
    await manager.stop()


async def test_one_users_failure_does_not_keep_the_others_from_the_new_certificate(
    node: Node, bootstrap: Bootstrap, clock: Any, caplog: Any
) -> None:
    def fail(_secrets: Secrets) -> None:
        raise ValueError("no")

    manager = SecretManager(node, bootstrap, now=clock.now, sleep=clock.sleep)
    manager.subscribe(fail)
    coming = next_secrets(manager)
    async with started(manager):
        assert await asyncio.wait_for(coming, DEADLINE_S) is manager.current
    assert "failed to take the new one" in caplog.text
