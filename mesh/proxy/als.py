"""The sidecar's sender to Envoy's access log service: ``add`` on the request path, all else off it.

Entries wait in a bounded buffer; one task encodes and streams them, a batch when ``batch_entries`` are
there or ``flush_interval_s`` has passed, and connects again when the stream breaks. When the buffer is
full (the control plane is away or slow) new entries are dropped and counted under Envoy's name for that.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from mesh.grpc.call import Call
from mesh.grpc.channel import Channel
from mesh.grpc.status import RpcError
from mesh.model.node import Node
from mesh.proxy.stats import Stats
from mesh.xds.codec.access_log_batch import STREAM_METHOD, stream_identifier

MAX_ENTRIES = 8192  # about 10 MB: 8 s at 1000 requests a second
ENTRY_BYTES = 512  # of a typical encoded entry; turns Envoy's buffer_size_bytes into a count
BACKOFF_S = (0.1, 1.0)
WRITTEN = "access_logs.grpc_access_log.logs_written"
DROPPED = "access_logs.grpc_access_log.logs_dropped"

_log = logging.getLogger("mesh.proxy.als")

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class Encoder(Protocol[E_contra]):
    def encode(self, entries: Iterable[E_contra], identifier: bytes = b"") -> bytes:
        """A serialised StreamAccessLogsMessage; ``identifier`` is for a stream's first."""


class AccessLogService(Generic[E]):
    """One stream of one log; ``open_channel`` is called for each connection, and must not block.

    Requests and connections are two logs, as they are in Envoy: ``encoder`` says which this one is.
    """

    def __init__(
        self,
        node: Node,
        open_channel: Callable[[], Channel],
        stats: Stats,
        encoder: Encoder[E],
        *,
        log_name: str = "mixer",
        flush_interval_s: float = 0.5,
        buffer_bytes: int = 16384,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self._node = node
        self._open_channel = open_channel
        self._written = stats.counter(WRITTEN)
        self._dropped = stats.counter(DROPPED)
        self._log_name = log_name
        self._flush_interval_s = flush_interval_s
        self._batch_entries = max(1, buffer_bytes // ENTRY_BYTES)
        self._max_entries = max_entries
        self._entries: deque[E] = deque()
        self._due = asyncio.Event()
        self._encoder = encoder
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def add(self, entry: E) -> None:
        """Take one entry; called at the end of each request, from the event loop."""
        waiting = len(self._entries)
        if waiting >= self._max_entries:
            self._dropped.value += 1
            return
        self._entries.append(entry)
        if waiting + 1 >= self._batch_entries:
            self._due.set()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="access-log-service")

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is buffered and end the stream in order; what cannot be sent in time counts as
        dropped.
        """
        if self._task is None:
            return
        self._stopping = True
        self._due.set()
        await asyncio.wait([self._task], timeout=timeout_s)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._dropped.value += len(self._entries)
        self._entries.clear()

    async def _run(self) -> None:
        backoff_s = BACKOFF_S[0]
        while not (self._stopping and not self._entries):
            if not self._entries:
                await self._wait()
                continue
            sent = self._written.value
            try:
                await self._stream()
            except (RpcError, OSError) as error:
                _log.info("the access log stream ended: %s", error)
            backoff_s = BACKOFF_S[0] if self._written.value > sent else min(backoff_s * 2, BACKOFF_S[1])
            if not self._stopping or self._entries:
                await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))

    async def _stream(self) -> None:
        """One connection: until it breaks, which raises, or all is sent after ``stop``."""
        async with self._open_channel() as channel:
            call = channel.call(STREAM_METHOD)
            identifier = stream_identifier(self._node, self._log_name)
            while True:
                while self._entries:
                    await self._send_batch(call, identifier)
                    identifier = b""
                if self._stopping:
                    break
                await self._wait()
            call.done_writing()
            await call.end()

    async def _send_batch(self, call: Call, identifier: bytes) -> None:
        batch = [self._entries.popleft() for _ in range(min(self._batch_entries, len(self._entries)))]
        try:
            await call.write(self._encoder.encode(batch, identifier))
        except BaseException:
            self._entries.extendleft(reversed(batch))  # the next connection's
            raise
        self._written.value += len(batch)

    async def _wait(self) -> None:
        """Until a batch is full, or the flush interval is over."""
        self._due.clear()
        if len(self._entries) >= self._batch_entries or self._stopping:
            return
        try:
            async with asyncio.timeout(self._flush_interval_s):
                await self._due.wait()
        except TimeoutError:
            pass
