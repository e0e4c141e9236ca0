"""The second reader of HTTP/1.1: the differential harness's, strict, without a line of the proxy's code."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from differ.wire import LIMIT, Malformed, Message, read_head, read_request_body, read_response_body

_loop = asyncio.new_event_loop()  # never run: all bytes are there before the first is read


def read_requests(data: bytes) -> tuple[list[Message], str]:
    """The complete requests at the front of ``data``, and why it ended there ("": with the last byte)."""
    reader = _reader(data)
    found: list[Message] = []
    try:
        while (message := _done(read_head(reader))) is not None:
            _done(read_request_body(reader, message))
            if not message.complete:
                return found, "a body without end"
            found.append(message)
    except (Malformed, ValueError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as refused:
        return found, str(refused) or type(refused).__name__
    return found, ""


def read_response(data: bytes, method: str) -> Message:
    """The one response that ``data`` is. Raises Malformed."""
    reader = _reader(data)
    message = _done(read_head(reader))
    if message is None:
        raise Malformed("nothing")
    _done(read_response_body(reader, message, method))
    rest = _done(reader.read())
    if rest:
        raise Malformed(f"bytes after the response: {rest!r}")
    return message


def _reader(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LIMIT, loop=_loop)
    reader.feed_data(data)
    reader.feed_eof()
    return reader


def _done(steps: Coroutine[Any, Any, Any]) -> Any:
    """The result of what has nothing to wait for."""
    try:
        steps.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the strict reader waits, though the end was fed")
