"""The access log file: Istio's default text line for each request, written in batches.

``write`` formats and buffers; a batch goes to the file when it is big or old enough, in a worker thread, so
that a full pipe or a slow disk never stalls traffic. Bounds: what cannot be written in time is dropped beyond
``MAX_BUFFER`` bytes, and counted. No value can end the line or leave its quotes: see ``format_line``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
import time
from collections.abc import Iterable, Iterator

from mesh.model.access_log_entry import AccessLogEntry
from mesh.proxy.stats import Counter, Stats

FLUSH_BYTES = 64 * 1024  # Envoy's access log buffer
FLUSH_INTERVAL_S = 0.5  # Envoy's is 10 s; who watches a lab does not want to wait for it
MAX_BUFFER = 4 * 1024 * 1024
DROPPED = "access_logs.file.logs_dropped"

_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}

# bytes that no value may bring into a line: quotes, backslashes, controls, and all beyond ASCII (among them
# the line separators of Unicode)
_SPECIAL = bytes(byte for byte in range(256) if not 0x20 <= byte < 0x7F or byte in b'"\\')
_OWN_SPECIAL = 14 + 1  # of a line whose values bring none: its quotes and its newline

_MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))
_seconds: dict[int, str] = {}  # the texts of the last seconds: most lines share one with the line before

_log = logging.getLogger("mesh.proxy.access_log")


def format_line(entry: AccessLogEntry) -> bytes:
    """One line with its newline. Values that could break out of their place are escaped as in Python's
    source.

    The common line is built once, and looked through once.
    """
    line = _line(entry)
    if len(line) - len(line.translate(None, _SPECIAL)) == _OWN_SPECIAL:
        return line
    return _line(_escaped(entry))


def _second(second: int) -> str:
    if len(_seconds) > 60:
        _seconds.clear()
    text = _seconds[second] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    return text


def _line(e: AccessLogEntry) -> bytes:
    service_time = "-" if e.upstream_service_time_s is None else int(e.upstream_service_time_s * 1000)
    details = e.response_code_details or "-"
    server_name = e.requested_server_name or "-"
    if " " in details or " " in server_name:  # Envoy does the same; these have no quotes around them
        details, server_name = details.replace(" ", "_"), server_name.replace(" ", "_")
    second = int(e.start_time)
    fraction = _MILLISECONDS[int((e.start_time - second) * 1000)]
    return (
        f'[{_seconds.get(second) or _second(second)}{fraction}] "{e.method or "-"} {e.path or "-"} '
        f'{e.protocol or "-"}" {e.response_code} {e.response_flags or "-"} {details} '
        f'{e.connection_termination_details or "-"} "{e.upstream_transport_failure_reason or "-"}" '
        f"{e.bytes_received} {e.bytes_sent} {int(e.duration_s * 1000)} {service_time} "
        f'"{e.forwarded_for or "-"}" "{e.user_agent or "-"}" "{e.request_id or "-"}" "{e.authority or "-"}" '
        f'"{e.upstream_host or "-"}" {e.upstream_cluster or "-"} {e.upstream_local_address or "-"} '
        f"{e.downstream_local_address or '-'} {e.downstream_remote_address or '-'} "
        f"{server_name} {e.route_name or '-'}\n"
    ).encode("utf-8", "backslashreplace")


_TEXTS = (
    "method", "path", "protocol", "response_code_details", "connection_termination_details",
    "upstream_transport_failure_reason", "forwarded_for", "user_agent", "request_id", "authority",
    "upstream_cluster", "requested_server_name", "route_name",
)  # fmt: skip


def _escaped(entry: AccessLogEntry) -> AccessLogEntry:
    from dataclasses import replace  # only for the request that needs it

    values: dict[str, str] = {name: getattr(entry, name) for name in _TEXTS}
    clean = {name: _escape(value) for name, value in values.items()}
    return replace(entry, **clean)  # type: ignore[arg-type]


def _escape(value: str) -> str:
    return value.encode("unicode_escape").decode("ascii").replace('"', "\\x22")


def pieces(lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """Whole lines, together at most ``most`` bytes; a longer one alone."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        if piece and size + len(line) > most:
            yield b"".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield b"".join(piece)


class AccessLogFile:
    """A log at ``path`` (/dev/stdout and /dev/stderr are this process's own). Raises OSError if it cannot
    open.
    """

    def __init__(self, path: str, stats: Stats | None = None) -> None:
        self.dropped: Counter = (stats or Stats()).counter(DROPPED)
        # the standard streams may be pipes of another user, which only their descriptors can reach
        self._owned = path not in _STANDARD
        self._fd = (
            os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if self._owned
            else _STANDARD[path]
        )
        # other workers write into the same pipe: POSIX keeps only so much together, of a file all
        is_pipe = stat.S_ISFIFO(os.fstat(self._fd).st_mode)
        self._most_at_once = select.PIPE_BUF if is_pipe else MAX_BUFFER
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None

    def write(self, entry: AccessLogEntry) -> None:
        """Buffer one line. Call it from the event loop."""
        line = format_line(entry)
        if self._size > MAX_BUFFER:
            self.dropped.value += 1
            return
        self._lines.append(line)
        self._size += len(line)
        self._schedule()

    async def close(self) -> None:
        """Write what is left, then close."""
        while self._lines or self._writing is not None:
            self._flush()
            if self._writing is not None:
                await asyncio.wait([self._writing])
        if self._timer is not None:
            self._timer.cancel()
        if self._owned:
            os.close(self._fd)

    def _schedule(self) -> None:
        if self._writing is not None or not self._lines:
            return  # when the write is done it asks again
        if self._size >= FLUSH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None or not self._lines:
            return
        lines, self._lines, self._size = self._lines, [], 0
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, lines)
        self._writing.add_done_callback(self._written)

    def _written(self, done: asyncio.Future[None]) -> None:
        self._writing = None
        self._schedule()

    def _write(self, lines: list[bytes]) -> None:
        """In a thread of its own."""
        try:
            for piece in pieces(lines, self._most_at_once):
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            _log.warning("%d lines of the access log are lost: %s", len(lines), error)
            self.dropped.value += len(lines)
