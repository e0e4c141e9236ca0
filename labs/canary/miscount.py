"""A sidecar that forgets to count one request: ``python -m labs.canary.miscount proxy ...``.

It is `meshctl` with one method replaced, so that nothing in the mesh itself knows of sabotage. Both engines
count through that method: the Python proxy at the end of a request, Envoy's agent from Envoy's access log.
"""

from __future__ import annotations

from mesh.ctl.main import main
from mesh.model.request_report import RequestReport
from mesh.proxy.istio_stats import IstioStats

FORGOTTEN = 10  # the how-manieth request is not counted


def forget_one(stats: type[IstioStats]) -> None:
    """Make all instances together lose one record."""
    record, seen = stats.record, 0

    def record_but_one(self: IstioStats, report: RequestReport) -> None:
        nonlocal seen
        seen += 1
        if seen != FORGOTTEN:
            record(self, report)

    stats.record = record_but_one  # type: ignore[method-assign]


if __name__ == "__main__":
    forget_one(IstioStats)
    main()
