"""Reading the observers of a mesh: the sidecars' metrics, mixer's access logs, the applications' own logs."""

from __future__ import annotations

from collections import Counter

import aiohttp

from labs.harness.history import Logged, Served, read_logged, read_served
from labs.harness.metrics import Counts, requests_total
from labs.harness.run import Run
from labs.harness.runtime import RuntimeFailure
from mesh.model.names import MERGED_METRICS_PORT

SCRAPE_TIMEOUT_S = 5.0


async def scrape(run: Run, *pods: str) -> Counts:
    """``istio_requests_total`` of the pods' sidecars together; of all when none is named."""
    counts: Counts = Counter()
    timeout = aiohttp.ClientTimeout(total=SCRAPE_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for pod in pods or tuple(workload.name for workload in run.topology.workloads):
            url = f"http://{run.runtime.address(pod)}:{MERGED_METRICS_PORT}/stats/prometheus"
            try:
                async with session.get(url) as response:
                    counts.update(requests_total(await response.text()))
            except (aiohttp.ClientError, TimeoutError) as error:
                raise RuntimeFailure(f"{pod}'s metrics cannot be scraped: {error!r}") from error
    return counts


async def access_log(run: Run) -> list[Logged]:
    """All that mixer has been told so far."""
    return read_logged(await run.runtime.mixer_log())


async def served(run: Run, since: float = 0.0) -> list[Served]:
    """What all applications answered since a moment (seconds since the epoch), by their own logs."""
    found: list[Served] = []
    for workload in run.topology.servers():
        found += read_served(await run.runtime.log(workload.name, "app"))
    return [request for request in found if request.time >= since]
