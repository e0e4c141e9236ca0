"""The access log file: Istio's default text line for each request, written in batches.

``write`` buffers; a batch goes to the file when it is big or old enough, in a worker thread, so that a full
pipe or a slow disk never stalls traffic. Bounds: what cannot be written in time is dropped beyond
``MAX_BUFFER`` bytes, and counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
from collections.abc import Iterable, Iterator

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.request_report import MAX_KNOWN, CommonFacts, RequestReport
from mesh.proxy.access_line import fill, format_line, line_template
from mesh.proxy.stats import Counter, Stats
from mesh.remember import remember

FLUSH_BYTES = 64 * 1024  # Envoy's access log buffer
FLUSH_INTERVAL_S = 0.5  # Envoy's is 10 s; who watches a lab does not want to wait for it
FORMATTED_AT_ONCE = 32  # reports
MAX_BUFFER = 4 * 1024 * 1024
DROPPED = "access_logs.file.logs_dropped"

_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}

_log = logging.getLogger("mesh.proxy.access_log")


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
        self._templates: dict[CommonFacts, bytes] = {}
        self._reports: list[RequestReport] = []  # whose lines are still to be made
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None

    def write(self, report: RequestReport) -> None:
        """Take a request's report. Call it from the event loop."""
        if self._drops():
            return
        reports = self._reports
        reports.append(report)
        if len(reports) == 1:
            self._schedule()
        elif len(reports) == FORMATTED_AT_ONCE:
            self._format()
            self._schedule()

    def write_connection(self, entry: AccessLogEntry) -> None:
        """Buffer the line of one report of a connection; they are few beside requests."""
        if self._drops():
            return
        self._format()
        self._add(format_line(entry))
        self._schedule()

    def _drops(self) -> bool:
        """Whether there is no room for what comes, which then counts as lost."""
        if self._size <= MAX_BUFFER:
            return False
        self.dropped.value += 1
        return True

    def _format(self) -> None:
        """The lines of what was taken: one after the other they cost half of what each costs by itself."""
        reports, self._reports = self._reports, []
        for report in reports:
            template = self._templates.get(report.common)
            if template is None:
                made = line_template(report.common.entry)
                template = remember(self._templates, report.common, made, MAX_KNOWN)
            self._add(fill(template, report))

    def _add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)

    async def close(self) -> None:
        """Write what is left, then close."""
        while self._reports or self._lines or self._writing is not None:
            self._flush()
            if self._writing is not None:
                await asyncio.wait([self._writing])
        if self._timer is not None:
            self._timer.cancel()
        if self._owned:
            os.close(self._fd)

    def _schedule(self) -> None:
        if self._writing is not None or not (self._reports or self._lines):
            return  # when the write is done it asks again
        if self._size >= FLUSH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_INTERVAL_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._format()
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
