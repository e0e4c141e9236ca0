"""All workers of a proxy, as if they were one: all are told what it is told, what they count is added up.

The first worker is this process; the others are ``Member``s. One that is lost is replaced, and its numbers
stay in the sum. With a concurrency of 1 there are no others, and nothing here costs anything.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.model.tls import Secrets
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.crew.member import Lost, Member
from mesh.proxy.crew.messages import Drain, Ejected, Identify, Leave, Order, Reset, SetLevel, Start
from mesh.proxy.crew.tally import Tally, counters_only, total
from mesh.proxy.data_plane import DataPlane
from mesh.xds.errors import Rejected

START_TIMEOUT_S = 30.0
REPLACE_AFTER_S = 1.0
COUNT_TIMEOUT_S = 1.0  # then a worker's numbers are those of the last time
LEAVE_MARGIN_S = 2.0

log = logging.getLogger("mesh.proxy")


class Crew:
    """``plane`` is the first worker's. ``start`` before the rest."""

    def __init__(self, plane: DataPlane, node: Node, bootstrap: Bootstrap) -> None:
        self.plane = plane
        self.size = bootstrap.concurrency
        self._node = node
        self._bootstrap = bootstrap
        self._members: list[Member] = []
        self._departed: Tally | None = None
        self._configured = False
        self._is_leaving = False
        self._changed = asyncio.Event()  # a member became ready, or was lost
        self._replacing: list[asyncio.TimerHandle] = []
        plane.worker.on_ejected = self._tell_all

    @property
    def pids(self) -> Sequence[int]:
        return [os.getpid(), *(member.pid for member in self._members)]

    # the members' lives

    async def start(self) -> None:
        """Returns when all take orders. Raises RuntimeError when one does not come up, OSError likewise."""
        for _ in range(self.size - 1):
            self._recruit()
        await self._until(lambda: len(self._ready()) == self.size - 1, START_TIMEOUT_S)
        if len(self._ready()) < self.size - 1:
            raise RuntimeError(f"{len(self._ready()) + 1} of {self.size} workers started")

    async def _until(self, done: Callable[[], bool], timeout_s: float) -> None:
        deadline = self.plane.worker.loop.time() + timeout_s
        while not done() and (left := deadline - self.plane.worker.loop.time()) > 0:
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _recruit(self) -> None:
        loggers = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "mesh"]
        levels = {name: logging.getLogger(name).level for name in loggers}
        levels[""] = logging.root.level
        try:
            member = Member(Start(self._node, self._bootstrap, levels), self._eject)
        except (Lost, OSError) as error:
            log.error("a worker did not start: %s", error)
            self._replace()
            return
        self._members.append(member)
        member.listen(self.plane.worker.loop, lambda: self._hear(member))

    def _replace(self) -> None:
        if not self._is_leaving:
            loop = self.plane.worker.loop
            self._replacing = [one for one in self._replacing if one.when() > loop.time()]
            self._replacing.append(loop.call_later(REPLACE_AFTER_S, self._recruit))

    def _hear(self, member: Member) -> None:
        was_ready = member.is_ready
        try:
            member.hear()
            if member.is_ready and not was_ready:
                self._welcome(member)
        except Lost as why:
            self._lose(member, why)

    def _welcome(self, member: Member) -> None:
        """Tell it what the others know. Raises Lost."""
        secrets = self.plane.worker.contexts.secrets
        if secrets is not None:
            member.tell(Identify(secrets))
        if self._configured:
            problem = member.end_apply(member.begin_apply(self.plane.config.resources))
            if problem:
                raise Lost(problem)
            for ejected in self.plane.ejections():
                member.tell(ejected)
        self._changed.set()

    def _lose(self, member: Member, why: Lost) -> None:
        member.ignore(self.plane.worker.loop)
        member.dismiss()
        self._members.remove(member)
        if member.tally is not None:
            before = [self._departed] if self._departed is not None else []
            self._departed = total([counters_only(member.tally), *before])
        self._changed.set()
        if not self._is_leaving:
            log.error("worker %d is lost: %s", member.pid, why)
            self._replace()

    def _ready(self) -> list[Member]:
        return [member for member in self._members if member.is_ready]

    def _for_each(self, act: Callable[[Member], None]) -> None:
        for member in self._ready():
            try:
                act(member)
            except Lost as why:
                self._lose(member, why)

    def _tell_all(self, order: Order) -> None:
        self._for_each(lambda member: member.tell(order))

    def _eject(self, ejected: Ejected) -> None:
        """A member has found an outlier; to itself that is no news."""
        self.plane.eject(ejected)
        self._tell_all(ejected)

    # what a data plane is told and asked

    def identify(self, secrets: Secrets) -> None:
        """Raises ssl.SSLError when they are none."""
        self.plane.identify(secrets)
        self._tell_all(Identify(secrets))

    def apply(self, resources: Resources) -> None:
        """All workers take it, or none. Raises Rejected."""
        before = self.plane.config.resources
        tickets = self._begin_apply(resources)
        try:
            self.plane.apply(resources)
        except Rejected:
            self._end_apply(tickets)
            self._end_apply(self._begin_apply(before))
            raise
        problems = self._end_apply(tickets)
        if problems:
            self.plane.apply(before)
            self._end_apply(self._begin_apply(before))
            raise Rejected(problems[0])
        self._configured = True

    def _begin_apply(self, resources: Resources) -> dict[Member, int]:
        tickets: dict[Member, int] = {}
        self._for_each(lambda member: tickets.update({member: member.begin_apply(resources)}))
        return tickets

    def _end_apply(self, tickets: dict[Member, int]) -> list[str]:
        problems: list[str] = []
        self._for_each(lambda member: problems.append(member.end_apply(tickets[member])))
        return [problem for problem in problems if problem]

    def tally(self) -> Tally:
        """The sum; of one worker alone the living numbers."""
        deadline = time.monotonic() + COUNT_TIMEOUT_S
        self._for_each(Member.begin_count)
        self._for_each(lambda member: member.end_count(deadline))
        others = [member.tally for member in self._members if member.tally is not None]
        departed = [self._departed] if self._departed is not None else []
        own = self.plane.tally()
        return total([own, *others, *departed]) if others or departed else own

    def reset(self) -> None:
        self.plane.reset()
        self._departed = None
        self._tell_all(Reset())

    def drain(self, graceful: bool) -> None:
        self.plane.drain(graceful)
        self._tell_all(Drain(graceful))

    def set_level(self, logger: str, level: int) -> None:
        logging.getLogger(logger).setLevel(level)
        self._tell_all(SetLevel(logger, level))

    async def leave(self) -> None:
        """Returns when the process may end."""
        self._is_leaving = True
        self._tell_all(Leave())
        await self.plane.leave()
        await self._until(lambda: not self._members, LEAVE_MARGIN_S)

    def stop(self) -> None:
        """Whoever is left ends now."""
        self._is_leaving = True
        for timer in self._replacing:
            timer.cancel()
        for member in list(self._members):
            self._lose(member, Lost("not needed any more"))
