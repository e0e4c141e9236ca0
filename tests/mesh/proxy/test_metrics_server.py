"""The four ports, over real sockets on an address of their own."""

from __future__ import annotations

import http.client
import os
from asyncio import to_thread
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mesh.proxy.metrics_server import SidecarPorts, open_address

if TYPE_CHECKING:
    from tests.mesh.conftest import SidecarView

ADDRESS = f"127.63.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF or 1}"


def ask(port: int, method: str, path: str) -> int:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


@pytest.fixture
def local_view(view: SidecarView) -> SidecarView:
    view.node = replace(view.node, address=ADDRESS, admin_address=ADDRESS)
    return view


async def test_each_port_serves_its_own_paths(local_view: SidecarView) -> None:
    ports = SidecarPorts(local_view)
    await ports.start()
    try:
        answers = {
            question: await to_thread(ask, *question)
            for question in (
                (15000, "GET", "/server_info"),
                (15020, "GET", "/stats/prometheus"),
                (15020, "GET", "/healthz/ready"),
                (15020, "GET", "/quitquitquit"),
                (15021, "GET", "/healthz/ready"),
                (15090, "GET", "/stats/prometheus"),
            )
        }
        others = [
            await to_thread(ask, *question)
            for question in (
                (15090, "POST", "/quitquitquit"),
                (15021, "GET", "/stats"),
                (15020, "GET", "/clusters"),
            )
        ]
        assert local_view.asked == []
        assert await to_thread(ask, 15020, "POST", "/quitquitquit") == 200
    finally:
        await ports.stop()
    assert answers.pop((15020, "GET", "/quitquitquit")) == 400
    assert set(answers.values()) == {200}
    assert others == [404, 404, 404]
    assert local_view.asked == ["quit"]


async def test_a_port_that_is_taken_leaves_none_open(local_view: SidecarView) -> None:
    first, second = SidecarPorts(local_view), SidecarPorts(local_view)
    await first.start()
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await first.stop()
    await second.start()
    await second.stop()


def test_probes_come_from_outside_of_a_pod_and_to_the_address_of_a_process(view: SidecarView) -> None:
    assert open_address(replace(view.node, interception="REDIRECT")) == "0.0.0.0"
    assert open_address(replace(view.node, interception="NONE", address="127.64.1.2")) == "127.64.1.2"
