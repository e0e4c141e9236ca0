"""Another worker of this proxy, seen from the first: a process, and a pipe to it.

    start ──▶ Ready ──▶ orders, and answers to those that have a ticket ──▶ Leave ──▶ the pipe ends

Orders are written and answers waited for without going through the event loop: a configuration is in force
in all workers when ``apply`` returns. A worker that does not take or answer them in time is done for.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import time
from itertools import count
from multiprocessing.connection import Connection

from mesh.model.resources import Resources
from mesh.proxy.crew.messages import Applied, Apply, Count, Counted, Order, Ready, Report, Start
from mesh.proxy.crew.tally import Tally

APPLY_TIMEOUT_S = 10.0
_SEND_TIMEOUT = struct.pack("ll", 5, 0)  # SO_SNDTIMEO's struct timeval


class Lost(Exception):
    """Its process has ended, or does not answer."""


class Member:
    """``fileno`` is readable when it has something to say (``hear``), or has ended."""

    def __init__(self, start: Start) -> None:
        """Starts the process. Raises OSError when the system does not let it."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mesh.proxy.crew.member_main", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                process_group=0,  # an interrupt from the terminal is for the first worker
            )
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        self._pipe = Connection(ours.detach())
        self._tickets = count(1)
        self._problems: dict[int, str] = {}  # answers to Apply
        self._counting = 0  # the Count that has no answer yet
        self.tally: Tally | None = None  # the last one it sent
        self.is_ready = False
        self.tell(start)

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._pipe.fileno()

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
            if not self._hear_until(deadline):
                raise Lost(f"no answer to a configuration for {APPLY_TIMEOUT_S:.0f} s")
        return self._problems.pop(ticket)

    def begin_count(self) -> None:
        """Ask for a tally, if the last question is answered. Raises Lost."""
        if not self._counting:
            self._counting = next(self._tickets)
            self.tell(Count(self._counting))

    def end_count(self, deadline: float) -> None:
        """Wait for the ``tally`` asked for, until ``deadline`` (of ``time.monotonic``). Raises Lost."""
        while self._counting and self._hear_until(deadline):
            pass

    def hear(self) -> None:
        """Take in what it has said. Raises Lost when its end of the pipe is closed."""
        while self._hear_until(0.0):
            pass

    def _hear_until(self, deadline: float) -> bool:
        """Take in one report; False: there was none in time."""
        try:
            if not self._pipe.poll(max(0.0, deadline - time.monotonic())):
                return False
            report: Report = self._pipe.recv()
        except (EOFError, OSError):
            raise Lost("it ended") from None
        match report:
            case Ready():
                self.is_ready = True
            case Applied(ticket, problem):
                self._problems[ticket] = problem
            case Counted(ticket, tally):
                self.tally = tally
                if ticket == self._counting:
                    self._counting = 0
        return True

    def dismiss(self) -> None:
        """End the process, if it has not ended."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()
