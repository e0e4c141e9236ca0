"""echo: answers what it was asked, and delays or fails on request, with the knobs of Istio's echo server.

    GET /any/path?delay=1s&codes=200:90,503:10&headers=k:v,k2:v2

``delay``: a duration. ``codes``: status codes with their shares. ``headers``: put on the response.
The body echoes the request, one ``Name=value`` a line.
"""

from __future__ import annotations

import asyncio
import os
import random
import re

from aiohttp import web

from labs.apps.serving import Settings, run

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m)")


def parse_delay_s(text: str) -> float:
    """Seconds in a Go duration of one part ("250ms"). Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"delay: expected a number and us, ms, s or m, got {text!r}")
    return float(found[1]) * _UNITS_S[found[2]]


def parse_codes(text: str) -> list[tuple[int, int]]:
    """(status, share) pairs of "200:90,503:10"; a code alone has share 1. Raises ValueError."""
    pairs = []
    for part in text.split(","):
        code, _, share = part.partition(":")
        if not code.isdigit() or not 200 <= int(code) <= 599 or (share and not share.isdigit()):
            raise ValueError(f"codes: expected status[:share], got {part!r}")
        pairs.append((int(code), int(share or 1)))
    return pairs


def pick_code(codes: list[tuple[int, int]], rng: random.Random) -> int:
    return rng.choices([code for code, _ in codes], [share for _, share in codes])[0]


def parse_headers(text: str) -> dict[str, str]:
    """``k:v,k2:v2``. Raises ValueError."""
    headers = dict(part.partition(":")[::2] for part in text.split(","))
    if "" in headers:
        raise ValueError(f"headers: expected name:value, got {text!r}")
    return headers


def echoed(request: web.Request, settings: Settings, status: int) -> str:
    """Istio's field names, so that its checkers read this body too."""
    lines = [
        f"ServiceVersion={settings.version}",
        f"ServicePort={settings.port}",
        f"Host={request.host}",
        f"URL={request.path_qs}",
        f"Cluster={settings.cluster}",
        f"Method={request.method}",
        f"Proto=HTTP/{request.version.major}.{request.version.minor}",
        f"IP={request.remote or ''}",
        f"StatusCode={status}",
        f"Hostname={settings.pod}",
        *(f"RequestHeader={name}:{value}" for name, value in request.headers.items()),
    ]
    return "\n".join(lines) + "\n"


def build(app: web.Application, settings: Settings) -> None:
    rng = random.Random(os.environ.get("SEED"))

    async def echo(request: web.Request) -> web.Response:
        query = request.query
        try:
            delay_s = parse_delay_s(query.get("delay", "0s"))
            status = pick_code(parse_codes(query.get("codes", "200")), rng)
            headers = parse_headers(query["headers"]) if "headers" in query else {}
        except ValueError as error:
            return web.Response(status=400, text=f"{error}\n")
        if delay_s:
            await asyncio.sleep(delay_s)
        return web.Response(status=status, headers=headers, text=echoed(request, settings, status))

    app.router.add_route("*", "/{path:.*}", echo)


if __name__ == "__main__":
    run("echo", build)
