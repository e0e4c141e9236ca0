"""Workers in processes of their own, that share the ports and are one proxy to everybody else.

                   ┌ first worker, and all that a proxy has once: ADS, secrets, admin, metrics
    server ── crew ┤
                   └ member ═ pipe ═ member_main: a worker
                                     ... as many as ``--concurrency`` says, less one

    crew         all workers at once: configured together or not at all, counted as one
    member       one of the other workers, from outside
    messages     what is said to it, and what it says
    member_main  its process
    tally        what workers counted, and the sum of it

Python threads take turns; processes do not. The kernel spreads connections over their sockets (SO_REUSEPORT,
as Envoy's listeners do). What Envoy's threads share and these cannot is divided (``Worker.share``).
"""
