"""The agent beside the data plane: identity for both engines, and everything a real Envoy needs to run here.

For both engines:

    control_plane  the TLS channel to the control plane, with the token on each call
    csr            key, signing request, and the check of the answer
    rotation       when to renew, how long to back off
    secrets        SecretManager: gets a certificate and keeps it fresh
"""
