"""Galley takes configuration in: Istio YAML parsed, checked, stored, versioned, handed on as snapshots.

In the order a text travels:

    galley       the facade: start, apply, delete, list, subscribe, snapshot
    sources/     watched directories; objects applied over the API
    documents    text -> documents that know their lines
    yaml_data    YAML nodes -> plain data
    schema       document -> object of the API (api/)
    messages     pydantic's errors in galley's words
    api/         Istio's types
    validate     what is wrong inside one object (checks/)
    unsupported  what is valid Istio and not served yet
    fields       every field and whether it is served: docs/fields.md
    parse        all of the above for one text
    references   what objects say of each other
    store        layers of sources -> the objects in force, their generations
    snapshot     what pilot reads
    metrics      what was found good and what was not
    fault        the shape of everything that is reported
"""
