"""Identity: who a workload is, proven to others by a certificate.

In the order a signing request meets them:

    interceptor    every gRPC call: bearer token -> SPIFFE id, or UNAUTHENTICATED
    tokens         bootstrap tokens: issue, verify
    istio_ca       Istio's certificate service on the wire: its messages
    service        the service itself: request in, chain out, counted
    csr            what a request may ask for
    ca             the root, its key, signing
    certificate    the fields of the certificates, by the SPIFFE specification
    private_file   files of mode 0600, made once
    server_credentials  TLS for the control plane's own port, renewed while it runs
    metrics        Istio's citadel_* counters
"""
