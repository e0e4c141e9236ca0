"""A mixer behind a real gRPC server, and senders for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import pytest
from envoy.service.accesslog.v3 import als_pb2_grpc

from mesh.grpc.channel import Channel
from mesh.mixer.mixer import Mixer
from mesh.model.identity import SpiffeId


class MixerServer:
    """``caller`` stands for what citadel's interceptor would say."""

    def __init__(self, directory: Path) -> None:
        self.caller = SpiffeId("default", "bookinfo-productpage")
        self.mixer = Mixer.open(directory, caller=lambda: self.caller)
        self.directory = directory
        self.port = 0

    async def start(self) -> None:
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self.mixer.servicer, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")

    def value(self, name: str, labels: dict[str, str] | None = None) -> float | None:
        return self.mixer.registry.get_sample_value(name, labels or {})

    async def stop(self) -> None:
        await self._server.stop(None)
        self.mixer.close()


@pytest.fixture
async def mixer_server(tmp_path: Path) -> AsyncIterator[MixerServer]:
    made = MixerServer(tmp_path / "mixer")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def open_channel(mixer_server: MixerServer) -> Callable[[], Channel]:
    return lambda: Channel(("127.0.0.1", mixer_server.port))
