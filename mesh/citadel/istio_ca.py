"""Istio's certificate service, ``istio.v1.auth.IstioCertificateService``, on the wire as Istio has it.

Its messages are in no Python package, so their descriptor is written here; names, numbers and types are
those of istio/api ``security/v1alpha1/ca.proto``, so Istio's own agent can call this service.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

SERVICE: Final = "istio.v1.auth.IstioCertificateService"
METHOD: Final = "CreateCertificate"

_Field = descriptor_pb2.FieldDescriptorProto


def _field(name: str, number: int, kind: int, *, repeated: bool = False, message: str = "") -> Any:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    return _Field(name=name, number=number, type=kind, label=label, type_name=message or None)


def _file() -> Any:
    request = descriptor_pb2.DescriptorProto(
        name="IstioCertificateRequest",
        field=[
            _field("csr", 1, _Field.TYPE_STRING),
            _field("validity_duration", 3, _Field.TYPE_INT64),
            _field("metadata", 4, _Field.TYPE_MESSAGE, message=".google.protobuf.Struct"),
        ],
    )
    response = descriptor_pb2.DescriptorProto(
        name="IstioCertificateResponse",
        field=[_field("cert_chain", 1, _Field.TYPE_STRING, repeated=True)],
    )
    return descriptor_pb2.FileDescriptorProto(
        name="security/v1alpha1/ca.proto",
        package="istio.v1.auth",
        syntax="proto3",
        dependency=[struct_pb2.DESCRIPTOR.name],
        message_type=[request, response],
    )


_messages = descriptor_pool.Default().AddSerializedFile(_file().SerializeToString()).message_types_by_name

# csr: PEM; validity_duration: seconds. cert_chain: PEM, the leaf first, the root last.
IstioCertificateRequest: Any = message_factory.GetMessageClass(_messages["IstioCertificateRequest"])
IstioCertificateResponse: Any = message_factory.GetMessageClass(_messages["IstioCertificateResponse"])
