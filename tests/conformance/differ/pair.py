"""Both proxies of an area, and one case run on both at the same time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from differ.case import Case, Do, get
from differ.client import PROBE_HOST, Client
from differ.engine import Engine
from differ.envoy import start_envoy
from differ.http2_client import Http2Client
from differ.intended import KNOWN
from differ.observation import Observation, differences, show
from differ.origin import BARRIER, HOST, Origin
from differ.ours import start_ours
from differ.resources import Area, Ports, resources
from differ.wire import Fields, read_head
from labs.harness.free_port import free_port
from mesh.model.node import Node

NODE = Node("client-v1-0", "default", HOST, "client", "client-v1", labels={"app": "client", "version": "v1"})
BARRIER_S = 5.0
_numbers = itertools.count()


class Pair:
    def __init__(self, area: Area, ours: Engine, envoy: Engine) -> None:
        self.area = area
        self.ours = ours
        self.envoy = envoy

    async def run(self, case: Case) -> tuple[Observation, Observation]:
        hops = 1 if self.area.barrier is None else 2
        ours, envoy = await asyncio.gather(observe(self.ours, case, hops), observe(self.envoy, case, hops))
        return ours, envoy

    async def check(self, case: Case) -> None:
        """Fails with what differs, unless it is meant to; and with any breach of what must always hold."""
        ours, envoy = await self.run(case)
        meant = KNOWN.get((self.area.name, case.name))
        refuse_smuggling(case, ours, envoy, may_forward=meant is not None and meant.may_forward)
        found = differences(ours.facts(NODE), envoy.facts(NODE))
        if meant is None:
            assert not found, f"{self.area.name}: {case.name} ({case.about})\n" + show(found)
        elif meant.answers is not None:
            answers = statuses(ours), statuses(envoy)
            assert answers == meant.answers, "the table of intended differences says otherwise"
            assert answers[0] != answers[1] or ours.heard.fate == envoy.heard.fate
        else:
            assert sorted(found) == sorted(meant.facts), "not as the table says:\n" + show(found)


def statuses(seen: Observation) -> tuple[int, ...]:
    return tuple(response.status for response in seen.heard.responses)


def refuse_smuggling(case: Case, ours: Observation, envoy: Observation, *, may_forward: bool) -> None:
    """What must hold whatever the case. ``may_forward``: that Envoy refuses it is no matter of safety."""
    assert not ours.garbage, f"the origin got what is no request: {ours.garbage}"
    assert not ours.heard.garbage, f"the client got what is no response: {ours.heard.garbage}"
    if not case.retried and ours.heard.fate != "left" and Do.HALF_CLOSE not in case.client:
        answered = case.streams if case.http2 else len(ours.heard.responses)
        forwarded = sum(each.complete for each in ours.requests)
        assert forwarded <= answered, (
            f"{forwarded} requests reached the origin, {answered} answers (or streams) the client"
        )
    refused = [400 <= response.status < 500 for response in envoy.heard.responses]
    refused += [code == "PROTOCOL_ERROR" for code in envoy.heard.resets.values()]
    if refused and all(refused) and not envoy.requests and not may_forward:
        # the head of what turns out to be malformed may have been sent on in HTTP/2
        whole = [each.start for each in ours.requests if each.complete or not case.http2]
        assert not whole, f"Envoy refuses it, we forwarded {whole}"


async def observe(engine: Engine, case: Case, hops: int = 1) -> Observation:
    """``hops``: how many listeners log what goes through the area's barrier."""
    origin = engine.origin
    origin.begin(case)
    begun = len(engine.entries)
    heard = await (Http2Client(case) if case.http2 else Client(case)).run(engine.port)
    if origin.speaks_http2:
        await _barrier(engine, hops)
        await origin.sync()
    origin.release()
    await _barrier(engine, hops)
    entries = [entry for entry in engine.entries[begun:] if entry.authority != PROBE_HOST]
    entries.sort(key=lambda entry: entry.reporter)  # of two listeners, either may be the first to log
    requests = origin.requests
    if case.http2:  # of two streams, either may be the first
        entries.sort(key=lambda entry: entry.path)
        requests = sorted(requests, key=lambda request: (request.start, _known(request.fields)))
    return Observation(heard, requests, origin.garbage, entries, origin.resets)


def _known(fields: Fields) -> Fields:
    return sorted(field for field in fields if field[0] != "x-request-id")


async def _barrier(engine: Engine, hops: int) -> None:
    """Until a request that came later is over and logged by each listener: then so are those before it.
    Each listener's entries are a stream of their own, and only a stream keeps their order.
    """
    path = f"{BARRIER}/{next(_numbers)}"
    reader, writer = await asyncio.open_connection(HOST, engine.port)
    writer.write(get(path, host=PROBE_HOST))
    async with asyncio.timeout(BARRIER_S):
        await read_head(reader)
        await engine.entries.until(path, hops)
    writer.close()


@asynccontextmanager
async def start_pair(area: Area, directory: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        refused = free_port()
        origins = Origin(), Origin()
        for origin in origins:
            await origin.start()
            stack.push_async_callback(origin.stop)
        ports = [
            Ports(free_port(), origin.port, refused, tuple(free_port() for _ in range(area.ports)))
            for origin in origins
        ]
        secrets = area.secrets(directory) if area.secrets is not None else None
        ours = await stack.enter_async_context(
            start_ours(NODE, resources(area, ports[0]), origins[0], ports[0].listener, secrets)
        )
        envoy = await stack.enter_async_context(
            start_envoy(
                *(NODE, resources(area, ports[1]), origins[1], ports[1].listener, directory, secrets),
                area.lingers_s,
            )
        )
        yield Pair(area, ours, envoy)
