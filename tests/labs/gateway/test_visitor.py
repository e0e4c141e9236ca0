"""The visitor tells what it saw, and why it saw nothing."""

from __future__ import annotations

import asyncio
import json

from labs.apps.vault import answer, server_context
from labs.gateway.inward import answered, refused
from labs.gateway.visitor import Seen, Visit, environment, pay, read
from labs.harness.authority import Authority


async def vault() -> asyncio.Server:
    return await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server_context("vault itself"))


async def test_each_answer_is_told_as_it_comes(capsys) -> None:
    async with await vault() as server:
        port = server.sockets[0].getsockname()[1]
        await pay(Visit("vault", "127.0.0.1", port, "vault.example", times=2))
    seen = [read(line) for line in capsys.readouterr().out.splitlines()]
    assert seen == [Seen("vault", 200, "vault itself", body="vault\n")] * 2
    assert answered("it answers", seen[0], shown="vault itself", says="vault").outcome == "pass"
    assert answered("it answers", seen[0], shown="another").outcome == "fail"
    assert answered("it answers", seen[0], shown="vault itself", says="shop").outcome == "fail"
    assert refused("it does not", seen[0]).outcome == "fail"


async def test_why_there_is_no_answer_is_told() -> None:
    async with await vault() as server:
        port = server.sockets[0].getsockname()[1]
        roots = Authority().root_pem.decode()
        (seen,) = await pay(Visit("vault", "127.0.0.1", port, "vault.example", roots=roots))
    assert "CERTIFICATE_VERIFY_FAILED" in seen.refused
    assert refused("it does not", seen).outcome == "pass"
    assert answered("it answers", seen).outcome == "fail"


def test_visits_travel_by_the_environment() -> None:
    one = Visit("a", "127.0.0.1", 1, "a.example")
    assert [Visit(**raw) for raw in json.loads(environment([one])["VISITS"])] == [one]
