"""The labs' load: a closed loop of N requests, run inside the client pod, its history on standard output.

    python -m labs.harness.traffic --url http://productpage:9080/productpage --count 400 --seed 1
        --agent 'curl/8.5=3' --agent 'Mozilla/5.0 (iPhone; ...)=1'
    ... --tally                        only the counts: "v1 95, v2 5"

Everything random comes from the seed: the user agent of each request, and its x-request-id, by which the
client's view, the applications' logs and mixer's access logs are matched. Who answers is the mesh's choice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import aiohttp

from labs.harness.history import Exchange, count_served, failures

TIMEOUT_S = 10.0  # of one request
SERVED_BY = r"reviews-(v\d+)"  # the pod's name in bookinfo's answers, page and JSON alike


@dataclass(frozen=True, slots=True)
class Agent:
    """A user agent and its share of the requests, relative to the others'."""

    name: str
    share: int = 1


ANYBODY = (Agent("mesh-labs/1"),)
PAGE = "http://productpage:9080/productpage"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. ``rate`` is requests a second over all workers; None = as fast as answers come."""

    url: str
    count: int
    seed: int
    concurrency: int = 8
    agents: tuple[Agent, ...] = ANYBODY
    served_by: str = SERVED_BY
    rate: float | None = None

    def argv(self) -> list[str]:
        """The command line that runs this plan."""
        words = ["python", "-m", "labs.harness.traffic", "--url", self.url, "--count", str(self.count)]
        words += ["--seed", str(self.seed), "--concurrency", str(self.concurrency)]
        words += ["--served-by", self.served_by]
        for agent in self.agents:
            words += ["--agent", f"{agent.name}={agent.share}"]
        if self.rate is not None:
            words += ["--rate", str(self.rate)]
        return words


@dataclass(frozen=True, slots=True)
class Call:
    """One request to be made: pure result of the plan, equal for equal seeds."""

    request_id: str
    user_agent: str


def calls(plan: Plan) -> Iterator[Call]:
    """The plan's requests in order."""
    rng = random.Random(plan.seed)
    names = [agent.name for agent in plan.agents]
    shares = [agent.share for agent in plan.agents]
    for _ in range(plan.count):
        request_id = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        yield Call(request_id, rng.choices(names, shares)[0])


async def send(plan: Plan, record: Callable[[Exchange], None]) -> None:
    """Make every request of the plan; ``record`` gets each exchange as it ends."""
    pending = calls(plan)
    served_by = re.compile(plan.served_by)
    proxy = os.environ.get("HTTP_PROXY") or None
    pace = Pace(plan.rate)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=3600.0)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def worker() -> None:
            for call in pending:
                await pace.turn()
                record(await exchange(session, plan.url, call, served_by, proxy))

        await asyncio.gather(*(worker() for _ in range(plan.concurrency)))


class Pace:
    """Hands out moments ``1 / rate`` seconds apart."""

    def __init__(self, rate: float | None) -> None:
        self._gap_s = 0.0 if rate is None else 1.0 / rate
        self._next = time.monotonic()

    async def turn(self) -> None:
        if self._gap_s:
            moment, self._next = self._next, self._next + self._gap_s
            await asyncio.sleep(max(0.0, moment - time.monotonic()))


async def exchange(
    session: aiohttp.ClientSession, url: str, call: Call, served_by: re.Pattern[str], proxy: str | None
) -> Exchange:
    """One request, and what came of it; never raises for what the network did."""
    headers = {"x-request-id": call.request_id, "user-agent": call.user_agent}
    status, served, error = 0, "", ""
    start = time.time()
    try:
        async with session.get(url, headers=headers, proxy=proxy) as response:
            status = response.status
            found = served_by.search(await response.text())
            served = found[1] if found else ""
    except (aiohttp.ClientError, TimeoutError) as failure:
        error = f"{type(failure).__name__}: {failure}"
    return Exchange(call.request_id, start, time.time(), status, call.user_agent, served, url, error)


def parse_agent(text: str) -> Agent:
    """``name=share``; the share is 1 when absent."""
    name, _, share = text.rpartition("=")
    return Agent(name, int(share)) if name and share.isdigit() else Agent(text)


def parse(argv: Sequence[str]) -> Plan:
    parser = argparse.ArgumentParser(
        prog="traffic",
        description=(__doc__ or "").partition("\n")[0],
        epilog="With --tally: one line with the counts instead of the history.",
    )
    parser.add_argument("--url", default=PAGE, help=f"default: bookinfo's front page, {PAGE}")
    parser.add_argument("--count", type=int, required=True, help="how many requests")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds make equal requests")
    parser.add_argument("--concurrency", type=int, default=8, help="requests in flight")
    parser.add_argument("--agent", type=parse_agent, action="append", help="user agent[=share]")
    parser.add_argument("--served-by", default=SERVED_BY, help="regex; group 1 = version, in the body")
    parser.add_argument("--rate", type=float, help="requests a second; default: as fast as answers come")
    known = parser.parse_args(argv)
    agents = tuple(known.agent) if known.agent else ANYBODY
    return Plan(known.url, known.count, known.seed, known.concurrency, agents, known.served_by, known.rate)


def tally(history: Sequence[Exchange]) -> str:
    """Answers by version, and failures, on one line: ``v1 95, v2 5``."""
    served = [f"{version or 'unknown'} {count}" for version, count in sorted(count_served(history).items())]
    failed = len(failures(history))
    return ", ".join(served + [f"failed {failed}"] * bool(failed))


def main() -> None:
    words = sys.argv[1:]
    if "--tally" in words:
        words.remove("--tally")
        history: list[Exchange] = []
        asyncio.run(send(parse(words), history.append))
        print(tally(history))
    else:
        asyncio.run(send(parse(words), lambda done: print(done.to_json(), flush=True)))


if __name__ == "__main__":
    main()
