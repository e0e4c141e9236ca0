"""The receiving half against RFC 9113, section by section, as h2spec asks it."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.http.h2 import frames
from mesh.http.h2.errors import Code
from mesh.http.h2.frames import PREFACE, frame, rst_stream, window_update
from mesh.http.h2.stream import Stream

HEAD = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"))
POST = ((b":method", b"POST"), *HEAD[1:])


def raw(*fields):
    return b"".join(b"\0" + bytes((len(n),)) + n + bytes((len(v),)) + v for n, v in fields)


def head(stream=1, fields=HEAD, end=True, flags=frames.END_HEADERS, extra=b"", tail=b""):
    return frame(frames.HEADERS, flags | end, stream, extra + raw(*fields) + tail)


def more(fields=(), stream=1, end_headers=True, content=None):
    payload = raw(*fields) if content is None else content
    return frame(frames.CONTINUATION, frames.END_HEADERS if end_headers else 0, stream, payload)


def data(content=b"x", stream=1, end=False):
    return frame(frames.DATA, int(end), stream, content)


def setting(identifier, value, stream=0, flags=0):
    return frame(frames.SETTINGS, flags, stream, identifier.to_bytes(2) + value.to_bytes(4))


def post(*extra, end=False):
    return head(1, (*POST, *extra), end)


PRIORITY = frames.HAS_PRIORITY | frames.END_HEADERS
UNENDED = frame(frames.HEADERS, 1, 1, raw(*HEAD))
PROTOCOL, CLOSED, SIZE, FLOW = (
    Code.PROTOCOL_ERROR,
    Code.STREAM_CLOSED,
    Code.FRAME_SIZE_ERROR,
    Code.FLOW_CONTROL_ERROR,
)
# (RFC 9113 section and what is wrong, what the client sends, the code it gets in GOAWAY or RST_STREAM)
REFUSED = [
    ("4.2 a frame larger than our maximum", [post(), data(b"x" * 16385)], SIZE),
    ("4.2 a large HEADERS frame", [head(tail=b"x" * 16385)], SIZE),
    ("4.3 an invalid header block", [frame(frames.HEADERS, 5, 1, b"\x80")], Code.COMPRESSION_ERROR),
    ("4.3 half a literal", [frame(frames.HEADERS, 5, 1, b"\x82\x00\x01a")], Code.COMPRESSION_ERROR),
    ("4.3 half an integer", [frame(frames.HEADERS, 5, 1, b"\x82\xff\x80")], Code.COMPRESSION_ERROR),
    ("4.3 an incomplete literal", [frame(frames.HEADERS, 5, 1, b"\x00\x05ab")], Code.COMPRESSION_ERROR),
    ("4.3 PRIORITY inside a header block", [UNENDED, frame(frames.PRIORITY, 0, 1, b"\0" * 5)], PROTOCOL),
    ("4.3 HEADERS of another stream inside a block", [UNENDED, head(3)], PROTOCOL),
    ("5.1 idle: DATA", [data()], PROTOCOL),
    ("5.1 idle: RST_STREAM", [rst_stream(1, 8)], PROTOCOL),
    ("5.1 idle: WINDOW_UPDATE", [window_update(1, 10)], PROTOCOL),
    ("5.1 idle: CONTINUATION", [more(HEAD)], PROTOCOL),
    ("5.1 half-closed (remote): DATA", [head(), data()], CLOSED),
    ("5.1 half-closed (remote): HEADERS", [head(), head()], CLOSED),
    ("5.1 half-closed (remote): CONTINUATION", [head(), more(HEAD)], PROTOCOL),
    ("5.1 closed by RST_STREAM: DATA", [post(), rst_stream(1, 8), data()], CLOSED),
    ("5.1 closed by RST_STREAM: HEADERS", [post(), rst_stream(1, 8), head()], CLOSED),
    ("5.1 closed by RST_STREAM: CONTINUATION", [post(), rst_stream(1, 8), more(HEAD)], PROTOCOL),
    ("5.1.1 an even stream identifier", [head(2)], PROTOCOL),
    ("5.1.1 a smaller stream identifier", [head(5), head(3)], PROTOCOL),
    ("5.3.1 HEADERS depend on themselves", [head(flags=PRIORITY, extra=b"\0\0\0\1\0")], PROTOCOL),
    ("6.1 DATA on stream 0", [data(stream=0)], PROTOCOL),
    ("6.1 DATA with too much padding", [post(), frame(frames.DATA, 9, 1, b"\x05abc")], PROTOCOL),
    ("6.2 HEADERS on stream 0", [head(0)], PROTOCOL),
    ("6.2 HEADERS with too much padding", [head(flags=0xC, extra=b"\xff")], PROTOCOL),
    ("6.2 HEADERS too short for a priority", [frame(frames.HEADERS, 0x25, 1, b"\0")], SIZE),
    ("6.3 PRIORITY on stream 0", [frame(frames.PRIORITY, 0, 0, b"\0\0\0\1\0")], PROTOCOL),
    ("6.3 PRIORITY of 4 bytes", [post(), frame(frames.PRIORITY, 0, 1, b"\0" * 4)], SIZE),
    ("6.4 RST_STREAM on stream 0", [rst_stream(0, 8)], PROTOCOL),
    ("6.4 RST_STREAM of 3 bytes", [post(), frame(frames.RST_STREAM, 0, 1, b"\0" * 3)], SIZE),
    ("6.5 SETTINGS ACK with a payload", [setting(3, 1, flags=1)], SIZE),
    ("6.5 SETTINGS on a stream", [setting(3, 1, stream=1)], PROTOCOL),
    ("6.5 SETTINGS of 5 bytes", [frame(frames.SETTINGS, 0, 0, b"\0" * 5)], SIZE),
    ("6.5.2 ENABLE_PUSH of 2", [setting(2, 2)], PROTOCOL),
    ("6.5.2 INITIAL_WINDOW_SIZE above the maximum", [setting(4, 2**31)], FLOW),
    ("6.5.2 MAX_FRAME_SIZE below the minimum", [setting(5, 16383)], PROTOCOL),
    ("6.5.2 MAX_FRAME_SIZE above the maximum", [setting(5, 2**24)], PROTOCOL),
    ("6.6 PUSH_PROMISE from a client", [frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2")], PROTOCOL),
    ("6.7 PING on a stream", [frame(frames.PING, 0, 1, b"\0" * 8)], PROTOCOL),
    ("6.7 PING of 6 bytes", [frame(frames.PING, 0, 0, b"\0" * 6)], SIZE),
    ("6.8 GOAWAY on a stream", [frame(frames.GOAWAY, 0, 1, b"\0" * 8)], PROTOCOL),
    ("6.9 WINDOW_UPDATE of 0 on the connection", [window_update(0, 0)], PROTOCOL),
    ("6.9 WINDOW_UPDATE of 0 on a stream", [post(), window_update(1, 0)], PROTOCOL),
    ("6.9 WINDOW_UPDATE of 3 bytes", [frame(frames.WINDOW_UPDATE, 0, 0, b"\0" * 3)], SIZE),
    ("6.9.1 the connection's window overflows", [window_update(0, 2**31 - 1)], FLOW),
    ("6.9.1 a stream's window overflows", [post(), window_update(1, 2**31 - 1)], FLOW),
    ("6.9.2 a new initial window overflows", [post(), window_update(1, 100), setting(4, 2**31 - 1)], FLOW),
    ("6.10 CONTINUATION on stream 0", [UNENDED, more(stream=0)], PROTOCOL),
    ("6.10 CONTINUATION of another stream", [UNENDED, more(stream=3)], PROTOCOL),
    ("6.10 CONTINUATION after END_HEADERS", [head(), more(HEAD)], PROTOCOL),
    ("6.10 CONTINUATION after DATA", [post(), data(), more(HEAD)], PROTOCOL),
    ("8.1 trailers without END_STREAM", [post(), head(1, ((b"x", b"y"),), end=False)], PROTOCOL),
    ("8.1.1 DATA that does not add up", [post((b"content-length", b"2")), data(b"x", end=True)], PROTOCOL),
    ("8.1.1 DATA beyond the length", [post((b"content-length", b"2")), data(b"xyz")], PROTOCOL),
    ("8.1.1 a length and no DATA", [post((b"content-length", b"2"), end=True)], PROTOCOL),
    ("8.1.1 trailers too early", [post((b"content-length", b"2")), head(1, ((b"x", b"y"),))], PROTOCOL),
    ("8.2 an upper-case name", [head(1, (*HEAD, (b"X-TEST", b"ok")))], PROTOCOL),
    ("8.2.1 a name with a space", [head(1, (*HEAD, (b"x test", b"ok")))], PROTOCOL),
    ("8.2.1 a value with CR LF", [head(1, (*HEAD, (b"x", b"a\r\nb: c")))], PROTOCOL),
    ("8.2.1 a value with NUL", [head(1, (*HEAD, (b"x", b"a\0")))], PROTOCOL),
    ("8.2.2 connection", [head(1, (*HEAD, (b"connection", b"keep-alive")))], PROTOCOL),
    ("8.2.2 transfer-encoding", [head(1, (*POST, (b"transfer-encoding", b"chunked")))], PROTOCOL),
    ("8.2.2 te other than trailers", [head(1, (*HEAD, (b"te", b"trailers, deflate")))], PROTOCOL),
    ("8.3 an unknown pseudo-header", [head(1, (*HEAD, (b":test", b"ok")))], PROTOCOL),
    ("8.3 a response's pseudo-header", [head(1, (*HEAD, (b":status", b"200")))], PROTOCOL),
    ("8.3 a pseudo-header in trailers", [post(), head(1, ((b":method", b"GET"),))], PROTOCOL),
    ("8.3 a pseudo-header after a field", [head(1, ((b"x", b"y"), *HEAD))], PROTOCOL),
    ("8.3.1 an empty path", [head(1, (*HEAD[:2], (b":path", b""), HEAD[3]))], PROTOCOL),
    ("8.3.1 no method", [head(1, HEAD[1:])], PROTOCOL),
    ("8.3.1 no scheme", [head(1, (HEAD[0], *HEAD[2:]))], PROTOCOL),
    ("8.3.1 no path", [head(1, (*HEAD[:2], HEAD[3]))], PROTOCOL),
    ("8.3.1 two methods", [head(1, (HEAD[0], *HEAD))], PROTOCOL),
    ("8.3.1 two paths", [head(1, (HEAD[2], *HEAD))], PROTOCOL),
    ("8.3.1 a host that is another", [head(1, (*HEAD, (b"host", b"b")))], PROTOCOL),
    ("10.5 an endless header block", [UNENDED] + [more(content=b"\0" * 16000, end_headers=False)] * 4,
     Code.ENHANCE_YOUR_CALM),
    ("10.5 a header block in crumbs", [UNENDED] + [more(content=b"\0", end_headers=False)] * 65,
     Code.ENHANCE_YOUR_CALM),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_breaks_the_rules_is_refused(peer, sent, code):
    peer.send(*sent)
    assert peer.verdict() == code


ACCEPTED = [
    ("3.4 the preface", [], []),
    ("4.1 an unknown frame type", [frame(0xEE, 0, 0, b"\0" * 8)], []),
    ("4.1 undefined flags", [frame(frames.PING, 0x16, 0, b"12345678")], []),
    ("4.1 the reserved bit", [frame(frames.PING, 0, 0x80000000, b"12345678")], []),
    ("4.2 DATA of the largest size", [post(), data(b"x" * 16384)], [b"x" * 16384]),
    ("5.1 closed: PRIORITY", [head(), rst_stream(1, 8), frame(frames.PRIORITY, 0, 1, b"\0\0\0\5\0")], []),
    ("5.1 closed: RST_STREAM", [head(), rst_stream(1, 8), rst_stream(1, 8)], []),
    ("5.1 closed: WINDOW_UPDATE", [head(), rst_stream(1, 8), window_update(1, 5)], []),
    ("5.3.1 PRIORITY depends on itself", [frame(frames.PRIORITY, 0, 1, b"\0\0\0\1\0")], []),
    ("6.1 DATA with padding", [post(), frame(frames.DATA, 9, 1, b"\x02abc\0\0")], [b"abc"]),
    ("6.2 HEADERS with padding and priority", [head(flags=0x2C, extra=b"\2\0\0\0\3\0", tail=b"\0\0")], []),
    ("6.5 SETTINGS with ACK", [frame(frames.SETTINGS, 1, 0, b"")], []),
    ("8.3.1 a scheme of its own", [head(1, (*HEAD[:1], (b":scheme", b"ftp"), *HEAD[2:]))], []),
    ("6.5.2 an unknown setting", [setting(0xFF, 1)], []),
    ("6.7 a PING's answer nobody asked for", [frame(frames.PING, 1, 0, b"12345678")], []),
    ("6.10 CONTINUATION", [frame(frames.HEADERS, 1, 1, b""), more(HEAD, end_headers=False), more()], []),
    ("8.1 trailers", [post(), data(), head(1, ((b"x", b"y"),))], [b"x"]),
    ("8.2.2 te: trailers", [head(1, (*HEAD, (b"te", b"trailers")))], []),
]


@pytest.mark.parametrize(
    ("sent", "body"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED]
)
def test_what_keeps_the_rules_passes(peer, sent, body):
    peer.send(*sent)
    assert peer.verdict() is None
    assert [event[2] for event in peer.events if event[1] == "data" and event[2]] == body


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", PREFACE[:-1] + b"x"])
def test_3_4_a_wrong_preface_ends_it(peer_with, first):
    peer = peer_with(begin=False)
    peer.send(first)
    assert peer.goaway is Code.PROTOCOL_ERROR


def test_3_4_the_first_frame_must_be_settings(peer_with):
    peer = peer_with(begin=False)
    peer.send(PREFACE + frame(frames.PING, 0, 0, b"12345678"))
    assert peer.goaway is Code.PROTOCOL_ERROR


def test_5_1_2_streams_beyond_the_limit_are_refused_unseen(peer_with):
    peer = peer_with(max_streams=1)
    peer.send(head(1, POST, end=False), head(3))
    assert peer.resets == {3: Code.REFUSED_STREAM}
    assert [event[0] for event in peer.events] == [1]


def test_5_4_1_nothing_is_heard_after_a_connection_error(peer):
    peer.send(head(2), head(3))
    assert peer.goaway is Code.PROTOCOL_ERROR
    assert peer.events == []


def test_6_5_3_settings_and_6_7_pings_are_answered(peer):
    peer.send(setting(3, 5), frame(frames.PING, 0, 0, b"12345678"))
    assert [(f.kind, f.flags, f.payload) for f in peer.sent()] == [
        (frames.SETTINGS, frames.ACK, b""),
        (frames.PING, frames.ACK, b"12345678"),
    ]


def test_6_9_1_data_beyond_the_window_is_an_error(peer_with):
    peer = peer_with(stream_window=65535, connection_window=10**6)
    peer.send(post())
    peer.server.streams[1].pause_reading()
    for _ in range(4):
        peer.send(data(b"x" * 16384))
    assert peer.resets == {1: Code.FLOW_CONTROL_ERROR}


def test_8_1_data_that_was_on_its_way_to_a_reset_stream_is_dropped(peer):
    peer.send(post())
    peer.server.reset(peer.server.streams[1], Code.CANCEL)
    peer.sent()
    peer.send(data(), head(1, ((b"x", b"y"),)), head(3))
    assert peer.verdict() is None
    assert peer.events[-1][:2] == (3, "head")


OPENING = st.sampled_from(
    [
        head(1, POST, end=False) + data(b"abc") + data(b"", end=True),
        head(1, (*HEAD, (b"cookie", b"a"), (b"cookie", b"b"))),
        frame(frames.HEADERS, 0, 1, raw(*POST)) + more(((b"x", b"y"),)) + data(b"z" * 300, end=True),
        head(1, POST, end=False) + data(b"abc") + head(1, ((b"grpc-status", b"0"),)),
        head(1, POST, end=False) + rst_stream(1, 8) + data(b"late"),
        frame(frames.PING, 0, 0, b"12345678") + window_update(0, 0),
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPENING, st.lists(st.integers(0, 600), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(peer_with, messages, cuts):
    stream = PREFACE + frame(frames.SETTINGS, 0, 0, b"") + messages
    whole, pieces = peer_with(begin=False), peer_with(begin=False)
    whole.send(stream)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces.send(*(stream[a:b] for a, b in pairwise(places)))
    assert pieces.events == whole.events
    assert pieces.server.take_output() == whole.server.take_output()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_raise(peer_with, noise):
    peer = peer_with()
    peer.send(noise)
    assert peer.server.fault is None or peer.goaway is not None


@pytest.mark.parametrize("end", [b"\0\3abc", b"\0\3ab", b"\x3f\xe1", b"\xff", b"r"])
def test_a_header_block_that_ends_in_a_field_ends_the_connection(peer_with, wire, end):
    peer = peer_with()
    peer.send(frame(frames.HEADERS, frames.END_HEADERS | 1, 1, wire.raw(*HEAD) + end))
    assert peer.goaway == Code.COMPRESSION_ERROR


@pytest.mark.parametrize("byte", [*range(9), *range(10, 32), 127])
def test_a_control_character_makes_a_value_malformed(peer_with, wire, byte):
    peer = peer_with()
    peer.send(wire.headers(1, (*HEAD, (b"x", bytes((byte,))))))
    assert peer.resets == {1: Code.PROTOCOL_ERROR}


def test_a_wrong_preface_is_answered_once(peer_with):
    peer = peer_with(begin=False)
    peer.sent()
    peer.send(b"PRI * HTTP/1.1", b" and", b" more")
    assert [sent.kind for sent in peer.sent()] == [frames.GOAWAY]


# acting once on what one read brought


class Collecting(Stream):
    """Takes in what comes, and acts when all of the read is told."""

    def __init__(self, connection, stream_id, events):
        super().__init__(connection, stream_id)
        self.events = events
        self.pauses = False

    def note(self, *what):
        self.events.append((self.id, *what))

    def _asked(self):
        self.connection.arrivals[self] = None

    def head_received(self, message):
        self._asked()

    def data_received(self, data, end):
        self.note("took", len(data))
        self._asked()

    def trailers_received(self, trailers):
        self._asked()

    def reset_received(self, code):
        self.note("reset", code)

    def failed(self, fault):
        self.note("failed", fault.code)

    def arrived(self):
        if self.pauses:
            self.pause_reading()
        self.note("acts")


@pytest.fixture
def collecting(peer):
    peer.server._make_stream = lambda connection, number: Collecting(connection, number, peer.events)
    return peer


def test_a_stream_acts_once_on_all_that_a_read_brought(collecting):
    trailers = head(1, ((b"x-sum", b"1"),))
    collecting.send(post() + data(b"ab") + data(b"cd") + trailers)
    assert collecting.events == [(1, "took", 2), (1, "took", 2), (1, "acts")]


def test_streams_act_in_the_order_in_which_they_came(collecting):
    collecting.send(head(1, POST, end=False) + head(3, POST, end=False) + data(b"a", 3) + data(b"b", 1))
    assert [event for event in collecting.events if event[1] == "acts"] == [(1, "acts"), (3, "acts")]


def test_a_stream_acts_before_it_hears_of_its_reset(collecting):
    collecting.send(post() + data(b"ab") + rst_stream(1, 8))
    assert collecting.events == [(1, "took", 2), (1, "acts"), (1, "reset", 8)]


def test_a_stream_acts_before_it_fails(collecting):
    collecting.send(post() + data(b"ab") + window_update(1, 0))
    assert collecting.events == [(1, "took", 2), (1, "acts"), (1, "failed", Code.PROTOCOL_ERROR)]


def test_a_stream_that_acted_by_giving_up_hears_no_more(collecting):
    collecting.send(post())
    stream = collecting.server.streams[1]
    stream.arrived = lambda: collecting.server.reset(stream, Code.CANCEL)
    collecting.send(data(b"ab") + rst_stream(1, 8))
    assert collecting.events == [(1, "acts"), (1, "took", 2)]
    assert collecting.resets == {1: Code.CANCEL}


def test_streams_act_before_the_connection_ends_for_a_fault(collecting):
    collecting.send(post() + data(b"ab") + data(b"x", stream=99))
    assert collecting.events == [(1, "took", 2), (1, "acts")]
    assert collecting.goaway is Code.PROTOCOL_ERROR


def test_credit_is_given_after_the_stream_has_acted(collecting):
    """Else a stream that then has no room would have asked for more already."""
    half = 128 * 1024
    frames_of_half = b"".join(data(b"x" * 16384) for _ in range(half // 16384))
    collecting.send(post() + frames_of_half)
    assert [f.kind for f in collecting.sent()] == [frames.WINDOW_UPDATE]
    stream = collecting.server.streams[1]
    stream.pauses = True
    collecting.send(frames_of_half)
    assert (collecting.sent(), stream.held) == ([], half)
    stream.resume_reading()
    assert [f.kind for f in collecting.sent()] == [frames.WINDOW_UPDATE]
