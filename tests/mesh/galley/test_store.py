"""Layers to the state in force: generations, last good versions, owners."""

from __future__ import annotations

from collections.abc import Callable

from mesh.galley.parse import parse
from mesh.galley.store import API, Layer, SourceId, State, advance, restore, with_last_good

Make = Callable[..., str]

FILE_A = SourceId(0, "a.yaml")
FILE_B = SourceId(0, "b.yaml")


def layer(*texts: str, file: str = "x.yaml") -> Layer:
    parsed = parse("---\n".join(texts), file)
    assert not parsed.faults, parsed.faults
    return parsed.candidates


def names(state: State) -> list[str]:
    return sorted(str(key) for key in state.objects)


def subsets(state: State) -> list[str]:
    return [subset.name for rule in state.snapshot.destination_rules for subset in rule.spec.subsets]


def test_the_generation_grows_with_content_and_only_with_it(destination_rule: Make):
    one = advance(State(), {API: layer(destination_rule("v1"))})
    same = advance(one, {API: layer("# moved down\n" + destination_rule("v1"))})
    older_version = destination_rule("v1").replace("/v1\n", "/v1beta1\n")
    still = advance(same, {API: layer(older_version)})
    assert (one.generation, same.generation, still.generation) == (1, 1, 1)
    assert still.snapshot is one.snapshot
    two = advance(still, {API: layer(destination_rule("v1", "v2"))})
    assert two.generation == two.snapshot.generation == 2
    gone = advance(two, {API: None})
    assert (gone.generation, names(gone)) == (3, [])


def test_an_object_carries_the_generation_of_its_own_last_change(destination_rule: Make):
    one = advance(State(), {API: layer(destination_rule("v1"))})
    two = advance(one, {FILE_A: layer(destination_rule("v1", name="b", host="b"))})
    assert [stored.generation for _, stored in sorted(two.objects.items())] == [2, 1]


def test_the_first_source_owns_an_object_and_the_other_is_told(destination_rule: Make):
    mine = layer(destination_rule("v1"), file="a.yaml")
    yours = layer("#\n" + destination_rule("v2"), file="b.yaml")
    state = advance(State(), {FILE_B: yours, FILE_A: mine})
    assert subsets(state) == ["v1"]
    [refusal] = state.refusals
    assert str(refusal.fault) == (
        "b.yaml:4: DestinationRule default/reviews metadata.name: "
        "DestinationRule default/reviews is already defined in a.yaml:1, which takes precedence"
    )
    healed = advance(state, {FILE_A: None})
    assert (subsets(healed), healed.refusals) == (["v2"], ())


def test_a_reference_to_nothing_keeps_the_version_in_force(virtual_service: Make, destination_rule: Make):
    plain = virtual_service()
    wrong = virtual_service("- route:\n  - destination: {host: reviews, subset: v2}\n")
    one = advance(State(), {FILE_A: layer(plain)})
    two = advance(one, {FILE_A: layer(wrong)})
    assert two.snapshot is one.snapshot
    assert [refusal.fault.path for refusal in two.refusals] == ["spec.http[0].route[0].destination.subset"]
    three = advance(two, {FILE_B: layer(destination_rule("v2"))})
    assert not three.refusals
    assert three.snapshot.virtual_services[0].spec.http[0].route[0].destination.subset == "v2"


def test_a_new_object_that_refers_to_nothing_is_left_out_alone(virtual_service: Make):
    wrong = virtual_service("- route:\n  - destination: {host: reviews, subset: v2}\n")
    state = advance(State(), {FILE_A: layer(wrong, virtual_service(name="b", host="b"))})
    assert names(state) == ["VirtualService default/b"]


def test_taking_a_subset_away_leaves_what_uses_it_in_force_and_says_so(
    virtual_service: Make, destination_rule: Make
):
    service = virtual_service("- route:\n  - destination: {host: reviews, subset: v2}\n")
    one = advance(State(), {FILE_A: layer(service), FILE_B: layer(destination_rule("v2"))})
    two = advance(one, {FILE_B: layer(destination_rule("v1"))})
    assert names(two) == names(one)
    assert 'missing subset "v2"' in two.refusals[0].fault.message


def test_a_bad_object_of_a_file_keeps_its_last_good_version(virtual_service: Make, destination_rule: Make):
    before = layer(virtual_service(), destination_rule("v1"))
    after = with_last_good(
        before, parse(virtual_service("- rout: []\n") + "---\n" + destination_rule("v2"), "x")
    )
    assert set(after) == set(before)
    assert [after[key] is before[key] for key in sorted(after)] == [False, True]


def test_a_file_that_is_partly_no_yaml_keeps_what_it_does_not_name(
    virtual_service: Make, destination_rule: Make
):
    before = layer(virtual_service(), destination_rule("v1"))
    after = with_last_good(before, parse("a: [\n---\n" + destination_rule("v2"), "x"))
    assert sorted(after) == sorted(before)


def test_an_object_taken_out_of_a_good_file_is_gone(virtual_service: Make, destination_rule: Make):
    before = layer(virtual_service(), destination_rule("v1"))
    assert len(with_last_good(before, parse(destination_rule("v1"), "x"))) == 1


def test_an_earlier_life_is_restored_as_it_was(virtual_service: Make):
    wrong = virtual_service("- route:\n  - destination: {host: reviews, subset: v2}\n")
    candidates = layer(wrong)
    state = advance(restore({key: (candidate, 7) for key, candidate in candidates.items()}), {})
    assert (state.generation, names(state)) == (7, ["VirtualService default/reviews"])
    assert len(state.refusals) == 1
    assert advance(State(), {}).generation == 0
