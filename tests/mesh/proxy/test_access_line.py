"""The line is Istio's, and every value stays in its place."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.request_report import join, split
from mesh.proxy.access_line import fill, format_line, line_template

BARE = AccessLogEntry("source", 0.0, 0.0, "GET", "/", "HTTP/1.1", "", 0)
TEXTS = [field.name for field in fields(AccessLogEntry) if field.type in ("str", str)]
CLIENTS_WORDS = ["path", "authority", "user_agent", "request_id", "forwarded_for", "requested_server_name"]


def test_the_line_is_istios_default(entry: AccessLogEntry) -> None:
    assert format_line(entry).decode() == (
        '[2023-11-14T22:13:20.250Z] "GET /reviews/0 HTTP/1.1" 200 - via_upstream - "-" 0 295 4 4 "-" '
        '"curl/8.5" "4f0a7a50-b0a6-4f2c-a0bd-4fbb0b3a4d4e" "reviews:9080" "127.64.3.2:9080" '
        "outbound|9080|v1|reviews.default.svc.cluster.local 127.0.0.1:45454 127.64.1.2:15001 127.0.0.1:55555 "
        "- default\n"
    )


def test_what_is_not_known_is_a_dash() -> None:
    assert format_line(BARE).decode() == (
        '[1970-01-01T00:00:00.000Z] "GET / HTTP/1.1" 0 - - - "-" 0 0 0 - "-" "-" "-" "-" "-" - - - - - -\n'
    )


def test_details_have_no_blanks(entry: AccessLogEntry) -> None:
    line = format_line(replace(entry, response_code_details="reset{remote refused}"))
    assert b" reset{remote_refused} " in line


@given(st.sampled_from(CLIENTS_WORDS), st.text())
@example("requested_server_name", "Q")
def test_no_value_ends_the_line_or_leaves_its_quotes(field: str, value: str) -> None:
    stays_in_place(format_line(replace(BARE, **{field: value})))  # type: ignore[arg-type]


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("value", ['"', "\n", "\r", "\\", "\x00", "\x7f", "\xe9", "\u2028", "%b", "%", "%%d"])
def test_nothing_is_taken_for_more_than_a_value(field: str, value: str) -> None:
    line = format_line(replace(BARE, **{field: f"a{value}b"}))  # type: ignore[arg-type]
    stays_in_place(line)
    shown = value if value.startswith("%") else value.encode("unicode_escape").decode().replace('"', "\\x22")
    assert f"a{shown}b".encode() in line or line == format_line(BARE)


def stays_in_place(line: bytes) -> None:
    assert line.isascii()
    assert line.endswith(b"\n")
    assert not re.search(rb"[\x00-\x1f\x7f]", line[:-1])
    outside = re.sub(rb'"[^"]*"', b'""', line).split(b" ")
    assert len(outside) == 22
    assert outside.count(b'""') == 7


numbers = st.integers(0, 1 << 40)
texts = st.text(max_size=20)
entries = st.builds(
    AccessLogEntry,
    reporter=st.sampled_from(("source", "destination")),
    start_time=st.floats(0, 4e9),
    duration_s=st.floats(0, 1e6),
    upstream_service_time_s=st.none() | st.floats(0, 1e3),
    **{name: texts for name in TEXTS},
    **{field.name: numbers for field in fields(AccessLogEntry) if field.type in ("int", int)},
)


@given(entries, entries)
def test_a_template_serves_every_request_with_its_facts(one: AccessLogEntry, other: AccessLogEntry) -> None:
    common = split(one).common
    report = split(other)
    report.common = common
    assert fill(line_template(common.entry), split(one)) == format_line(one)
    assert fill(line_template(common.entry), report) == format_line(join(report))
