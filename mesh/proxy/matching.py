"""Compiled string matches: text tests that run on the bytes of the wire. Pure.

Regular expressions are RE2 (linear time, whoever writes pattern or text) and must match all of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

from mesh.model.route import StringMatch
from mesh.xds.errors import Rejected

Test = Callable[[bytes], bool]

MAX_REMEMBERED_TEXT = 256  # bytes; longer texts are matched each time
REMEMBERED = 1024  # texts a pattern remembers: user agents repeat


def compile_match(match: StringMatch) -> Test:
    """Raises Rejected when the pattern is no RE2."""
    if match.kind == "regex":
        return _regex(match.value)
    value = match.value.encode()
    if match.ignore_case:
        test = _PLAIN[match.kind](value.lower())
        return lambda text: test(text.lower())
    return _PLAIN[match.kind](value)


def _exact(value: bytes) -> Test:
    return lambda text: text == value


def _prefix(value: bytes) -> Test:
    return lambda text: text.startswith(value)


def _suffix(value: bytes) -> Test:
    return lambda text: text.endswith(value)


def _contains(value: bytes) -> Test:
    return lambda text: value in text


_PLAIN: dict[str, Callable[[bytes], Test]] = {
    "exact": _exact,
    "prefix": _prefix,
    "suffix": _suffix,
    "contains": _contains,
}


def _regex(pattern: str) -> Test:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # the wire's bytes are no particular text
    options.log_errors = False
    try:
        fullmatch = re2.compile(pattern.encode(), options).fullmatch
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        raise Rejected(f"regex {pattern!r}: {reason}") from None

    @lru_cache(maxsize=REMEMBERED)
    def remembered(text: bytes) -> bool:
        return fullmatch(text) is not None

    def test(text: bytes) -> bool:
        if len(text) > MAX_REMEMBERED_TEXT:
            return fullmatch(text) is not None
        return remembered(text)

    return test
