"""The load tools: every request they count is answered, and the origin has seen exactly as many."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

CONNECTIONS = 8


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, f"no {pattern!r} in\n{text[-2000:]}"
    return int(found[1])


@pytest.mark.parametrize("protocol", ["--h1", "--no-tls-proto=h2c"])
async def test_h2load_gets_every_answer(through, protocol):
    done = await through.run("h2load", "-n", "1000", "-c", "8", "-m", "10", protocol, through.url("/a"))
    assert done.code == 0, done.text
    counts = "1000 total, 1000 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout"
    assert counts in done.text, done.text[-1500:]
    assert "status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx" in done.text
    assert through.origin.served == [("GET", "/a")] * 1000


async def test_h2load_posts_more_than_a_window_on_each_stream(through, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"x" * 100_000)
    done = await through.run("h2load", "-n", "60", "-c", "3", "-m", "5", "-d", str(file), through.url("/up"))
    assert "60 succeeded, 0 failed, 0 errored, 0 timeout" in done.text, done.text[-1500:]
    assert through.origin.served == [("POST", "/up")] * 60


async def test_h2load_with_small_windows(through):
    args = ("-n", "40", "-c", "2", "-m", "4", "-w", "8", "-W", "8")
    done = await through.run("h2load", *args, through.url("/file"))
    assert "40 succeeded, 0 failed, 0 errored, 0 timeout" in done.text, done.text[-1500:]
    assert number(r"\((\d+)\) data", done.text) == 40 * 256 * 40


async def test_nghttp_takes_streams_data_and_continues(through, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"y" * 300_000)
    args = ("-d", str(file), "--expect-continue", "-m", "5", "-w", "16", "-W", "18", "-p", "8")
    done = await through.run("nghttp", *args, through.url("/up"))
    assert done.code == 0, done.text[-1500:]
    assert done.out == b"y" * 300_000 * 5
    assert through.origin.served == [("POST", "/up")] * 5


async def test_nghttp_sees_no_fault_in_the_frames(through):
    done = await through.run("nghttp", "-v", "-n", through.url("/file"), through.url("/a"), through.url("/b"))
    assert done.code == 0, done.text[-1500:]
    assert done.text.count(":status: 200") == 3
    assert "error_code=" not in done.text.replace("error_code=NO_ERROR", "")
    assert sorted(through.origin.served) == [("GET", "/a"), ("GET", "/b"), ("GET", "/file")]


async def test_wrk_gets_every_answer(through):
    done = await through.run("wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "1s", through.url("/cut"))
    assert done.code == 0, done.text
    assert "Non-2xx" not in done.text, done.text
    assert "Socket errors" not in done.text, done.text
    answered = number(r"(\d+) requests in", done.text)
    assert answered > CONNECTIONS
    # the last of each connection may have been under way when it stopped
    assert answered <= through.origin.cut <= answered + CONNECTIONS


@pytest.mark.parametrize("keep_alive", [(), ("-k",)])
async def test_ab_gets_every_answer(through, keep_alive):
    """It speaks HTTP/1.0, with Keep-Alive or without."""
    done = await through.run("ab", *keep_alive, "-n", "300", "-c", "8", through.url("/a"))
    assert done.code == 0, done.text
    assert number(r"Complete requests: +(\d+)", done.text) == 300
    assert number(r"Failed requests: +(\d+)", done.text) == 0
    assert "Non-2xx" not in done.text
    assert through.origin.served == [("GET", "/a")] * 300


async def test_ab_posts(through, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"z" * 20_000)
    args = ("-n", "100", "-c", "4", "-p", str(file), "-T", "application/octet-stream")
    done = await through.run("ab", *args, through.url("/up"))
    assert number(r"Complete requests: +(\d+)", done.text) == 100, done.text
    assert number(r"HTML transferred: +(\d+)", done.text) == 100 * 20_000
    assert through.origin.served == [("POST", "/up")] * 100
