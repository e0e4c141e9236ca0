from __future__ import annotations

import socket

import pytest

from mesh.control_plane.ports import PortTaken, check_free


def test_a_port_somebody_listens_on_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^cannot listen on 127.0.0.1:{port}: address already in use$"):
            check_free("127.0.0.1", port)
        check_free("127.0.0.2", port)
    check_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_said_so() -> None:
    with pytest.raises(PortTaken, match="cannot assign requested address"):
        check_free("192.0.2.1", 15010)
