"""Checks that several kinds share. Formats are those of RFC 1123 (names), RFC 9110 (headers), RE2."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import re2

from mesh.galley.fault import Loc, Problem, quoted
from mesh.model.substitution import parse

Problems = Iterator[Problem]

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

_QUIET = re2.Options()
_QUIET.log_errors = False


def check_dns_label(text: str, loc: Loc) -> Problems:
    """A subset's or a namespace's name: one word of a host name."""
    if not _DNS_LABEL.fullmatch(text):
        yield Problem(loc, f"expected lower-case letters, digits and '-' (at most 63), got {quoted(text)}")


def check_name(text: str, loc: Loc) -> Problems:
    """An object's name. It also names a file, so nothing like "../" may pass."""
    if len(text) > 253 or not _SUBDOMAIN.fullmatch(text):
        yield Problem(loc, f"expected lower-case letters, digits, '-' and '.', got {quoted(text)}")


def check_host(text: str, loc: Loc, *, wildcard: bool, address: bool = False) -> Problems:
    """A service's name: short ("reviews"), full, or where allowed ``*``, ``*.example.com``, an address."""
    if not text:
        yield Problem(loc, "expected a host, got an empty text")
        return
    if text.startswith("*"):
        if not wildcard:
            yield Problem(loc, f"expected one host, got the wildcard {quoted(text)}")
            return
        if text == "*":
            return
    if address and _is_address(text):
        return
    if len(text) > 255 or not _HOST.fullmatch(text.removeprefix("*.")):
        yield Problem(loc, f"expected a host name, got {quoted(text)}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def check_regex(text: str, loc: Loc) -> Problems:
    try:
        re2.compile(text, options=_QUIET)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        yield Problem(loc, f"expected an RE2 regular expression, got {quoted(text)}: {reason}")


def check_labels(labels: Mapping[str, str], loc: Loc) -> Problems:
    """Kubernetes' label syntax: an optional ``domain/``, a name, a value of at most 63 characters."""
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not _LABEL_NAME.fullmatch(name) or (slash and not _SUBDOMAIN.fullmatch(prefix)):
            yield Problem(
                (*loc, key), f"expected a label name such as app or example.com/app, got {quoted(key)}"
            )
        if not _LABEL_VALUE.fullmatch(value):
            yield Problem(
                (*loc, key), f"expected a label value (at most 63 of A-Za-z0-9-_.), got {quoted(value)}"
            )


def check_header_names(names: Iterable[str], loc: Loc) -> Problems:
    """Headers that are read."""
    for name in names:
        if not _TOKEN.fullmatch(name):
            yield Problem((*loc, name), f"expected a header name, got {quoted(name)}")


def check_changed_header(name: str, loc: Loc) -> Problems:
    """A header that is written or removed: what addresses the request has fields of its own."""
    if name.startswith(":") or name.lower() == "host":
        yield Problem(loc, f"expected an ordinary header, got {quoted(name)}; use rewrite for host and path")
    elif not _TOKEN.fullmatch(name):
        yield Problem(loc, f"expected a header name, got {quoted(name)}")


def check_export_to(export_to: Sequence[str], namespace: str, loc: Loc, *, nobody: bool = False) -> Problems:
    """Namespaces, each once; "*" (all) and, where it means something, "~" (none) stand alone."""
    seen: set[str] = set()
    for index, to in enumerate(export_to):
        at: Loc = (*loc, index)
        if to in ("*", "~"):
            if to == "~" and not nobody:
                yield Problem(at, 'expected a namespace, "." or "*", got "~"')
            elif len(export_to) > 1:
                yield Problem(at, f"expected nothing beside {quoted(to)}")
        elif to != ".":
            yield from check_dns_label(to, at)
        meant = namespace if to == "." else to
        if meant in seen:
            yield Problem(at, f"the namespace {quoted(meant)} stands twice")
        seen.add(meant)


def check_fixed_headers(headers: Mapping[str, str], loc: Loc) -> Problems:
    """Headers that are written as they stand, where Envoy knows no commands."""
    for name, value in headers.items():
        yield from check_changed_header(name, (*loc, name))
        yield from check_header_value(value, (*loc, name))
        if "%" in value:
            yield Problem((*loc, name), f"expected a value without commands (%), got {quoted(value)}")


def check_ports(ports: Sequence[int], loc: Loc) -> Problems:
    """Each port once."""
    for index, port in enumerate(ports):
        if port in ports[:index]:
            yield Problem((*loc, index), f"the port {port} stands twice")


def check_header_value(value: str, loc: Loc) -> Problems:
    """RFC 9110 section 5.5: no CR, LF or NUL, or one could smuggle in another. Its commands are Envoy's."""
    if any(character in value for character in "\r\n\0"):
        yield Problem(loc, f"expected a header value in one line, got {quoted(value)}")
    try:
        parse(value)
    except ValueError as error:
        yield Problem(loc, str(error))
