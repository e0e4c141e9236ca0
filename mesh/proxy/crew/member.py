"""Another worker of this proxy, seen from the first: a process, and a pipe to it.

    start ──▶ Ready ──▶ orders, and answers to those that have a ticket ──▶ Leave ──▶ the pipe ends

Orders are written and answers waited for without going through the event loop: a configuration is in force
in all workers when ``apply`` returns. A worker that does not take or answer them in time is done for.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from multiprocessing.connection import Connection

from mesh.model.resources import Resources
from mesh.proxy.crew.messages import Applied, Apply, Count, Counted, Ejected, Order, Ready, Report, Start
from mesh.proxy.crew.tally import Tally

APPLY_TIMEOUT_S = 10.0
EXIT_TIMEOUT_S = 0.5  # from closing the pipe to the end of the process
_MESSAGE_TIMEOUT = struct.pack("ll", 5, 0)  # struct timeval: how long it may stop in the midst of a message


class Lost(Exception):
    """Its process has ended, or does not answer."""


class Member:
    """Whoever starts it dismisses it in the end."""

    def __init__(self, start: Start, ejected: Callable[[Ejected], None]) -> None:
        """Starts the process. Raises OSError when the system does not let it. ``ejected`` is called with each
        outlier that it finds."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mesh.proxy.crew.member_main", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                process_group=0,  # an interrupt from the terminal is for the first worker
            )
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _MESSAGE_TIMEOUT)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _MESSAGE_TIMEOUT)
        self._pipe = Connection(ours.detach())
        self._tickets = count(1)
        self._ejected = ejected
        self._problems: dict[int, str] = {}  # answers to Apply
        self._counting = 0  # the Count that has no answer yet
        self.tally: Tally | None = None  # the last one it sent
        self.is_ready = False
        self.tell(start)

    @property
    def pid(self) -> int:
        return self._process.pid

    def listen(self, loop: asyncio.AbstractEventLoop, hear: Callable[[], None]) -> None:
        """``hear`` is called when it has something to say, or has ended: then call ``hear`` of this."""
        loop.add_reader(self._pipe.fileno(), hear)
        os.set_blocking(self._pipe.fileno(), True)  # libuv's watcher makes it the other way

    def ignore(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._pipe.fileno())

    def tell(self, order: Order) -> None:
        """Raises Lost."""
        try:
            self._pipe.send(order)
        except OSError as error:
            raise Lost(str(error)) from None

    def begin_apply(self, resources: Resources) -> int:
        """The ticket for ``end_apply``; meanwhile others can be told. Raises Lost."""
        ticket = next(self._tickets)
        self.tell(Apply(ticket, resources))
        return ticket

    def end_apply(self, ticket: int) -> str:
        """Why it rejected the resources; empty: they are in force. Raises Lost."""
        deadline = time.monotonic() + APPLY_TIMEOUT_S
        while ticket not in self._problems:
            if not self.wait(deadline):
                raise Lost(f"no answer to a configuration for {APPLY_TIMEOUT_S:.0f} s")
        return self._problems.pop(ticket)

    def begin_count(self) -> None:
        """Ask for a tally, if the last question is answered. Raises Lost."""
        if not self._counting:
            self._counting = next(self._tickets)
            self.tell(Count(self._counting))

    def end_count(self, deadline: float) -> None:
        """Wait for the ``tally`` asked for, until ``deadline`` (of ``time.monotonic``). Raises Lost."""
        while self._counting and self.wait(deadline):
            pass

    def hear(self) -> None:
        """Take in what it has said. Raises Lost when its end of the pipe is closed."""
        while self.wait(0.0):
            pass

    def wait(self, deadline: float) -> bool:
        """Take in one report; False: there was none in time. Raises Lost."""
        try:
            if not self._pipe.poll(max(0.0, deadline - time.monotonic())):
                return False
            report: Report = self._pipe.recv()
        except (EOFError, ConnectionError):
            raise Lost(f"it ended, {self._status()}") from None
        except OSError as error:
            raise Lost(f"it stopped in the midst of a report: {error}") from None
        match report:
            case Ready():
                self.is_ready = True
            case Applied(ticket, problem):
                self._problems[ticket] = problem
            case Counted(ticket, tally):
                self.tally = tally
                if ticket == self._counting:
                    self._counting = 0
            case Ejected():
                self._ejected(report)
        return True

    def _status(self) -> str:
        """How it ended; a negative number is that of a signal."""
        try:
            return f"exit status {self._process.wait(EXIT_TIMEOUT_S)}"
        except subprocess.TimeoutExpired:
            return "its process has not"

    def dismiss(self) -> None:
        """End the process, if it has not ended."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()
