"""A client that has no part in the mesh: tries plain HTTP on sidecars, and says what came of it.

    python -m labs.harness.plaintext /reviews/0 127.80.3.2:9080 127.80.4.2:9080

One JSON line for each target. It is run outside the mesh, with no sidecar and no certificate.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from labs.harness.verdict import Verdict, failed, inconclusive, passed

TIMEOUT_S = 5.0  # for the whole attempt


@dataclass(frozen=True, slots=True)
class Attempt:
    """``outcome``: answered (HTTP came back), refused (the connection was ended without), unknown."""

    target: str
    outcome: str
    detail: str


def judge(answer: bytes) -> tuple[str, str]:
    """Outcome and detail of what came back before the connection ended."""
    if answer.startswith(b"HTTP/"):
        return "answered", answer.split(b"\r\n", 1)[0].decode("latin-1")
    return "refused", f"closed after {len(answer)} bytes" + (f", {answer[:8]!r}" if answer else "")


async def attempt(target: str, path: str) -> Attempt:
    """Speak HTTP in the clear to ``host:port``."""
    host, _, port = target.rpartition(":")
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), TIMEOUT_S)
    except (OSError, TimeoutError) as error:
        return Attempt(target, "unknown", f"no connection: {error!r}")
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), TIMEOUT_S)
    except ConnectionError:
        return Attempt(target, "refused", "connection reset")
    except TimeoutError:
        return Attempt(target, "unknown", f"no answer and no end within {TIMEOUT_S:g} s")
    finally:
        writer.close()
    return Attempt(target, *judge(answer))


def read_attempts(lines: Iterable[str]) -> list[Attempt]:
    return [Attempt(**json.loads(line)) for line in lines]


def refused(check: str, before: Sequence[Attempt], after: Sequence[Attempt]) -> Verdict:
    """Every target answered plaintext before the policy, and refuses it now.

    Without the first half a dead port would look like a policy.
    """
    answered = [attempt for attempt in after if attempt.outcome == "answered"]
    if answered:
        shown = ", ".join(f"{attempt.target} ({attempt.detail})" for attempt in answered)
        return failed(
            check, f"a client without a certificate was answered by {shown}", answered=len(answered)
        )
    odd = [attempt for attempt in (*before, *after) if attempt.outcome == "unknown"]
    deaf = [attempt for attempt in before if attempt.outcome != "answered"]
    if odd or deaf or not after:
        shown = ", ".join(f"{attempt.target}: {attempt.detail}" for attempt in (odd or deaf))
        return inconclusive(check, f"no comparison with plaintext before the policy: {shown}")
    text = (
        f"{len(after)} sidecars answered plaintext before, and now end the connection without a byte of HTTP"
    )
    return passed(check, f"{text} ({after[0].detail})", targets=len(after))


async def main() -> None:
    path, *targets = sys.argv[1:]
    for done in await asyncio.gather(*(attempt(target, path) for target in targets)):
        print(json.dumps(asdict(done)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
