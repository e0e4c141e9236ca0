"""Compose's words as the SDK's arguments."""

from __future__ import annotations

import pytest

from mesh.platform.docker import pod, sdk
from mesh.platform.topology import Workload


def test_everything_a_pod_is_made_of_has_a_translation() -> None:
    workload = Workload("a", ())
    for service in (pod.pause("i", workload), pod.sidecar("i", workload), pod.control_plane("i")):
        assert set(sdk.arguments(service)) == set(service)


def test_a_tmpfs_mount_and_its_options_are_taken_apart() -> None:
    assert sdk.arguments({"tmpfs": ["/run/mesh:mode=0700,uid=1337"]})["tmpfs"] == {
        "/run/mesh": "mode=0700,uid=1337"
    }


def test_labels_of_both_sides_are_kept() -> None:
    assert sdk.arguments({"labels": {"a": "1"}}, labels={"b": "2"}, name="n") == {
        "labels": {"a": "1", "b": "2"},
        "name": "n",
    }


def test_a_key_nobody_translates_is_not_left_out_silently() -> None:
    with pytest.raises(ValueError, match="healthcheck: not translated"):
        sdk.arguments({"healthcheck": {}})
