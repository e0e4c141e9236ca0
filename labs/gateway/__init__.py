"""The gateway lab: in and out of the mesh, only by the doors.

lab      the lab: its steps in order
config   the YAML of mesh/, the certificates, and what a sabotage makes of them
inward   a to e: TLS, redirect, client certificates, TLS unopened, a new certificate
outward  f, g: out by the egress gateway
visitor  the client outside the mesh, and what it saw
"""
