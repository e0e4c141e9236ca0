from __future__ import annotations

from mesh.model.tls import Secrets, TlsCertificate
from mesh.proxy.agent.sds_stream import SdsStream

FIRST = Secrets(TlsCertificate(b"chain 1", b"key 1"), b"roots")
RENEWED = Secrets(TlsCertificate(b"chain 2", b"key 2"), b"roots")


def subscribed(*names: str) -> SdsStream:
    stream = SdsStream()
    stream.receive(names, "")
    return stream


def test_owes_nothing_before_it_is_asked() -> None:
    assert SdsStream().answer(FIRST) is None


def test_answers_a_subscription_once() -> None:
    stream = subscribed("default")
    answer = stream.answer(FIRST)
    assert answer is not None
    assert answer.names == ("default",)
    assert stream.answer(FIRST) is None


def test_an_ack_asks_for_nothing() -> None:
    stream = subscribed("default")
    answer = stream.answer(FIRST)
    assert answer is not None
    stream.receive(("default",), answer.nonce)
    assert stream.answer(FIRST) is None


def test_a_new_certificate_is_pushed_with_a_new_version_and_nonce() -> None:
    stream = subscribed("default")
    first, second = stream.answer(FIRST), stream.answer(RENEWED)
    assert first is not None
    assert second is not None
    assert (first.version, first.nonce) != (second.version, second.nonce)


def test_roots_that_did_not_change_are_not_pushed_again() -> None:
    stream = subscribed("ROOTCA")
    assert stream.answer(FIRST) is not None
    assert stream.answer(RENEWED) is None


def test_a_nack_is_kept_and_the_same_secret_is_not_sent_again() -> None:
    stream = subscribed("default")
    answer = stream.answer(FIRST)
    assert answer is not None
    stream.receive(("default",), answer.nonce, "bad key")
    assert stream.error == "bad key"
    assert stream.answer(FIRST) is None
    assert stream.answer(RENEWED) is not None


def test_a_request_that_answers_an_older_nonce_changes_nothing() -> None:
    stream = subscribed("default")
    first = stream.answer(FIRST)
    assert first is not None
    stream.answer(RENEWED)
    stream.receive(("ROOTCA",), first.nonce)
    assert stream.names == ("default",)


def test_more_names_are_answered_though_nothing_changed() -> None:
    stream = subscribed("default")
    answer = stream.answer(FIRST)
    assert answer is not None
    stream.receive(("default", "ROOTCA"), answer.nonce)
    again = stream.answer(FIRST)
    assert again is not None
    assert again.names == ("default", "ROOTCA")


def test_an_unknown_name_is_left_out() -> None:
    answer = subscribed("default", "other").answer(FIRST)
    assert answer is not None
    assert answer.names == ("default",)


def test_versions_are_those_of_the_content() -> None:
    one, other = subscribed("default").answer(FIRST), subscribed("default").answer(FIRST)
    assert one == other
