"""Each area's file names its ``AREA``; both proxies are started once for it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

sys.path.insert(0, str(Path(__file__).parent))  # the harness, for the files of cases beside it

from differ.intended import KNOWN
from differ.pair import Pair, start_pair

from mesh.proxy.agent.envoy_binary import NoEnvoyError, find_envoy


def pytest_asyncio_loop_factories(config: object, item: object) -> dict[str, Callable[[], object]]:
    """The loop that production runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    try:
        find_envoy()
    except NoEnvoyError as missing:
        pytest.skip(str(missing))
    area, names = request.module.AREA, [case.name for case in request.module.CASES]
    assert len(names) == len(set(names)), f"{area.name}: two cases have one name"
    unknown = {name for listed, name in KNOWN if listed == area.name} - set(names)
    assert not unknown, f"{area.name}: the tables of differences name cases that are not there: {unknown}"
    async with start_pair(area, tmp_path_factory.mktemp(area.name)) as made:
        yield made
