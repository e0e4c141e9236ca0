from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.proxy import access_log
from mesh.proxy.access_log import AccessLogFile, format_line

BARE = AccessLogEntry("source", 0.0, 0.0, "GET", "/", "HTTP/1.1", "", 0)
CLIENTS_WORDS = ["path", "authority", "user_agent", "request_id", "forwarded_for", "requested_server_name"]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.005)


def test_the_line_is_istios_default(entry: AccessLogEntry) -> None:
    assert format_line(entry).decode() == (
        '[2023-11-14T22:13:20.250Z] "GET /reviews/0 HTTP/1.1" 200 - via_upstream - "-" 0 295 4 4 "-" '
        '"curl/8.5" "4f0a7a50-b0a6-4f2c-a0bd-4fbb0b3a4d4e" "reviews:9080" "127.64.3.2:9080" '
        "outbound|9080|v1|reviews.default.svc.cluster.local 127.0.0.1:45454 127.64.1.2:15001 127.0.0.1:55555 "
        "- default\n"
    )


def test_what_is_not_known_is_a_dash() -> None:
    assert format_line(BARE).decode() == (
        '[1970-01-01T00:00:00.000Z] "GET / HTTP/1.1" 0 - - - "-" 0 0 0 - "-" "-" "-" "-" "-" - - - - - -\n'
    )


def test_details_have_no_blanks(entry: AccessLogEntry) -> None:
    line = format_line(replace(entry, response_code_details="reset{remote refused}"))
    assert b" reset{remote_refused} " in line


@given(st.sampled_from(CLIENTS_WORDS), st.text())
@example("requested_server_name", "Q")
def test_no_value_ends_the_line_or_leaves_its_quotes(field: str, value: str) -> None:
    line = format_line(replace(BARE, **{field: value}))  # type: ignore[arg-type]
    assert line.isascii()
    assert not re.search(rb"[\x00-\x1f\x7f]", line[:-1])
    outside = re.sub(rb'"[^"]*"', b'""', line).split(b" ")
    assert len(outside) == 22
    assert outside.count(b'""') == 7


def test_every_text_a_peer_may_choose_is_escaped() -> None:
    texts = {field.name for field in fields(AccessLogEntry) if field.type in ("str", str)}
    # numbers, addresses made by us, and what stands in no line
    ours = {
        "response_flags", "upstream_host", "upstream_local_address", "downstream_local_address",
        "downstream_remote_address", "scheme", "tls_version", "source_principal", "destination_principal",
        "grpc_status", "stream_id",
    }  # fmt: skip
    assert texts - ours == set(access_log._TEXTS)


async def test_lines_reach_the_file_after_the_interval(
    tmp_path: Path, entry: AccessLogEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "FLUSH_INTERVAL_S", 0.01)
    log = AccessLogFile(str(tmp_path / "log"))
    for lines in (1, 2):  # after a flush a new interval begins
        log.write(entry)
        expected = format_line(entry) * lines
        await eventually(lambda expected=expected: (tmp_path / "log").read_bytes() == expected)  # type: ignore[misc]
    await log.close()


async def test_close_writes_everything_that_was_taken(tmp_path: Path, entry: AccessLogEntry) -> None:
    log = AccessLogFile(str(tmp_path / "log"))
    for _ in range(2000):  # several buffers full
        log.write(entry)
    await log.close()
    assert (tmp_path / "log").read_bytes() == format_line(entry) * 2000


async def test_an_existing_log_is_appended_to(tmp_path: Path, entry: AccessLogEntry) -> None:
    for _ in range(2):
        log = AccessLogFile(str(tmp_path / "log"))
        log.write(entry)
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
        log.write(entry)
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
            log.write(entry)
    closing = asyncio.gather(*(log.close() for log in logs))
    read = b""
    async with asyncio.timeout(20):
        while not closing.done() or len(read) < 6000 * len(line):
            with suppress(BlockingIOError):
                read += os.read(reader, 1 << 20)
            await asyncio.sleep(0)
    os.close(reader)
    assert set(read.splitlines(keepends=True)) == {line}


async def test_lines_that_cannot_be_written_are_counted(tmp_path: Path, entry: AccessLogEntry) -> None:
    log = AccessLogFile("/dev/full")
    log.write(entry)
    await log.close()
    assert log.dropped.value == 1


def test_a_path_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        AccessLogFile(str(tmp_path / "no" / "log"))
