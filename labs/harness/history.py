"""What happened, as records: each request as client, server and sidecar saw it. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

OK = 200


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as its client saw it. Times are seconds since the epoch; status 0 = no answer.

    ``served`` is the version of the service under study that made the answer, as the answer itself says.
    """

    request_id: str
    t_start: float
    t_end: float
    status: int
    user_agent: str
    served: str
    path: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.status == OK and not self.error

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Served:
    """One request as the application that answered it wrote it down (``labs/apps/serving.py``)."""

    time: float
    request_id: str
    path: str
    status: int
    peer: str
    user_agent: str
    service: str
    version: str
    client_cert: str  # x-forwarded-client-cert as the application received it


@dataclass(frozen=True, slots=True)
class Logged:
    """One request as a sidecar reported it to mixer (a line of mixer's access_log.jsonl).

    ``start_time`` has the log's resolution, a millisecond, rounded down.
    """

    reporter: str  # "source" or "destination"
    start_time: float
    response_code: int
    request_id: str
    path: str
    route_name: str
    source_workload: str
    destination_workload: str


def read_exchanges(lines: Iterable[str]) -> list[Exchange]:
    """The client's history. Raises ValueError for a line that is no record."""
    return [_record(Exchange, raw) for raw in _objects(lines)]


def read_served(text: str) -> list[Served]:
    """An application's request log; lines that are not JSON objects (a traceback ...) are passed over."""
    return [_record(Served, raw) for raw in _objects(text.splitlines(), strict=False) if "path" in raw]


def read_logged(text: str) -> list[Logged]:
    """The requests in mixer's access log; a last line still being written is left for the next reading."""
    whole = text[: text.rfind("\n") + 1]
    return [_logged(raw) for raw in _objects(whole.splitlines()) if raw.get("request_protocol") != "tcp"]


def _logged(raw: dict[str, Any]) -> Logged:
    """Null stands for unknown in the file; times are ISO 8601."""
    known = {name: value for name, value in raw.items() if value is not None}
    return Logged(
        reporter=known["reporter"],
        start_time=datetime.fromisoformat(known["start_time"]).timestamp(),
        response_code=int(known["response_code"]),
        request_id=known.get("request_id", ""),
        path=known["path"],
        route_name=known.get("route_name", ""),
        source_workload=known.get("source_workload", ""),
        destination_workload=known.get("destination_workload", ""),
    )


def count_served(exchanges: Iterable[Exchange]) -> Counter[str]:
    """Answers by version; requests that failed count for none."""
    return Counter(exchange.served for exchange in exchanges if exchange.ok)


def failures(exchanges: Iterable[Exchange]) -> list[Exchange]:
    return [exchange for exchange in exchanges if not exchange.ok]


def _record(kind: Any, raw: dict[str, Any]) -> Any:
    try:
        return kind(**{name: raw[name] for name in kind.__slots__ if name in raw})
    except TypeError as missing:
        raise ValueError(f"not a record of {kind.__name__}: {missing}") from None


def _objects(lines: Iterable[str], strict: bool = True) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except json.JSONDecodeError as error:
            if strict:
                raise ValueError(f"not a line of JSON: {line[:80]!r}") from error
            continue
        if isinstance(raw, dict):
            yield raw
