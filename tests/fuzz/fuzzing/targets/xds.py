"""Resources of a control plane: taken whole or refused by name; what is taken, written and read, is the same.

``BYTES`` are a packed resource's; ``MESSAGES`` reads the input as a list of changes to one, so that what
arrives is well-formed protobuf, with fields set, taken out, repeated and copied from one resource to another.
"""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from fuzzing.target import Target, expect
from mesh.galley.parse import parse
from mesh.galley.snapshot import make_snapshot
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import claimed_services, services
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.world import World
from mesh.xds.codec import codec
from mesh.xds.codec.wire import TYPE_PREFIX
from mesh.xds.errors import Rejected

_CONFIG = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: iphone
    match: [{headers: {user-agent: {regex: ".*iPhone.*"}}}]
    fault: {delay: {percentage: {value: 10}, fixedDelay: 2s}}
    route: [{destination: {host: reviews, subset: v2}, headers: {request: {set: {x-a: b}}}}]
  - retries: {attempts: 2, perTryTimeout: 1s, retryOn: 5xx}
    timeout: 10s
    mirror: {host: reviews, subset: v2}
    route:
    - {destination: {host: reviews, subset: v1}, weight: 95}
    - {destination: {host: reviews, subset: v2}, weight: 5}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    outlierDetection: {consecutive5xxErrors: 3}
    connectionPool: {http: {http1MaxPendingRequests: 3}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""


def _node(workload: str, number: int) -> Node:
    app, _, version = workload.partition("-")
    return Node(
        name=f"{workload}-0",
        namespace="default",
        address=f"127.70.{number}.2",
        service_account=app,
        workload=workload,
        service=app,
        ports=(ServicePort("http", 9080, 9080),),
        labels={"app": app, "version": version},
        app_address=f"127.70.{number}.1",
        interception="NONE",
    )


def _packed_resources() -> list[Any]:
    """Everything that pilot tells one sidecar of a small mesh."""
    nodes = (_node("productpage-v1", 1), _node("reviews-v1", 2), _node("reviews-v2", 3))
    config = make_snapshot(found.config for found in parse(_CONFIG, "config").candidates.values())
    world = World(config, services(nodes, claimed_services(nodes, ()), ()))
    told = assemble(world, nodes[1])
    every = (*told.clusters, *told.endpoints, *told.listeners, *told.routes)
    return [codec.encode(resource) for resource in every]


_PACKED = _packed_resources()


def check_bytes(data: bytes) -> None:
    packed = any_pb2.Any()
    packed.type_url = _PACKED[data[0] % len(_PACKED)].type_url if data else ""
    packed.value = data[1:]
    _check(packed)


def check_messages(data: bytes) -> None:
    """The first byte picks the resource; each further pair of bytes is a change to it."""
    if not data:
        return
    chosen = _PACKED[data[0] % len(_PACKED)]
    message = _unpacked(chosen)
    for number in range(1, len(data) - 1, 2):
        _change(message, Random(data[number] << 8 | data[number + 1]))
    packed = any_pb2.Any()
    packed.Pack(message)
    _check(packed)


def _check(packed: Any) -> None:
    try:
        resource = codec.decode(packed)
    except Rejected as rejected:
        expect(bool(str(rejected)), "refused without a word", packed)
        return
    again = codec.encode(resource)
    expect(codec.decode(again) == resource, "written and read, it differs", resource, codec.decode(again))
    hash(resource)  # configurations are compared and kept by value


def _unpacked(packed: Any) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.type_url.rpartition("/")[2])
    made: Message = message_factory.GetMessageClass(descriptor).FromString(packed.value)
    return made


def _change(message: Any, rng: Random) -> None:
    """Go down to some part of the message and change a field of it."""
    while True:
        if not message.DESCRIPTOR.fields:
            return
        fields = [field for field, _ in message.ListFields()]
        if not fields or rng.random() < 0.2:
            _set(message, rng.choice(message.DESCRIPTOR.fields), rng)
            return
        field = rng.choice(fields)
        inner = getattr(message, field.name)
        if field.message_type is None or rng.random() < 0.15:
            _set(message, field, rng)
            return
        if field.is_repeated:
            if field.message_type.GetOptions().map_entry or not len(inner):
                _set(message, field, rng)
                return
            inner = rng.choice(inner)
        if inner.DESCRIPTOR.full_name == "google.protobuf.Any" and inner.type_url.startswith(TYPE_PREFIX):
            part = _unpacked(inner)
            _change(part, rng)
            inner.Pack(part)
            return
        message = inner


def _set(message: Any, field: Any, rng: Random) -> None:
    if rng.random() < 0.25:
        message.ClearField(field.name)
    elif field.is_repeated:
        _set_repeated(getattr(message, field.name), field, rng)
    elif field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _value(field, rng))


def _set_repeated(values: Any, field: Any, rng: Random) -> None:
    if field.message_type is None:
        values.append(_value(field, rng))
    elif field.message_type.GetOptions().map_entry:
        values.clear()
    elif len(values) and rng.random() < 0.5:
        values.add().CopyFrom(rng.choice(values))
    elif len(values) and rng.random() < 0.5:
        del values[rng.randrange(len(values))]
    else:
        values.add()


def _value(field: Any, rng: Random) -> object:
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    if field.type == field.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        text = rng.choice(
            ("", "a", "reviews", "/", "(", "*", ".*", "127.0.0.1", "::1", "9080", "\n", "é", "x" * 99)
        )
        return text if field.type == field.TYPE_STRING else text.encode()
    if field.type in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return rng.choice(
            (0.0, 1.0, -1.0, 1e300 if field.type == field.TYPE_DOUBLE else 1e30, float("nan"), 0.1)
        )
    unsigned = field.type in (field.TYPE_UINT32, field.TYPE_UINT64, field.TYPE_FIXED32, field.TYPE_FIXED64)
    return rng.choice((0, 1, 100, 65535, 65536, 2**31 - 1, 2**32 - 1 if unsigned else -1))


BYTES = Target(
    "xds-bytes",
    check_bytes,
    tuple(bytes((index,)) + packed.value for index, packed in enumerate(_PACKED)),
    (
        b"\0",
        b"\xff\xff\xff\xff\x0f",
        b"type.googleapis.com/",
        b"\x0a\0",
        b"\x12\0",
        b"\x80\x01",
        b"reviews",
        b"*",
    ),
)
MESSAGES = Target(
    "xds-messages",
    check_messages,
    tuple(bytes((index, *range(index, index + 8))) for index in range(len(_PACKED))),
    max_bytes=40,
)
