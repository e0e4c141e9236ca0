"""A service mesh in Python, in the five modules of Istio's classic architecture.

In the order configuration and requests travel:

    galley    takes configuration in: parses, validates, stores, hands snapshots on
    pilot     (snapshot + registry) -> xDS resources for each proxy
    citadel   identity: CA, tokens, CSR signing
    xds       the codec (protobuf <-> model), the subscription state machine, ADS client and server
    model     the narrow waist: frozen dataclasses that pilot writes and the proxy reads
    proxy     the data plane
    http      sans-IO HTTP wire code
    grpc      gRPC's client side over it, for the sidecar's calls to the control plane
    mixer     access logs in, adapters out
    control_plane  galley, pilot, citadel and mixer as one process
    platform  where workloads come from: processes, Docker
    remember  what can be made again, kept within bounds, for all of these
    ctl       meshctl
"""
