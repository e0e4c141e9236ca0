"""Constant load on bookinfo's front page: the labs' Locust users.

    python -m loadtests.locustfile http://productpage:9080 4 60    host, users, requests a second
    locust -f loadtests/locustfile.py --host http://...            Locust's own command line and web page

Started the first way it runs headless until SIGTERM and prints its totals as one line of JSON at the end.
Like any other program it goes through HTTP_PROXY where that is set.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from locust import HttpUser, constant_throughput, events, task
from locust.main import main

APOLOGY = "currently unavailable"  # what productpage shows when details or reviews failed
RATE_PER_USER = "REQUESTS_A_SECOND_PER_USER"  # environment variable; 10 when it is not set


class Reader(HttpUser):
    """Reads the page again and again, at a steady pace."""

    wait_time = constant_throughput(float(os.environ.get(RATE_PER_USER, "10")))

    def on_start(self) -> None:
        proxy = os.environ.get("HTTP_PROXY")  # Locust tells requests not to look
        self.client.proxies = {"http": proxy} if proxy else {}

    @task
    def productpage(self) -> None:
        with self.client.get("/productpage", catch_response=True) as page:
            if APOLOGY in page.text:  # the page itself is always 200
                page.failure("a part of the page is missing")


@events.quit.add_listener  # type: ignore[untyped-decorator]
def print_totals(exit_code: int, **_: Any) -> None:
    print(json.dumps(TOTALS), flush=True)


TOTALS = {"requests": 0, "failures": 0}


@events.request.add_listener  # type: ignore[untyped-decorator]
def count(exception: BaseException | None, **_: Any) -> None:
    TOTALS["requests"] += 1
    TOTALS["failures"] += exception is not None


if __name__ == "__main__":
    host, users, rate = sys.argv[1:4]
    os.environ[RATE_PER_USER] = str(float(rate) / int(users))
    sys.argv[1:] = ["-f", __file__, "--headless", "--host", host, "--users", users, "--spawn-rate", users]
    sys.argv += ["--stop-timeout", "5"]  # seconds: a request in flight is waited for
    sys.argv += ["--loglevel", "WARNING", "--only-summary"]
    main()  # type: ignore[no-untyped-call]
