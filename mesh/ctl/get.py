"""``meshctl get``: the configuration in force, as a table, YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from mesh.ctl.api import ControlPlane
from mesh.ctl.columns import table
from mesh.ctl.errors import CommandError
from mesh.ctl.kinds import SHORT_NAMES, kind_of
from mesh.ctl.options import DEFAULT_CONTROL_PLANE, ControlPlaneOption, NamespaceOption
from mesh.model.names import plural

Object = dict[str, Any]


class Output(StrEnum):
    """The forms ``-o`` takes."""

    TABLE = "table"
    WIDE = "wide"
    YAML = "yaml"
    JSON = "json"
    NAME = "name"


def _words(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")) if value else ""


def _ports(spec: Mapping[str, Any]) -> str:
    return ",".join(f"{port.get('port', port.get('number'))}/TCP" for port in spec.get("ports") or ())


# kind -> kubectl's columns between NAME and AGE (which this mesh does not keep)
COLUMNS: dict[str, dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "VirtualService": {
        "GATEWAYS": lambda spec: _words(spec.get("gateways")),
        "HOSTS": lambda spec: _words(spec.get("hosts")),
    },
    "DestinationRule": {"HOST": lambda spec: str(spec.get("host", ""))},
    "PeerAuthentication": {"MODE": lambda spec: str((spec.get("mtls") or {}).get("mode", ""))},
    "Service": {"PORT(S)": _ports},
    "Secret": {
        "TYPE": lambda spec: str(spec.get("type", "")),
        "DATA": lambda spec: str(len(spec.get("keys", ()))),
    },
    "ServiceEntry": {
        "HOSTS": lambda spec: _words(spec.get("hosts")),
        "LOCATION": lambda spec: str(spec.get("location", "")),
        "RESOLUTION": lambda spec: str(spec.get("resolution", "")),
    },
}


def document(stored: Object) -> Object:
    """The object as it would stand in a file; of a Secret only what its parts are called."""
    if stored["kind"] == "Secret":
        parts = stored.get("spec", {})
        return {**{name: stored[name] for name in ("apiVersion", "kind", "metadata")}, **parts}
    return {
        "apiVersion": stored["apiVersion"],
        "kind": stored["kind"],
        "metadata": stored["metadata"],
        "spec": stored.get("spec", {}),
    }


def as_table(kind: str, objects: list[Object], *, wide: bool, all_namespaces: bool) -> str:
    columns = COLUMNS.get(kind, {})
    rows = []
    for stored in objects:
        row = [stored["namespace"]] if all_namespaces else []
        row += [stored["name"], *(cell(stored.get("spec") or {}) for cell in columns.values())]
        if wide:
            row += [str(stored.get("generation", "")), str(stored.get("source", ""))]
        rows.append(row)
    headings = ["NAMESPACE"] if all_namespaces else []
    headings += ["NAME", *columns, *(["GENERATION", "SOURCE"] if wide else [])]
    return table(headings, rows)


def _find(server: ControlPlane, kind: str, namespace: str, name: str) -> list[Object]:
    """What is in force; ``namespace`` "" is all of them. Raises CommandError when ``name`` is not there."""
    found = server.get("/".join(filter(None, ("/config", kind, namespace))))
    objects = [stored for stored in found if not name or stored["name"] == name]
    if name and not objects:
        raise CommandError(
            f'{plural(kind)} "{name}" not found' + (namespace and f" in namespace {namespace}")
        )
    return objects


def get(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="e.g. virtualservices, vs, dr, or all")],
    name: Annotated[str, typer.Argument(metavar="[NAME]", show_default=False)] = "",
    namespace: NamespaceOption = "default",
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A")] = False,
    output: Annotated[Output, typer.Option("--output", "-o")] = Output.TABLE,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Show the configuration that is in force.

    \b
      meshctl get virtualservices
      meshctl get vs reviews -o yaml
      meshctl get all -A -o wide
    """
    server = ControlPlane(control_plane)
    kinds = list(SHORT_NAMES) if kind == "all" else [kind_of(kind)]
    found = {one: _find(server, one, "" if all_namespaces else namespace, name) for one in kinds}
    objects = [stored for group in found.values() for stored in group]
    if output is Output.YAML:
        print(yaml.safe_dump_all(map(document, objects), sort_keys=False), end="")
    elif output is Output.JSON:
        documents = [document(stored) for stored in objects]
        print(json.dumps(documents[0] if name else {"kind": "List", "items": documents}, indent=2))
    elif output is Output.NAME:
        print("".join(f"{stored['kind'].lower()}/{stored['name']}\n" for stored in objects), end="")
    elif not objects:
        print("No resources found" + ("" if all_namespaces else f" in {namespace} namespace"))
    else:
        wide = output is Output.WIDE
        tables = [as_table(k, o, wide=wide, all_namespaces=all_namespaces) for k, o in found.items() if o]
        print("\n".join(tables), end="")
