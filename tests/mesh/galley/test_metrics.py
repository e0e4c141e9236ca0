"""What is found good is counted, and what is not, by what it is and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mesh.galley.galley import Galley
from mesh.galley.metrics import GalleyMetrics

Make = Callable[..., str]
GROUP = "networking.istio.io"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def galley(tmp_path: Path, registry: CollectorRegistry) -> Galley:
    (tmp_path / "config").mkdir()
    return Galley(tmp_path / "data", [tmp_path / "config"], metrics=GalleyMetrics(registry))


def counted(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """(group, version, resource) or (group, version, resource, reason) -> how many, as it is scraped."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        tuple(
            sample.labels.get(name, "")
            for name in ("group", "version", "resource", "reason")
            if name in sample.labels
        ): sample.value
        for family in families
        for sample in family.samples
    }


def test_each_object_of_a_text_is_counted(
    galley: Galley, registry: CollectorRegistry, virtual_service: Make, destination_rule: Make
) -> None:
    old = virtual_service(name="old").replace("/v1", "/v1alpha3")
    entry = f"apiVersion: {GROUP}/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec: {{hosts: []}}\n"
    galley.apply("---\n".join((virtual_service(), old, destination_rule(), entry)))
    galley.apply(virtual_service())
    assert counted(registry) == {
        (GROUP, "v1", "virtualservices"): 2,
        (GROUP, "v1alpha3", "virtualservices"): 1,
        (GROUP, "v1", "destinationrules"): 1,
        (GROUP, "v1", "serviceentries", "invalid_resource"): 1,
    }


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a: [", ("", "", "", "yaml_decode_error")),
        (
            f"apiVersion: {GROUP}/v1\nkind: EnvoyFilter\nmetadata: {{name: a}}\n",
            ("", "", "", "unknown_type"),
        ),
        ("kind: 7", ("", "", "", "unknown_type")),
        (
            f"apiVersion: {GROUP}/v9\nkind: Gateway\nmetadata: {{name: a}}\n",
            ("", "", "gateways", "invalid_resource"),
        ),
    ],
)
def test_what_is_not_known_is_no_label(
    galley: Galley, registry: CollectorRegistry, text: str, labels: tuple[str, ...]
) -> None:
    galley.apply(text)
    assert counted(registry) == {labels: 1}


def test_an_object_that_names_what_is_not_there_is_counted_as_bad(
    galley: Galley, registry: CollectorRegistry, virtual_service: Make
) -> None:
    galley.apply(virtual_service("- route:\n  - destination: {host: reviews, subset: v2}\n"))
    assert counted(registry) == {(GROUP, "v1", "virtualservices", "invalid_resource"): 1}


def test_what_is_not_the_meshs_business_is_not_counted(galley: Galley, registry: CollectorRegistry) -> None:
    galley.apply("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n")
    assert counted(registry) == {}


async def test_files_are_counted_when_they_are_read(
    galley: Galley, registry: CollectorRegistry, tmp_path: Path, virtual_service: Make
) -> None:
    bad = virtual_service("- rout: []\n", name="bad")
    lost = virtual_service("- route:\n  - destination: {host: reviews, subset: v2}\n", name="lost")
    (tmp_path / "config" / "all.yaml").write_text("---\n".join((virtual_service(), bad, lost)))
    await galley.start()
    await galley.stop()
    assert counted(registry) == {
        (GROUP, "v1", "virtualservices"): 1,
        (GROUP, "v1", "virtualservices", "invalid_resource"): 2,
    }
