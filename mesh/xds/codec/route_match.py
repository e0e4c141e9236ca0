"""What a route asks of a request: path, headers, query parameters."""

from __future__ import annotations

from typing import Any

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2

from mesh.model.route import HeaderMatch, QueryMatch, RouteMatch, StringMatch
from mesh.xds.errors import Rejected


def encode_match(match: RouteMatch) -> Any:
    """Envoy compares ``path`` and ``safe_regex`` without the query string; so does the model."""
    message = route_components_pb2.RouteMatch(
        headers=[_encode_header(header) for header in match.headers],
        query_parameters=[_encode_query(query) for query in match.query],
    )
    if match.connect:
        message.connect_matcher.SetInParent()
        return message
    match match.path.kind:
        case "exact":
            message.path = match.path.value
        case "prefix":
            message.prefix = match.path.value
        case "regex":
            message.safe_regex.regex = match.path.value
        case other:
            raise Rejected(f"match.path: {other} is not supported (expected exact, prefix or regex)")
    if match.path.ignore_case:
        message.case_sensitive.value = False
    return message


def decode_match(message: Any) -> RouteMatch:
    ignore_case = message.HasField("case_sensitive") and not message.case_sensitive.value
    match message.WhichOneof("path_specifier"):
        case "path":
            path = StringMatch("exact", message.path, ignore_case)
        case "safe_regex":
            path = StringMatch("regex", message.safe_regex.regex, ignore_case)
        case _:
            path = StringMatch("prefix", message.prefix, ignore_case)
    headers = tuple(map(_decode_header, message.headers))
    query = tuple(map(_decode_query, message.query_parameters))
    return RouteMatch(path, headers, query, message.HasField("connect_matcher"))


def _encode_header(header: HeaderMatch) -> Any:
    """A header that is not there does not match, so inverted it does: Envoy must be told to look at it as
    empty, else it calls an absent header a miss both ways. (A pattern that matches "" then says no.)
    """
    message = route_components_pb2.HeaderMatcher(name=header.name, invert_match=header.invert)
    if header.match is None:
        message.present_match = True
    else:
        message.string_match.CopyFrom(encode_string(header.match))
        message.treat_missing_header_as_empty = header.invert
    return message


def _decode_header(message: Any) -> HeaderMatch:
    return HeaderMatch(message.name, _decode_string_or_present(message), message.invert_match)


def _encode_query(query: QueryMatch) -> Any:
    if query.match is None:
        return route_components_pb2.QueryParameterMatcher(name=query.name, present_match=True)
    return route_components_pb2.QueryParameterMatcher(
        name=query.name, string_match=encode_string(query.match)
    )


def _decode_query(message: Any) -> QueryMatch:
    return QueryMatch(message.name, _decode_string_or_present(message))


def _decode_string_or_present(message: Any) -> StringMatch | None:
    return decode_string(message.string_match) if message.HasField("string_match") else None


def encode_string(match: StringMatch) -> Any:
    message = string_pb2.StringMatcher(ignore_case=match.ignore_case)
    if match.kind == "regex":
        message.safe_regex.CopyFrom(regex_pb2.RegexMatcher(regex=match.value))
    else:
        setattr(message, match.kind, match.value)
    return message


def decode_string(message: Any) -> StringMatch:
    match message.WhichOneof("match_pattern"):
        case "safe_regex":
            return StringMatch("regex", message.safe_regex.regex, message.ignore_case)
        case "prefix" | "suffix" | "contains" as kind:
            return StringMatch(kind, getattr(message, kind), message.ignore_case)
        case _:
            return StringMatch("exact", message.exact, message.ignore_case)
