import pytest

from mesh.model.protocol import protocol_of


@pytest.mark.parametrize(
    ("name", "app_protocol", "protocol"),
    [
        ("http", "", "HTTP"),
        ("http2-x", "", "HTTP2"),
        ("grpc-api", "", "GRPC"),
        ("grpc-web", "", "GRPC"),
        ("tcp-db", "", "TCP"),
        ("https", "", "HTTPS"),
        ("mysql", "", "TCP"),
        ("tcp-x", "http", "HTTP"),
        ("HTTP-x", "", "HTTP"),
        ("", "kubernetes.io/h2c", "HTTP2"),
        ("", "kubernetes.io/ws", "HTTP"),
        ("web", "", "AUTO"),
        ("", "", "AUTO"),
        ("http", "example.com/own", "AUTO"),
    ],
)
def test_the_protocol_of_a_port(name: str, app_protocol: str, protocol: str) -> None:
    assert protocol_of(name, 8000, app_protocol) == protocol


@pytest.mark.parametrize(("name", "protocol"), [("", "TCP"), ("mail", "TCP"), ("http", "HTTP")])
def test_a_port_whose_server_is_known_to_speak_first_is_not_looked_at(name: str, protocol: str) -> None:
    assert protocol_of(name, 25) == protocol
