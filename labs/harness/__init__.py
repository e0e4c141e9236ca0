"""What every lab is made of.

    runtime          what a runtime must do: pods as containers or as processes
    process_runtime  pods as local processes on loopback addresses
    docker_runtime   pods as containers
    slot             a /16 of loopback for one run
    child            one child process: on a leash, stopped for certain
    free_port        ports for those who must be told theirs
    eventually       waiting for an event with a deadline, never sleeping as proof
    mesh_api         the control plane's HTTP API: apply and wait
    lab              the life of a lab: up, steps, report, down, whatever happens
    run              one run, as its steps see it
    screen           what a run shows while it works
    report           what a run leaves behind: JSON, JUnit, Markdown
    traffic          the seeded load, and its plan
    plaintext        the client with no part in the mesh
    tapping, tap     the man in the middle, and what he sees
    observe          reading metrics, access logs and the applications' logs
    authority        certificates from outside the mesh

Decisions, pure:

    history          what happened, as records
    binomial         exact statistics
    checks           histories in, verdicts out
    identity         who called whom, by certificate
    wire             TLS or clear text
    metrics          counters, and whether all observers agree
    verdict          pass, fail, inconclusive
"""
