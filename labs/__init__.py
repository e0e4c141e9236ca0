"""The labs: real services in a real mesh, real traffic, and a verdict with its proof.

catalog   every lab, in order
apps      the demo services
harness   what labs are made of
bookinfo  the demo services in the mesh, no rule yet: the place to play
canary    a new version takes over, step by step
gateway   in and out of the mesh by its gateways
"""
