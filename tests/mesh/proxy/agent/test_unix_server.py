from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Any

import grpc

from mesh.proxy.agent.unix_server import UnixServer, private_directory


def add_echo(server: grpc.aio.Server) -> None:
    async def echo(request: bytes, _context: Any) -> bytes:
        return request

    handlers = {"echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t", handlers),))


async def echoed(address: str) -> bytes:
    async with grpc.aio.insecure_channel(address) as channel:
        answer: bytes = await channel.unary_unary("/t/echo")(b"hello", timeout=5)
    return answer


async def test_only_its_owner_can_open_it(tmp_path: Path) -> None:
    directory = private_directory(tmp_path / "agent")
    server = UnixServer(directory, "a.sock", add_echo)
    await server.start()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert await echoed(f"unix:{server.path}") == b"hello"
    await server.stop()
    assert list(directory.iterdir()) == [], "the socket goes with its server"


def test_an_open_directory_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir(mode=0o755)
    assert stat.S_IMODE(private_directory(tmp_path / "agent").stat().st_mode) == 0o700


async def test_a_dead_agents_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "a.sock"))
    server = UnixServer(tmp_path, "a.sock", add_echo)
    await server.start()
    assert await echoed(f"unix:{server.path}") == b"hello"
    await server.stop()


async def test_the_directory_may_lie_deep(tmp_path: Path, monkeypatch: Any) -> None:
    """A socket's path has room for 107 bytes; ours is found by a relative one."""
    directory = tmp_path / ("d" * 120)
    directory.mkdir()
    server = UnixServer(directory, "a.sock", add_echo)
    await server.start()
    monkeypatch.chdir(directory)
    assert await echoed("unix:a.sock") == b"hello"
    await server.stop()
