from __future__ import annotations

import pytest

from mesh.ctl.errors import CommandError
from mesh.ctl.kinds import SHORT_NAMES, kind_of
from mesh.galley.api.kinds import KINDS
from mesh.model.names import plural


@pytest.mark.parametrize("word", ["vs", "VirtualService", "virtualservices", "VIRTUALSERVICE"])
def test_all_spellings_of_a_kind_are_one(word: str) -> None:
    assert kind_of(word) == "VirtualService"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("ServiceEntry", "serviceentries"),
        ("Gateway", "gateways"),
        ("PeerAuthentication", "peerauthentications"),
    ],
)
def test_plurals_are_kubectls(kind: str, word: str) -> None:
    assert plural(kind) == word
    assert kind_of(word) == kind


def test_every_kind_galley_takes_can_be_typed() -> None:
    assert set(SHORT_NAMES) == set(KINDS)


def test_a_slip_of_the_pen_is_mended() -> None:
    with pytest.raises(CommandError, match=r'"virtualservce"; did you mean "virtualservice"\?') as wrong:
        kind_of("virtualservce")
    assert wrong.value.status == 2


def test_what_resembles_nothing_gets_the_list() -> None:
    with pytest.raises(CommandError, match="there are VirtualService, DestinationRule"):
        kind_of("zzz")
