"""a to e: in by the ingress gateway."""

from __future__ import annotations

from labs.gateway.config import mesh_yaml, secret_yaml
from labs.gateway.visitor import Seen, Visit, environment, identity_pem, read, visit
from labs.harness.authority import Authority
from labs.harness.run import Run
from labs.harness.runtime import RuntimeFailure
from labs.harness.verdict import Verdict, failed, passed

HTTP, HTTPS = 8080, 8443
STAYS = 30  # requests of the visitor who stays
STAYS_EVERY_S = 0.1
BEFORE = 3  # of them before the certificate changes


class Doors:
    """What the visitors know: addresses, roots, certificates."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.web, self.staff, self.strangers = Authority("Web"), Authority("Staff"), Authority("Strangers")
        self.address = run.runtime.address("ingress")

    def to(self, name: str, host: str = "shop.example", port: int = HTTPS, **more: object) -> Visit:
        known = {"tls": port == HTTPS, "roots": self.web.root_pem.decode() if port == HTTPS else ""}
        return Visit(name, self.address, port, host, **{**known, **more})  # type: ignore[arg-type]

    async def open(self) -> None:
        """The Gateway, its VirtualServices, and its credentials before them."""
        shop = secret_yaml("shop", self.web.issue("shop, first", "shop.example"))
        staff = secret_yaml("staff", self.web.issue("staff", "staff.example"), self.staff)
        await self.run.apply(f"{shop}---\n{staff}", "credentials.yaml")
        await self.run.apply(mesh_yaml("ingress.yaml", self.run.sabotage), "ingress.yaml")


def answered(check: str, seen: Seen, *, status: int = 200, shown: str = "", says: str = "") -> Verdict:
    """The answer has that status, was under that certificate and holds that text."""
    found = f"status {seen.status}, certificate of {seen.shown or 'nobody'}"
    if seen.refused:
        return failed(check, f"expected {status}, got no answer: {seen.refused}")
    if (seen.status, seen.shown) != (status, shown):
        return failed(check, f"expected status {status}, certificate of {shown or 'nobody'}, got {found}")
    if says not in seen.body:
        return failed(check, f"expected {says!r} in the answer, got {seen.body[:200]!r}")
    return passed(check, found)


def refused(check: str, seen: Seen) -> Verdict:
    if seen.refused:
        return passed(check, f"refused: {seen.refused}")
    return failed(check, f"expected no answer, got status {seen.status}")


async def tls(run: Run, doors: Doors) -> None:
    async with run.step("a", "In by HTTPS, and only to what is meant to be reached"):
        await doors.open()
        seen = await visit(
            run,
            [
                doors.to("shop"),
                doors.to("another path", path="/admin"),
                doors.to("another host", "vault.default", roots=""),
            ],
        )
        check = "the shop answers under its own certificate"
        says = "requestheader=x-forwarded-proto:https"
        run.check(answered(check, _lower(seen["shop"]), shown="shop, first", says=says))
        caller = "uri=spiffe://cluster.local/ns/istio-system/sa/ingress"
        check = "the gateway comes to it with its own identity"
        run.check(answered(check, _lower(seen["shop"]), shown="shop, first", says=caller))
        run.check(
            answered("what no rule is about is 404", seen["another path"], status=404, shown="shop, first")
        )
        run.check(refused("a name that no server has is refused", seen["another host"]))


async def redirect(run: Run, doors: Doors) -> None:
    async with run.step("b", "Plaintext is sent to HTTPS"):
        seen = (await visit(run, [doors.to("plaintext", port=HTTP)]))["plaintext"]
        check, expected = "301 to the same address under https", "https://shop.example/shop"
        if (seen.status, seen.location) == (301, expected):
            run.check(passed(check, f"301 to {seen.location}"))
        else:
            run.check(failed(check, f"expected 301 to {expected}, got {seen.status} to {seen.location!r}"))


async def mutual(run: Run, doors: Doors) -> None:
    async with run.step("c", "The staff's door asks for a certificate"):
        host, mary = "staff.example", doors.staff.issue("mary")
        seen = await visit(
            run,
            [
                doors.to("without", host),
                doors.to("stranger", host, certificate=identity_pem(doors.strangers.issue("mary"))),
                doors.to("mary", host, certificate=identity_pem(mary)),
            ],
        )
        run.check(refused("who shows none is refused", seen["without"]))
        run.check(refused("who shows another authority's is refused", seen["stranger"]))
        says = 'subject="cn=mary"'
        run.check(
            answered("who shows the right one is named", _lower(seen["mary"]), shown="staff", says=says)
        )


async def passthrough(run: Run, doors: Doors) -> None:
    async with run.step("d", "TLS passes unopened to who ends it"):
        seen = await visit(run, [doors.to("vault", "vault.example", roots="", path="/")])
        run.check(
            answered("the vault answers under its own certificate", seen["vault"], shown="vault itself")
        )


async def rotation(run: Run, doors: Doors) -> None:
    async with run.step("e", "A new certificate, and nobody is cut off"):
        stay = doors.to("stays", times=STAYS, every_s=STAYS_EVERY_S)
        process = await run.runtime.outside(["python", "-m", "labs.gateway.visitor"], environment([stay]))
        seen: list[Seen] = []
        async for line in process.lines():
            seen.append(read(line))
            if len(seen) == BEFORE:
                second = doors.web.issue("shop, second", "shop.example")
                await run.apply(secret_yaml("shop", second), "second-certificate.yaml")
                new = (await visit(run, [doors.to("new")]))["new"]
        await process.wait()
        if len(seen) <= BEFORE:
            raise RuntimeFailure(f"the visitor who stays was gone after {len(seen)} requests")
        run.check(answered("who comes now sees the new one", new, shown="shop, second"))
        good = sum((one.status, one.shown) == (200, "shop, first") for one in seen)
        verdict = passed if good == STAYS else failed
        run.check(verdict("who stayed was served all the time", f"{good} of {STAYS} on one connection"))


def _lower(seen: Seen) -> Seen:
    """Names of fields have no case; of what the shop echoes nothing else is looked at."""
    return Seen(seen.name, seen.status, seen.shown, seen.location, seen.body.lower(), seen.refused)
