"""A /16 of the loopback network for one run, so that runs stand side by side without knowing of each other.

A run owns 127.X.0.0/16 for as long as it holds the lock socket 127.X.255.254:15999; the kernel lets go of it
when the run dies, however it dies.

    127.X.0.1    control plane          127.X.n.1  app of pod n      127.X.250.1  beside the mesh
                                        127.X.n.2  its sidecar
                                        127.X.n.10, .11 ...  where its app finds services
"""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

SLOTS = range(64, 251)  # clear of 127.0.x.x, where everybody else is
LOCK_PORT = 15999


class NoSlot(Exception):
    """Every /16 is taken by another run."""


@dataclass(frozen=True, slots=True)
class Slot:
    number: int
    lock: socket.socket

    @classmethod
    def acquire(cls, rng: random.Random | None = None) -> Slot:
        """Take any free slot. Raises NoSlot."""
        numbers = list(SLOTS)
        (rng or random.Random()).shuffle(numbers)
        for number in numbers:
            lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                lock.bind((f"127.{number}.255.254", LOCK_PORT))
                lock.listen(1)
            except OSError:
                lock.close()
            else:
                return cls(number, lock)
        raise NoSlot(f"all of 127.{SLOTS[0]}-{SLOTS[-1]}.0.0/16 are in use by other runs")

    def release(self) -> None:
        self.lock.close()

    @property
    def control_plane(self) -> str:
        return f"127.{self.number}.0.1"

    @property
    def outside(self) -> str:
        return f"127.{self.number}.250.1"

    def app(self, pod: int) -> str:
        """Pods count from 1."""
        return f"127.{self.number}.{pod}.1"

    def sidecar(self, pod: int) -> str:
        return f"127.{self.number}.{pod}.2"

    def outbound(self, pod: int, service: int) -> str:
        """Where the pod's sidecar listens for a service; services count from 0."""
        return f"127.{self.number}.{pod}.{10 + service}"
