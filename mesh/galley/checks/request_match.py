"""What is asked of a request: patterns that are RE2, names that are names."""

from __future__ import annotations

from collections.abc import Mapping

from mesh.galley.api.request_match import RequestMatch
from mesh.galley.api.string_match import PresenceMatch, StringMatch
from mesh.galley.checks.common import Problems, check_header_names, check_regex
from mesh.galley.fault import Loc


def check_request_match(match: RequestMatch, loc: Loc) -> Problems:
    for name in ("uri", "scheme", "method", "authority"):
        condition: StringMatch | None = getattr(match, name)
        if condition is not None and condition.regex is not None:
            yield from check_regex(condition.regex, (*loc, name, "regex"))
    groups = (
        ("headers", match.headers),
        ("withoutHeaders", match.without_headers),
        ("queryParams", match.query_params),
    )
    for name, conditions in groups:
        yield from _check_presence_matches(conditions, (*loc, name))
    yield from check_header_names(match.headers, (*loc, "headers"))
    yield from check_header_names(match.without_headers, (*loc, "withoutHeaders"))


def _check_presence_matches(conditions: Mapping[str, PresenceMatch], loc: Loc) -> Problems:
    for key, condition in conditions.items():
        if condition.regex is not None and not condition.is_presence:
            yield from check_regex(condition.regex, (*loc, key, "regex"))
