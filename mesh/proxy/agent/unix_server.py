"""gRPC on a Unix socket that only this user can open."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import grpc

DIRECTORY_MODE = 0o700
SOCKET_MODE = 0o600


def private_directory(path: Path) -> Path:
    """Make a directory that nobody else can enter; answers its absolute path. Raises OSError."""
    path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    path.chmod(DIRECTORY_MODE)
    return path.resolve()


class UnixServer:
    """Serves on ``directory/name``; a socket left there by a dead agent is replaced.

    A socket's path must fit into 107 bytes (sun_path, unix(7)) and a run directory's may not: gRPC binds it,
    and removes it in the end, through a file descriptor of the directory.
    """

    def __init__(self, directory: Path, name: str, add_services: Callable[[grpc.aio.Server], None]) -> None:
        self.path = directory / name
        self._add_services = add_services
        self._server: grpc.aio.Server | None = None
        self._descriptor = -1

    async def start(self) -> None:
        """Raises OSError or RuntimeError when the socket cannot be made."""
        self._descriptor = os.open(self.path.parent, os.O_PATH | os.O_DIRECTORY)
        self._server = grpc.aio.server(
            options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
        )
        self._add_services(self._server)
        self._server.add_insecure_port(f"unix:/proc/self/fd/{self._descriptor}/{self.path.name}")
        await self._server.start()
        self.path.chmod(SOCKET_MODE)

    async def stop(self) -> None:
        """End all streams."""
        if self._server is not None:
            await self._server.stop(None)
            os.close(self._descriptor)
            self._server = None
