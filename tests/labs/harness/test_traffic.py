from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from labs.harness import traffic
from labs.harness.history import Exchange
from labs.harness.traffic import Agent, Plan

AGENTS = (Agent("Mozilla/5.0 (iPhone; a=b)", 3), Agent("curl", 1))


@pytest.fixture
async def url(unused_tcp_port: int) -> AsyncIterator[str]:
    """A server that names a version, and fails on every tenth request."""
    seen = Counter[str]()

    async def answer(request: web.Request) -> web.Response:
        seen["all"] += 1
        if seen["all"] % 10 == 0:
            return web.Response(status=503)
        return web.Response(text="Reviews served by: reviews-v2-0")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    yield f"http://127.0.0.1:{unused_tcp_port}/"
    await runner.cleanup()


def test_equal_seeds_make_equal_requests_and_others_do_not() -> None:
    one, again, other = (Plan("http://a/", 50, seed, agents=AGENTS) for seed in (1, 1, 2))
    assert list(traffic.calls(one)) == list(traffic.calls(again))
    assert list(traffic.calls(one)) != list(traffic.calls(other))


def test_request_ids_are_unique_and_agents_keep_their_shares() -> None:
    """Of 1000 at 3:1, fewer than 650 has probability below 1e-11."""
    made = list(traffic.calls(Plan("http://a/", 1000, 3, agents=AGENTS)))
    assert len({call.request_id for call in made}) == 1000
    assert 650 < sum(call.user_agent == AGENTS[0].name for call in made) < 850


def test_a_plan_survives_its_command_line() -> None:
    plan = Plan("http://a/", 5, 6, concurrency=2, agents=AGENTS, rate=30.0)
    assert traffic.parse(plan.argv()[3:]) == plan
    assert traffic.parse(["--url", "u", "--count", "1", "--seed", "1"]) == Plan("u", 1, 1)


def test_a_tally_counts_answers_and_failures() -> None:
    good = [Exchange("i", 0, 0, 200, "curl", version) for version in ("v2", "v1", "v1", "")]
    bad = Exchange("i", 0, 0, 503, "curl", "")
    assert traffic.tally(good) == "unknown 1, v1 2, v2 1"
    assert traffic.tally([bad]) == "failed 1"


async def test_every_request_is_recorded_with_its_version_or_its_failure(url: str) -> None:
    history: list[Exchange] = []
    await traffic.send(Plan(url, 40, 1, agents=AGENTS), history.append)
    assert len({exchange.request_id for exchange in history}) == 40
    assert Counter(exchange.status for exchange in history) == {200: 36, 503: 4}
    assert {exchange.served for exchange in history if exchange.ok} == {"v2"}
    assert all(0 < exchange.t_start <= exchange.t_end for exchange in history)


async def test_a_refused_connection_is_a_record_not_an_exception(unused_tcp_port: int) -> None:
    history: list[Exchange] = []
    await traffic.send(Plan(f"http://127.0.0.1:{unused_tcp_port}/", 3, 1), history.append)
    assert [exchange.status for exchange in history] == [0, 0, 0]
    assert all("Connect" in exchange.error for exchange in history)
