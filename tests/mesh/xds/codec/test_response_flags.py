from __future__ import annotations

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2

from mesh.xds.codec.response_flags import FLAGS, decode_flags, encode_flags


def test_every_field_of_envoys_message_has_a_short_form() -> None:
    fields = {field.name for field in accesslog_pb2.ResponseFlags.DESCRIPTOR.fields}
    assert set(FLAGS.values()) == fields


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_comes_back(flag: str) -> None:
    assert decode_flags(encode_flags(flag)) == flag


def test_flags_come_back_in_envoys_order() -> None:
    assert decode_flags(encode_flags("URX,UF")) == "UF,URX"


def test_no_flag_is_a_dash() -> None:
    assert decode_flags(encode_flags("-")) == "-"
