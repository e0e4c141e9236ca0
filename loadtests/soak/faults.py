"""What goes wrong, and when: drawn from a seed, so that a run can be had again.

A stalled origin accepts and does not answer; a killed one is started again; a change of configuration is live
in every sidecar before anything else is done.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random

from labs.harness.mesh_api import MeshApi
from labs.harness.process_runtime import ProcessRuntime

PAUSE_S = (0.1, 0.6)
STALL_S = (0.2, 1.5)
TIMEOUT_S, PER_TRY_S, RETRIES = 3, 1, 2

_CONFIGURATION = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: echo, namespace: default}}
spec:
  host: echo
  trafficPolicy:
    loadBalancer: {{simple: {balancer}}}
    connectionPool: {{http: {{maxRequestsPerConnection: {requests}}}}}
    outlierDetection: {{consecutive5xxErrors: {errors}, interval: 1s, baseEjectionTime: 1s}}
  subsets:
{subsets}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: echo, namespace: default}}
spec:
  hosts: [echo]
  http:
  - match: [{{uri: {{regex: "/.*{digit}"}}}}]
    headers: {{request: {{set: {{x-soak: "{digit}"}}}}}}
    timeout: {timeout}s
    retries: {{attempts: {retries}, perTryTimeout: {per_try}s, retryOn: "{retry_on}"}}
    route: [{{destination: {{host: echo}}}}]
  - timeout: {timeout}s
    retries: {{attempts: {retries}, perTryTimeout: {per_try}s, retryOn: "{retry_on}"}}
    route:
{routes}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: {mode}}}}}
"""


def configuration(rng: Random, versions: list[str]) -> str:
    """Weights, routes, clusters (subsets come and go), their policies, who may speak plaintext: all anew."""
    chosen = rng.sample(versions, rng.randint(1, len(versions)))
    shares = [rng.randint(1, 100) for _ in chosen[1:]]
    weights = [share * 100 // (sum(shares) + 50) for share in shares]
    weights = [100 - sum(weights), *weights]
    subsets = [f"  - {{name: {version}, labels: {{version: {version}}}}}" for version in chosen]
    routes = [
        f"    - {{destination: {{host: echo, subset: {version}}}, weight: {weight}}}"
        for version, weight in zip(chosen, weights, strict=True)
    ]
    return _CONFIGURATION.format(
        balancer=rng.choice(("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM")),
        requests=rng.choice((0, 1, 50)),
        errors=rng.choice((3, 20)),
        subsets="\n".join(subsets),
        routes="\n".join(routes),
        digit=rng.randint(0, 9),
        timeout=TIMEOUT_S,
        per_try=PER_TRY_S,
        retry_on="connect-failure,refused-stream,reset,503",
        retries=RETRIES,
        mode=rng.choice(("STRICT", "PERMISSIVE")),
    )


class Faults:
    """``pods`` are the origins', by their versions. ``done`` counts what was done."""

    def __init__(self, runtime: ProcessRuntime, pods: dict[str, str], rng: Random) -> None:
        self.done: Counter[str] = Counter()
        self._runtime = runtime
        self._api = MeshApi(runtime.control_plane)
        self._pods = pods
        self._rng = rng

    async def configure(self) -> None:
        await self._api.apply(configuration(self._rng, list(self._pods)), "soak.yaml")

    async def run(self, seconds: float) -> None:
        """One after the other, until the time is up; everything runs again at the end."""
        actions: dict[str, Callable[[], Awaitable[None]]] = {
            "kill": self._kill,
            "stall": self._stall,
            "reset": self._reset,
            "configuration": self.configure,
        }
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            name = self._rng.choice(list(actions))
            await actions[name]()
            self.done[name] += 1
            await asyncio.sleep(self._rng.uniform(*PAUSE_S))

    async def _kill(self) -> None:
        await self._runtime.restart_app(self._pod())

    async def _stall(self) -> None:
        pid = await self._pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._rng.uniform(*STALL_S))
        finally:
            os.kill(pid, signal.SIGCONT)

    async def _reset(self) -> None:
        os.kill(await self._pid(), signal.SIGUSR1)

    def _pod(self) -> str:
        return self._pods[self._rng.choice(list(self._pods))]

    async def _pid(self) -> int:
        return int((await self._runtime.identity(self._pod(), "app")).id)
