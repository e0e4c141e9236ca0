"""The client the demo services call each other with.

It keeps connections open and goes through ``HTTP_PROXY`` when that is set, as any client library does:
that is how the process runtime puts the sidecar in the way. It passes on the headers bookinfo passes on;
a service that does not breaks tracing and header routing at the next hop, which no mesh can mend.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import aiohttp

# bookinfo's list: identity of the request and its trace, and what the user is known by
PASSED_ON = (
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "baggage",
    "user-agent",
    "end-user",
    "cookie",
    "authorization",
)
TIMEOUT_S = 10.0  # of one call between services


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The incoming headers that go on with the outgoing calls."""
    return {name: headers[name] for name in PASSED_ON if name in headers}


class Upstream:
    """One service as its callers see it: ``await reviews.get("/reviews/0", headers)``."""

    def __init__(self, host: str, port: int = 9080, proxy: str | None = None) -> None:
        self._base = f"http://{host}:{port}"
        # read once: trust_env would parse the environment and ~/.netrc on each request
        self._proxy = proxy or os.environ.get("HTTP_PROXY") or os.environ.get("http_proxy") or None
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Status and JSON body; (503, None) when there was no answer, (status, None) when it was not JSON."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), connector=aiohttp.TCPConnector(limit=0)
            )
        try:
            url = self._base + path
            async with self._session.get(url, headers=passed_on(headers), proxy=self._proxy) as response:
                if response.content_type != "application/json":
                    return response.status, None
                return response.status, await response.json()
        except (aiohttp.ClientError, TimeoutError):
            return 503, None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
