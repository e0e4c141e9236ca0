from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.request_report import MAX_KNOWN, split
from mesh.proxy import access_log
from mesh.proxy.access_line import format_line
from mesh.proxy.access_log import AccessLogFile


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.005)


async def test_lines_reach_the_file_after_the_interval(
    tmp_path: Path, entry: AccessLogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "FLUSH_INTERVAL_S", 0.01)
    log = AccessLogFile(str(tmp_path / "log"))
    for lines in (1, 2):  # after a flush a new interval begins
        log.write(split(entry))
        expected = format_line(entry) * lines
        await eventually(lambda expected=expected: (tmp_path / "log").read_bytes() == expected)  # type: ignore[misc]
    await log.close()


async def test_close_writes_everything_that_was_taken(tmp_path: Path, entry: AccessLogEntry) -> None:
    log = AccessLogFile(str(tmp_path / "log"))
    for _ in range(2000):  # several buffers full
        log.write(split(entry))
    await log.close()
    assert (tmp_path / "log").read_bytes() == format_line(entry) * 2000


async def test_an_existing_log_is_appended_to(tmp_path: Path, entry: AccessLogEntry) -> None:
    for _ in range(2):
        log = AccessLogFile(str(tmp_path / "log"))
        log.write(split(entry))
        await log.close()
    assert (tmp_path / "log").read_bytes() == format_line(entry) * 2


async def test_a_full_pipe_costs_lines_not_time(tmp_path: Path, entry: AccessLogEntry) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLogFile(str(pipe))
    line = format_line(entry)
    written = 2 * access_log.MAX_BUFFER // len(line)
    for _ in range(written):  # nobody reads: this must return all the same
        log.write(split(entry))
    assert log.dropped.value > 0
    closing = asyncio.create_task(log.close())
    read = 0
    async with asyncio.timeout(20):
        while not closing.done() or read < written - log.dropped.value:
            try:
                read += os.read(reader, 1 << 20).count(b"\n")
            except BlockingIOError:
                pass
            await asyncio.sleep(0)
    await closing
    os.close(reader)
    assert read == written - log.dropped.value


@given(st.lists(st.integers(1, 50)), st.integers(1, 60))
def test_pieces_are_whole_lines_and_no_longer_than_said(lengths: list[int], most: int) -> None:
    lines = [b"x" * (length - 1) + b"\n" for length in lengths]
    found = list(access_log.pieces(lines, most))
    assert b"".join(found) == b"".join(lines)
    assert all(len(piece) <= most or piece.count(b"\n") == 1 for piece in found)
    assert all(piece.endswith(b"\n") for piece in found)


async def test_workers_that_write_into_one_pipe_leave_each_others_lines_whole(
    tmp_path: Path, entry: AccessLogEntry
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    logs = [AccessLogFile(str(pipe)) for _ in range(3)]
    line = format_line(entry)
    for log in logs:
        for _ in range(2000):
            log.write(split(entry))
    closing = asyncio.gather(*(log.close() for log in logs))
    read = b""
    async with asyncio.timeout(20):
        while not closing.done() or len(read) < 6000 * len(line):
            with suppress(BlockingIOError):
                read += os.read(reader, 1 << 20)
            await asyncio.sleep(0)
    os.close(reader)
    assert set(read.splitlines(keepends=True)) == {line}


async def test_requests_and_connections_keep_their_order(tmp_path: Path, entry: AccessLogEntry) -> None:
    log = AccessLogFile(str(tmp_path / "log"))
    log.write(split(entry))
    log.write_connection(replace(entry, method="", path="", protocol=""))
    log.write(split(replace(entry, path="/last")))
    await log.close()
    written = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    connection = replace(entry, method="", path="", protocol="")
    assert written == [format_line(one) for one in (entry, connection, replace(entry, path="/last"))]


async def test_what_is_remembered_of_lines_is_bounded(entry: AccessLogEntry) -> None:
    log = AccessLogFile("/dev/null")
    for number in range(MAX_KNOWN + 10):
        log.write(split(replace(entry, authority=f"host-{number}")))
    await log.close()
    assert len(log._templates) <= MAX_KNOWN


async def test_lines_that_cannot_be_written_are_counted(tmp_path: Path, entry: AccessLogEntry) -> None:
    log = AccessLogFile("/dev/full")
    log.write(split(entry))
    await log.close()
    assert log.dropped.value == 1


def test_a_path_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        AccessLogFile(str(tmp_path / "no" / "log"))
