from __future__ import annotations

from pathlib import Path

import pytest

from mesh.proxy.bootstrap import Bootstrap, duration_s, secret_ttl_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("1h30m", 5400), ("30s", 30), ("500ms", 0.5), ("1.5m", 90)]
)
def test_reads_durations_as_go_writes_them(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "24 h", "-1h", "1d", "1h!"])
def test_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 24h"):
        duration_s(text)


def test_asks_for_a_day_unless_told_otherwise() -> None:
    assert secret_ttl_s({}) == 86400
    assert secret_ttl_s({"MESH_SECRET_TTL": "90s"}) == 90


@pytest.mark.parametrize("text", ["soon", "0s"])
def test_names_the_variable_that_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match="MESH_SECRET_TTL: expected"):
        secret_ttl_s({"MESH_SECRET_TTL": text})


def test_takes_the_life_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_SECRET_TTL", "2h")
    made = Bootstrap("127.0.0.1:15012", Path("root"), Path("token"), Path("run"))
    assert made.secret_ttl_s == 7200
