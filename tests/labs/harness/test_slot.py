from __future__ import annotations

import random
import socket

import pytest

from labs.harness import slot
from labs.harness.slot import NoSlot, Slot


def test_two_runs_never_share_a_network() -> None:
    first = Slot.acquire(random.Random(1))
    second = Slot.acquire(random.Random(1))
    assert first.number != second.number
    for one in (first, second):
        one.release()


def test_a_released_slot_can_be_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Slot.acquire()
    monkeypatch.setattr(slot, "SLOTS", range(taken.number, taken.number + 1))
    with pytest.raises(NoSlot, match="in use by other runs"):
        Slot.acquire()
    taken.release()
    again = Slot.acquire()
    assert again.number == taken.number
    again.release()


def test_every_address_is_its_own_and_can_be_bound() -> None:
    one = Slot.acquire()
    addresses = [one.control_plane, one.outside, *(f(n) for n in (1, 2) for f in (one.app, one.sidecar))]
    addresses += [one.outbound(pod, service) for pod in (1, 2) for service in (0, 1)]
    assert len(set(addresses)) == len(addresses)
    for address in addresses:
        with socket.socket() as probe:
            probe.bind((address, 0))
    one.release()
