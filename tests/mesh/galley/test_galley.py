"""The facade: apply, delete, list, subscribe, restart."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mesh.galley.galley import Galley, NotDeletable
from mesh.galley.snapshot import ConfigSnapshot

Make = Callable[..., str]
Start = Callable[..., Awaitable[Any]]

TO_V2 = "- route:\n  - destination: {host: reviews, subset: v2}\n"


@pytest.fixture
async def galley(start: Start) -> Galley:
    running = await start()
    started: Galley = running.galley
    return started


async def test_the_order_of_documents_does_not_matter(
    galley: Galley, virtual_service: Make, destination_rule: Make
):
    result = galley.apply(virtual_service(TO_V2) + "---\n" + destination_rule("v2"), "all.yaml")
    assert not result.faults
    assert [(a.kind, a.verb) for a in result.applied] == [
        ("VirtualService", "created"),
        ("DestinationRule", "created"),
    ]
    assert result.generation == galley.snapshot.generation == 1


async def test_applying_again_changes_nothing_and_tells_nobody(galley: Galley, destination_rule: Make):
    galley.apply(destination_rule("v1"))
    told: list[ConfigSnapshot] = []
    galley.subscribe(told.append)
    result = galley.apply("# a comment\n" + destination_rule("v1"))
    assert ([a.verb for a in result.applied], result.generation, told) == (["unchanged"], 1, [])
    result = galley.apply(destination_rule("v2"))
    assert ([a.verb for a in result.applied], result.generation) == (["configured"], 2)
    assert told == [galley.snapshot]


async def test_a_missing_subset_is_a_fault_and_leaves_the_last_good_version(
    galley: Galley, virtual_service: Make, destination_rule: Make
):
    galley.apply(virtual_service())
    before = galley.snapshot
    result = galley.apply(virtual_service(TO_V2), "vs.yaml")
    assert [str(fault) for fault in result.faults] == [
        "vs.yaml:8: VirtualService default/reviews spec.http[0].route[0].destination.subset: "
        'missing subset "v2": no DestinationRule is for reviews.default.svc.cluster.local'
    ]
    assert (result.applied, galley.snapshot) == ((), before)
    galley.apply(destination_rule("v2"))
    assert galley.snapshot.virtual_services == before.virtual_services, "a refused apply does not come back"


async def test_a_bad_object_never_disturbs_the_others(
    galley: Galley, virtual_service: Make, destination_rule: Make
):
    bad = virtual_service("- rout: []\n", name="bad", host="bad")
    result = galley.apply(bad + "---\na: [\n---\n" + destination_rule("v1"), "all.yaml")
    assert [a.kind for a in result.applied] == ["DestinationRule"]
    assert [fault.line for fault in result.faults] == sorted(fault.line for fault in result.faults)
    assert len(result.faults) == 2


async def test_warnings_and_notices_are_shown_on_apply(galley: Galley, data: Path):
    result = galley.apply((data / "platform.yaml").read_text(), "platform.yaml")
    assert not result.faults
    assert [(w.severity, w.object) for w in result.warnings] == [
        ("notice", "ServiceAccount default/bookinfo-reviews"),
        ("notice", "Deployment default/reviews-v1"),
    ]
    assert {a.kind for a in result.applied} == {"Service", "PeerAuthentication"}


async def test_files_of_bookinfos_shapes_apply_in_one_sweep(galley: Galley, data: Path):
    names = sorted(os.listdir(data))
    for name in names:
        result = galley.apply((data / name).read_text(), name)
        assert not result.faults, result.faults
    assert galley.snapshot.generation == len(names)
    kinds = {stored.candidate.key.kind for stored in galley.list()}
    assert len(kinds) == 6


async def test_an_object_of_a_file_is_neither_applied_over_nor_deleted(
    start: Start, tmp_path: Path, destination_rule: Make
):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "a.yaml").write_text(destination_rule("v1"))
    running = await start()
    result = running.galley.apply(destination_rule("v2"), "mine.yaml")
    assert "already defined in" in result.faults[0].message
    assert not result.applied
    with pytest.raises(NotDeletable, match=r"a\.yaml:1"):
        running.galley.delete("DestinationRule", "default", "reviews")


async def test_deleting_gives_the_new_generation_or_none(galley: Galley, destination_rule: Make):
    galley.apply(destination_rule("v1"))
    assert galley.delete("DestinationRule", "default", "reviews") == 2
    assert galley.delete("DestinationRule", "default", "reviews") is None
    assert galley.list() == ()


async def test_taking_away_what_others_use_is_warned_of(
    galley: Galley, virtual_service: Make, destination_rule: Make
):
    galley.apply(virtual_service(TO_V2) + "---\n" + destination_rule("v2"), "all.yaml")
    result = galley.apply(destination_rule("v3"), "dr.yaml")
    assert not result.faults
    assert [(w.file, w.severity, w.object) for w in result.warnings] == [
        ("all.yaml", "warning", "VirtualService default/reviews")
    ]
    assert len(galley.faults) == 1


async def test_a_restart_brings_everything_back_as_it_was(
    start: Start, virtual_service: Make, destination_rule: Make
):
    first = (await start()).galley
    first.apply(destination_rule("v2"))
    first.apply(virtual_service(TO_V2))
    first.delete("DestinationRule", "default", "reviews")
    await first.stop()
    second = (await start()).galley
    assert second.snapshot.virtual_services == first.snapshot.virtual_services
    assert second.snapshot.destination_rules == ()
    assert second.snapshot.generation == 2


async def test_what_cannot_be_stored_is_not_in_force(galley: Galley, tmp_path: Path, destination_rule: Make):
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "galley").write_text("a file where a folder must be")
    result = galley.apply(destination_rule("v1"), "a.yaml")
    assert "cannot be stored" in result.faults[-1].message
    assert (result.applied, galley.snapshot.generation) == ((), 0)


async def test_a_failing_subscriber_does_not_keep_the_others_from_hearing(
    galley: Galley, destination_rule: Make, caplog: pytest.LogCaptureFixture
):
    told: list[int] = []

    def fail(snapshot: ConfigSnapshot) -> None:
        raise RuntimeError("no")

    galley.subscribe(fail)
    unsubscribe = galley.subscribe(lambda snapshot: told.append(snapshot.generation))
    galley.apply(destination_rule("v1"))
    unsubscribe()
    galley.apply(destination_rule("v2"))
    assert told == [1]
    assert "a subscriber failed on generation 1" in caplog.text


async def test_listing_filters_and_turns_to_json(
    galley: Galley, virtual_service: Make, destination_rule: Make
):
    galley.apply(destination_rule("v2") + "---\n" + virtual_service(TO_V2), "all.yaml")
    assert len(galley.list()) == 2
    assert galley.list("DestinationRule", "other") == ()
    [stored] = galley.list("VirtualService", name="reviews")
    shown = json.loads(json.dumps(stored.to_json()))
    assert shown == {
        "kind": "VirtualService",
        "apiVersion": "networking.istio.io/v1",
        "namespace": "default",
        "name": "reviews",
        "generation": 1,
        "source": "api",
        "file": "all.yaml",
        "line": 9,
        "metadata": {"name": "reviews", "namespace": "default"},
        "spec": {
            "hosts": ["reviews"],
            "http": [{"route": [{"destination": {"host": "reviews", "subset": "v2"}}]}],
        },
    }
    assert json.loads(json.dumps(galley.apply(destination_rule("v2")).to_json()))["applied"]
