"""The agent beside the data plane: identity for both engines, and everything a real Envoy needs to run here.

For both engines:

    control_plane    the TLS channel to the control plane, with the token on each call
    csr, csr_process
                     key and signing request, in a process of their own
    issued           the check of the answer
    rotation         when to renew, how long to back off
    secrets          SecretManager: gets a certificate and keeps it fresh

For Envoy, in the order of its life:

    envoy            the whole: from start to drained end
    envoy_binary     where Envoy is
    unix_server      gRPC on a socket only this user can open
    envoy_bootstrap  Envoy's bootstrap and flags
    envoy_process    start, watch, end
    tether           Envoy dies with the agent
    forwarder        its ADS and access log streams, to the control plane
    sds, sds_stream  its certificate, pushed at each rotation
    als              its access logs, counted as Istio's metrics
    envoy_admin      its admin interface, asked
    envoy_stats      what the answers mean: ready, connected
    status_server    15020 and 15021
    drain            SIGTERM: leave, drain, end
"""
