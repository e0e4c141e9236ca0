"""What the annotations mean."""

from __future__ import annotations

import pytest

from mesh.galley.api.annotations import Options, read_options


def test_without_any_all_is_as_in_istio():
    assert read_options({"example.com/x": "y"}) == Options()


def test_each_is_read():
    said = {
        "mesh-labs.io/mirror-host-suffix": "false",
        "mesh-labs.io/retry-non-idempotent": "true",
    }
    assert read_options(said) == Options(False, True)


def test_a_bad_value_is_an_error():
    with pytest.raises(ValueError, match=r"mesh-labs\.io/mirror-host-suffix: expected"):
        read_options({"mesh-labs.io/mirror-host-suffix": "x"})
