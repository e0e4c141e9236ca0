"""The dialogue of one type, request by request."""

from __future__ import annotations

from mesh.xds.subscription import ClientSubscription, Request, ServerSubscription


def server(*, may_be_wildcard: bool = False) -> ServerSubscription:
    return ServerSubscription(may_be_wildcard)


def asks(*names: str, version: str = "", nonce: str = "", error: str | None = None) -> Request:
    return Request("t", names, version, nonce, error)


def serving(*names: str) -> ServerSubscription:
    """A server that sent version v1 as its first response."""
    subscription = server()
    subscription.receive(asks(*names))
    assert subscription.send("v1") == "1"
    return subscription


class TestServer:
    def test_nothing_is_wanted_before_it_is_asked_for(self) -> None:
        assert not server().wants("v1")

    def test_the_first_request_is_owed_a_response(self) -> None:
        subscription = server()
        assert subscription.receive(asks("a")) == "subscribed"
        assert subscription.wants("v1")

    def test_the_first_request_of_a_reconnected_proxy_is_answered_though_it_tells_a_version(self) -> None:
        subscription = server()
        subscription.receive(asks("a", version="v1", nonce="from another stream"))
        assert subscription.wants("v1")

    def test_an_ack_settles(self) -> None:
        subscription = serving("a")
        assert not subscription.settled
        assert subscription.receive(asks("a", version="v1", nonce="1")) == "acked"
        assert subscription.accepted
        assert not subscription.wants("v1")
        assert subscription.wants("v2")

    def test_a_nack_settles_without_acceptance_and_is_not_answered_with_the_same(self) -> None:
        subscription = serving("a")
        assert subscription.receive(asks("a", nonce="1", error="no such thing")) == "nacked"
        assert subscription.settled
        assert not subscription.accepted
        assert subscription.error == "no such thing"
        assert not subscription.wants("v1")
        assert subscription.wants("v2")

    def test_a_nack_without_words_is_still_a_nack(self) -> None:
        subscription = serving("a")
        subscription.receive(asks("a", nonce="1", error=""))
        assert subscription.error

    def test_new_content_forgets_the_old_error(self) -> None:
        subscription = serving("a")
        subscription.receive(asks("a", nonce="1", error="bad"))
        subscription.send("v2")
        assert subscription.error == ""
        assert not subscription.settled

    def test_a_stale_nonce_changes_nothing(self) -> None:
        subscription = serving("a")
        subscription.send("v2")
        assert subscription.receive(asks("b", version="v1", nonce="1")) == "stale"
        assert subscription.names == frozenset("a")
        assert not subscription.settled

    def test_new_names_are_owed_a_response(self) -> None:
        subscription = serving("a")
        subscription.receive(asks("a", version="v1", nonce="1"))
        assert subscription.receive(asks("a", "b", version="v1", nonce="1")) == "updated"
        assert subscription.wants("v1")

    def test_an_ack_may_bring_new_names(self) -> None:
        subscription = serving("a")
        assert subscription.receive(asks("b", version="v1", nonce="1")) == "acked"
        assert subscription.names == frozenset("b")
        assert subscription.wants("v1")

    def test_fewer_names_are_not_owed_a_response(self) -> None:
        subscription = serving("a", "b")
        subscription.receive(asks("a", version="v1", nonce="1"))
        assert not subscription.wants("v1")

    def test_new_names_beside_an_unanswered_response_are_no_ack_of_it(self) -> None:
        subscription = serving("a")
        assert subscription.receive(asks("a", "b", version="", nonce="1")) == "updated"
        assert not subscription.accepted

    def test_no_names_mean_all_where_that_is_allowed(self) -> None:
        subscription = server(may_be_wildcard=True)
        subscription.receive(asks())
        assert subscription.names is None
        assert subscription.wants("v1")

    def test_no_names_mean_none_elsewhere(self) -> None:
        subscription = serving("a")
        subscription.receive(asks(version="v1", nonce="1"))
        assert subscription.names == frozenset()
        assert not subscription.wants("v2")

    def test_who_asks_for_nothing_any_more_owes_no_answer(self) -> None:
        subscription = serving("a")
        subscription.receive(asks(version="", nonce="1"))  # Envoy, on a response that it has no watch for
        assert subscription.settled

    def test_the_same_content_can_be_owed_again(self) -> None:
        subscription = serving("a")
        subscription.receive(asks("a", version="v1", nonce="1"))
        subscription.owe()
        assert subscription.wants("v1")
        subscription.send("v1")
        assert not subscription.accepted


class TestClient:
    def test_it_asks_once_for_the_same_names(self) -> None:
        subscription = ClientSubscription("t")
        assert subscription.subscribe(["b", "a"]) == asks("a", "b")
        assert subscription.subscribe(["a", "b"]) is None

    def test_an_ack_tells_the_version_and_nonce_received(self) -> None:
        subscription = ClientSubscription("t")
        subscription.subscribe()
        subscription.receive("v1", "n1")
        assert subscription.ack() == asks(version="v1", nonce="n1")

    def test_a_nack_tells_the_version_still_served(self) -> None:
        subscription = ClientSubscription("t")
        subscription.subscribe()
        subscription.receive("v1", "n1")
        subscription.ack()
        subscription.receive("v2", "n2")
        assert subscription.nack("bad") == asks(version="v1", nonce="n2", error="bad")

    def test_a_new_stream_starts_without_nonce_but_with_the_version(self) -> None:
        subscription = ClientSubscription("t")
        assert subscription.reopen() is None
        subscription.subscribe(["a"])
        subscription.receive("v1", "n1")
        subscription.ack()
        assert subscription.reopen() == asks("a", version="v1")

    def test_new_names_beside_an_unanswered_response_tell_the_older_version(self) -> None:
        subscription = ClientSubscription("t")
        subscription.subscribe(["a"])
        subscription.receive("v1", "n1")
        assert subscription.subscribe(["a", "b"]) == asks("a", "b", nonce="n1")


def test_both_ends_agree_over_a_whole_dialogue() -> None:
    here, there = ClientSubscription("t"), server()
    first = here.subscribe(["a"])
    assert first is not None
    there.receive(first)
    for version in ("v1", "v2", "v3"):
        assert there.wants(version)
        here.receive(version, there.send(version))
        assert there.receive(here.ack()) == "acked"
        assert here.version == version
