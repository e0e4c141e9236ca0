"""curl, in every version and framing it has, means through a proxy what it means without one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

BODY = bytes(range(256)) * 8192  # 2 MB
TOLD = "%{http_code} %{http_version} %{num_connects}\n"


async def curl(through, *args, stdin=None):
    """(what it said of each response, their bodies)."""
    done = await through.run("curl", "-sS", "-w", "%{stderr}" + TOLD, *args, stdin=stdin)
    assert done.code == 0, done.text
    return done.err.strip().splitlines(), done.out


@pytest.mark.parametrize(
    ("option", "version"),
    [("--http1.0", "1"), ("--http1.1", "1.1"), ("--http2", "1.1"), ("--http2-prior-knowledge", "2")],
)
async def test_curl_gets_in_each_version(through, option, version):
    """An upgrade to h2c is not taken, and the request answered. Who speaks HTTP/1.0 is answered in that by
    Envoy, and by us in the highest version there is (RFC 9110 section 2.5 has both)."""
    said, body = await curl(through, option, through.url("/a?b=c"))
    if option == "--http1.0" and through.engine == "python":
        version = "1.1"
    assert said == [f"200 {version} 1"]
    assert body == b"nothing"
    assert through.origin.served == [("GET", "/a")]


async def test_curl_keeps_its_connection_for_the_next(through):
    """In HTTP/1.1: with prior knowledge, curl 7.88 begins each request with a preface, on any server."""
    said, _ = await curl(through, "--http1.1", *[through.url(f"/{n}") for n in range(3)])
    assert [line.split()[2] for line in said] == ["1", "0", "0"]
    assert through.origin.served == [("GET", "/0"), ("GET", "/1"), ("GET", "/2")]


async def test_curl_sends_many_at_once(through):
    _, body = await curl(through, "--parallel", "--no-progress-meter", "--fail", through.url("/[1-30]"))
    assert body == b"nothing" * 30
    assert sorted(through.origin.served) == sorted(("GET", f"/{n}") for n in range(1, 31))


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
async def test_curl_asks_for_the_head_alone(through, option):
    said, head = await curl(through, option, "-I", through.url("/file"))
    assert said[0].startswith("200")
    assert f"content-length: {256 * 40}".encode() in head.lower()
    assert through.origin.served == [("HEAD", "/file")]


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
async def test_curl_uploads_what_has_no_length_yet(through, option):
    args = (option, "-X", "POST", "-T", "-", through.url("/up"))
    said, body = await curl(through, *args, stdin=BODY)
    assert said[0].startswith("200")
    assert body == BODY
    assert through.origin.served == [("POST", "/up")]


async def test_curl_waits_for_100_continue(through, tmp_path: Path):
    file = tmp_path / "body"
    file.write_bytes(BODY)
    args = ("--http1.1", "-v", "-H", "Expect: 100-continue", "--expect100-timeout", "50")
    done = await through.run("curl", "-sS", *args, "--data-binary", f"@{file}", through.url("/up"))
    assert done.code == 0, done.err
    assert "< HTTP/1.1 100 Continue" in done.err
    assert done.out == BODY
    assert through.origin.served == [("POST", "/up")]


@pytest.mark.parametrize("option", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize(
    ("span", "wanted"),
    [("100-199", slice(100, 200)), ("-50", slice(-50, None)), ("10000-", slice(10000, None))],
)
async def test_curl_gets_a_range(through, option, span, wanted):
    said, body = await curl(through, option, "-r", span, through.url("/file"))
    assert said[0].startswith("206")
    assert body == (bytes(range(256)) * 40)[wanted]


async def test_curl_posts_a_form_and_puts_a_file(through, tmp_path: Path):
    file = tmp_path / "body"
    file.write_bytes(BODY[:5000])
    said, body = await curl(through, "-d", "a=1&b=2", through.url("/form"))
    assert (said[0][:3], body) == ("200", b"a=1&b=2")
    said, body = await curl(through, "-T", str(file), through.url("/put"))
    assert (said[0][:3], body) == ("200", BODY[:5000])
    assert through.origin.served == [("PUT", "/put")]


async def test_curl_sees_a_body_to_its_end_over_http10(through):
    said, body = await curl(through, "--http1.0", "--data-binary", "@-", through.url("/echo"), stdin=BODY)
    assert said[0].startswith("200")
    assert body == BODY
