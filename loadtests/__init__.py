"""Load: users for the labs, and the side-by-side benchmark.

locustfile  constant load on bookinfo's front page
bench       our sidecar against the real Envoy
"""
