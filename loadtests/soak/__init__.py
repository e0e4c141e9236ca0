"""A soak under faults: what a mesh owes each request while everything around it goes wrong.

In the order of a run:

    __main__    make soak: up, load and faults for some minutes, the verdicts
    origin      a server that writes down each request before it answers; one process a pod
    load        clients that give each request a number and keep what came of it
    faults      kills, stalls, resets and changes of configuration, drawn from a seed
    watch       memory and descriptors of the sidecars meanwhile
    accounting  answers, access log and journals against each other (pure)
"""
