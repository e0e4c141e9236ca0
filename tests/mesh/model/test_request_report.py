"""A report is its entry, taken apart so that those with the same common facts share them."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.peer import Peer
from mesh.model.request_report import CommonFacts, join, split

BARE = AccessLogEntry("source", 0.0, 0.0, "GET", "/", "HTTP/1.1", "", 0)
OWN = {
    "start_time", "duration_s", "path", "user_agent", "request_id", "forwarded_for", "bytes_received",
    "bytes_sent", "request_header_bytes", "response_header_bytes", "upstream_service_time_s",
    "upstream_local_address", "downstream_remote_address", "request_messages", "response_messages",
}  # fmt: skip
FULL = AccessLogEntry("source", 0.0, 0.0, "", "", "", "", 0, upstream_service_time_s=0.0)
OTHER = {str: "other", int: 7, float: 7.5, Peer: Peer("other")}
FIELDS = {field.name: OTHER[type(getattr(FULL, field.name))] for field in fields(AccessLogEntry)}
FIELDS |= {"reporter": "destination", "access_log_type": "TcpPeriodic"}


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.none()), st.text())
def test_nothing_is_lost(changed: dict[str, None], text: str) -> None:
    different = {name: text if FIELDS[name] == "other" else FIELDS[name] for name in changed}
    entry = replace(BARE, **different)  # type: ignore[arg-type]
    assert join(split(entry)) == entry


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_two_share_their_common_facts_when_they_differ_in_their_own_alone(field: str) -> None:
    known: dict[tuple[object, ...], CommonFacts] = {}
    other = replace(BARE, **{field: FIELDS[field]})  # type: ignore[arg-type]
    first, second = split(BARE, known), split(other, known)
    assert (first.common is second.common) == (field in OWN)
    assert (join(first), join(second)) == (BARE, other)
