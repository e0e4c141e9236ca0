from __future__ import annotations

import pytest

from mesh.model.access_log_entry import AccessLogEntry, AccessLogType
from mesh.model.connection_reports import ConnectionReports


def report(moment: AccessLogType, received: int = 0, sent: int = 0, of: str = "a") -> AccessLogEntry:
    return AccessLogEntry(
        "source", 1.0, 0.1, "", "", "", "", 0,
        bytes_received=received, bytes_sent=sent, access_log_type=moment, stream_id=of,
    )  # fmt: skip


def take(reports: ConnectionReports[str], entry: AccessLogEntry, series: str = "one") -> tuple[object, ...]:
    growth = reports.take(entry, lambda: series)
    return (growth.series, growth.opened, growth.closed, growth.received, growth.sent)


def test_totals_become_what_is_new() -> None:
    reports: ConnectionReports[str] = ConnectionReports()
    assert take(reports, report("TcpUpstreamConnected")) == ("one", 1, 0, 0, 0)
    assert take(reports, report("TcpPeriodic", 10, 100)) == ("one", 0, 0, 10, 100)
    assert take(reports, report("TcpPeriodic", 10, 150)) == ("one", 0, 0, 0, 50)
    assert take(reports, report("TcpConnectionEnd", 12, 150)) == ("one", 0, 1, 2, 0)


@pytest.mark.parametrize("moment", ["TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd"])
def test_the_first_report_opens_whichever_it_is(moment: AccessLogType) -> None:
    """A connection without an upstream has only an end; a report may have been lost on the way."""
    reports: ConnectionReports[str] = ConnectionReports()
    assert take(reports, report(moment, 3, 4)) == ("one", 1, moment == "TcpConnectionEnd", 3, 4)


def test_a_connection_counts_where_it_began() -> None:
    reports: ConnectionReports[str] = ConnectionReports()
    take(reports, report("TcpUpstreamConnected"), "while it was well")
    assert take(reports, report("TcpConnectionEnd"), "with its flags")[0] == "while it was well"
    assert take(reports, report("TcpConnectionEnd"), "with its flags")[0] == "with its flags"


def test_connections_do_not_mix() -> None:
    reports: ConnectionReports[str] = ConnectionReports()
    take(reports, report("TcpPeriodic", 100, of="a"))
    assert take(reports, report("TcpPeriodic", 5, of="b"))[3] == 5


def test_the_oldest_is_forgotten_when_there_are_too_many() -> None:
    reports: ConnectionReports[str] = ConnectionReports(max_open=2)
    for name in "abc":
        take(reports, report("TcpUpstreamConnected", of=name))
    assert take(reports, report("TcpPeriodic", 1, of="c"))[1] == 0
    assert take(reports, report("TcpPeriodic", 1, of="a"))[1] == 1
