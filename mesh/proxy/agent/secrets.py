"""A workload's certificate: asked for, kept in memory only, and renewed in time.

    new key, CSR -> control plane -> chain -> subscribers (TLS contexts, SDS streams)

Both engines use it. While the control plane is away it keeps trying; the certificate in hand stays in
use, and half of its life is left for that.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mesh.citadel import istio_ca
from mesh.grpc.status import RpcError
from mesh.model.node import Node
from mesh.model.tls import Secrets
from mesh.proxy.agent import control_plane
from mesh.proxy.agent.csr_process import SigningRequest, make_request
from mesh.proxy.agent.issued import BadCertificate, read_chain
from mesh.proxy.agent.rotation import backoff_s, rotate_at
from mesh.proxy.bootstrap import Bootstrap

log = logging.getLogger(__name__)

Callback = Callable[[Secrets], None]

METHOD = f"/{istio_ca.SERVICE}/{istio_ca.METHOD}"
CALL_TIMEOUT_S = 5.0
# Long waits are cut, so that a machine that slept, or whose clock was set, renews soon after.
LONGEST_SLEEP_S = 60.0


class SecretManager:
    """``start`` returns with the first certificate in ``current``; ``subscribe`` tells of each later one."""

    def __init__(
        self,
        node: Node,
        bootstrap: Bootstrap,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.identity = node.spiffe_id
        self.expires = 0.0  # of the current certificate, seconds since the epoch
        self._bootstrap = bootstrap
        self._now = now
        self._sleep = sleep
        self._rng = rng or random.Random()
        self._secrets: Secrets | None = None
        self._first = asyncio.Event()
        self._callbacks: list[Callback] = []
        self._keeping: asyncio.Task[None] | None = None
        self._complaint = ""

    @property
    def current(self) -> Secrets:
        """What to use now. Raises RuntimeError before the first certificate came."""
        if self._secrets is None:
            raise RuntimeError(f"no certificate for {self.identity} yet")
        return self._secrets

    @property
    def has_secrets(self) -> bool:
        return self._secrets is not None

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Call back with each new certificate, on the event loop. The answer unsubscribes."""
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._callbacks.remove(callback)

        return unsubscribe

    async def start(self) -> None:
        """Begin, and wait for the first certificate, however long the control plane takes."""
        self._keeping = asyncio.create_task(self._keep(), name="secrets")
        first = asyncio.create_task(self._first.wait())
        try:
            await asyncio.wait({self._keeping, first}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            first.cancel()
        if self._keeping.done():
            self._keeping.result()

    async def stop(self) -> None:
        """End renewal; the current certificate stays readable."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping

    async def _keep(self) -> None:
        while True:
            issued = await self._renew()
            await self._sleep_until(rotate_at(issued, self.expires, self._rng))

    async def _renew(self) -> float:
        """Try until a certificate came, all the time with one key; answers the time it came."""
        failures = 0
        request: SigningRequest | None = None
        while True:
            try:
                request = request or await make_request(self.identity)
                return await self._ask(request)
            except (RpcError, BadCertificate, OSError) as failure:
                failures += 1
                self._complain(failure)
            await self._sleep(backoff_s(failures, self._rng))

    async def _ask(self, request: SigningRequest) -> float:
        message = istio_ca.IstioCertificateRequest(
            csr=request.csr, validity_duration=math.ceil(self._bootstrap.secret_ttl_s)
        )
        async with control_plane.open_channel(self._bootstrap) as channel:
            answer = await channel.unary(METHOD, message.SerializeToString(), timeout_s=CALL_TIMEOUT_S)
        chain = istio_ca.IstioCertificateResponse.FromString(answer).cert_chain
        secrets, self.expires = read_chain(chain, request.key_pem, self.identity)
        self._accept(secrets)
        return self._now()

    def _accept(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._complaint = ""
        self._first.set()
        for callback in tuple(self._callbacks):
            try:
                callback(secrets)
            except Exception:
                # one user's trouble must not end the renewal for all
                log.exception("a user of the certificate failed to take the new one")

    async def _sleep_until(self, moment: float) -> None:
        while (left := moment - self._now()) > 0:
            await self._sleep(min(left, LONGEST_SLEEP_S))

    def _complain(self, failure: Exception) -> None:
        """Log a failure once, not at each try."""
        complaint = str(failure)
        if complaint != self._complaint:
            log.warning("no certificate from %s, trying on: %s", self._bootstrap.control_plane, complaint)
            self._complaint = complaint
