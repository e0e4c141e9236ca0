"""The canary lab: a new version of reviews takes over, and each step is proven.

lab       the lab: its steps in order
config    the YAML of mesh/, and what a sabotage makes of it
shift     a, b, c: all to v1, 5 % to v2, iPhones to v2
mtls      d: who calls whom, plaintext refused, the bytes on the wire
truth     e: client, applications, metrics and access logs agree
promote   f: 5 -> 50 -> 100 % under load
outage    g: the control plane dies and comes back
miscount  the sidecar that loses one request: sabotage `metric`
"""
