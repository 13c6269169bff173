"""No secret in use is ever shown: in logs, metrics, answers, commands, errors, stored files."""

import ast
import base64
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import relay
from relay.config import SecretsMode, load
from tests.support.client import Answer, Client
from tests.support.process import Ran, StartProcess, run
from tests.support.site import Site
from tests.support.target import Target
from tests.support.waiting import until

SIGNING = "whsec_" + base64.b64encode(b"the signing key of this test, 32b").decode()
SECRETS = {
    "ADMIN": "admin-token-4417",
    "STANDARD": "whsec_" + base64.b64encode(b"standard webhooks secret, 32 byte").decode(),
    "GITHUB": "github-secret-5521",
    "STRIPE": "whsec_stripe-secret-6632",
    "SLACK": "slack-secret-7743",
    "HMAC": "hmac-secret-8854",
    "TOKEN": "route-token-9965",
    "PASSWORD": "route-password-1176",
    "BEARER": "bearer-secret-2287",
    "BASIC": "basic-password-3398",
    "HEADER": "header-secret-4409",
    "SIGNING": SIGNING,
}
LITERAL = "literal-secret-in-the-file-1212"
RAISES = "def change(event):\n    raise ValueError('no such thing')\n"


def forms(secret: bytes) -> Iterator[bytes]:
    """Give a secret as it may show: raw, base64, hex, quoted."""
    yield secret
    yield base64.b64encode(secret).rstrip(b"=")[:-1]
    yield secret.hex().encode()
    yield quote(secret).encode()
    if secret.startswith(b"whsec_"):
        yield secret.removeprefix(b"whsec_")
        try:
            yield base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
        except ValueError:
            return


def write(site: Site, url: str, refused: str, file: Path) -> None:
    """Write a site that uses a secret of every kind, from every place."""
    file.write_text(SECRETS["HMAC"])
    schemes: dict[str, dict[str, Any]] = {
        "standard": {
            "scheme": "standard-webhooks",
            "secrets": ["env:STANDARD", "managed:standard"],
        },
        "github": {"scheme": "github", "secrets": ["env:GITHUB"]},
        "stripe": {"scheme": "stripe", "secrets": ["env:STRIPE"]},
        "slack": {"scheme": "slack", "secrets": ["env:SLACK"]},
        "hmac": {"scheme": "hmac", "header": "x-signature", "secrets": [f"file:{file}"]},
        "token": {"scheme": "token", "secrets": ["env:TOKEN"]},
        "key": {"scheme": "token", "header": "x-key", "secrets": [LITERAL]},
        "basic": {"scheme": "basic", "username": "lan", "secrets": ["env:PASSWORD"]},
    }
    quick = {"retry": {"schedule": ["10ms"]}, "breaker": {"failures": 1000}}
    site.configure(
        {
            "bearer": {"url": url, "auth": {"bearer": "env:BEARER"}, **quick},
            "basic": {
                "url": url,
                "auth": {"basic": {"username": "relay", "password": "env:BASIC"}},
                **quick,
            },
            "header": {
                "url": url,
                "auth": {"header": {"name": "x-api-key", "value": "env:HEADER"}},
                **quick,
            },
            "signed": {"url": url, "sign": {"secrets": ["env:SIGNING", "managed:out"]}, **quick},
            "down": {"url": refused, "auth": {"bearer": "env:BEARER"}, **quick},
            "log": {"file": "../var/log.jsonl"},
        },
        admin={"listen": "127.0.0.1:0", "token": "env:ADMIN"},
    )
    forwards = [{"to": name} for name in ("bearer", "basic", "header", "signed", "down", "log")]
    raises = {"to": "log", "name": "raises", "transform": "t.py:change"}
    for name, verify in schemes.items():
        site.route(name, {"verify": verify, "forward": [*forwards, raises]}, {"t.py": RAISES})


class Everything:
    """All that was shown to anyone."""

    def __init__(self) -> None:
        self.shown: dict[str, bytes] = {}

    def ran(self, what: str, ran: Ran) -> Ran:
        self.shown[what] = (ran.out + ran.err).encode()
        return ran

    def answered(self, what: str, answer: Answer) -> Answer:
        self.shown[what] = answer.body + repr(sorted(answer.headers.items())).encode()
        return answer

    def check(self, secrets: list[bytes]) -> None:
        for what, text in self.shown.items():
            for secret in secrets:
                for form in forms(secret):
                    assert form not in text, f"{what} shows a secret"


async def test_nothing_shows_a_secret(
    site: Site, start_process: StartProcess, target: Target, refused_url: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A relay has a secret of every kind, and all goes wrong: no output of it shows one.

    Outputs are every command, answer, metric, log line and file.
    """
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    write(site, target.url, refused_url, tmp_path / "hmac-key")
    process = await start_process(site)
    seen = Everything()
    cwd, admin = site.root, {"authorization": f"Bearer {SECRETS['ADMIN']}"}
    client = Client(process.public, process.admin)
    body = tmp_path / "body.json"
    body.write_text('{"type": "url_verification", "challenge": "c", "id": "one"}')
    wrong = {
        "authorization": "Bearer nearly-" + SECRETS["TOKEN"][:5], "x-key": "wrong",
        "x-signature": "00",
        "x-hub-signature-256": "sha256=00", "stripe-signature": "t=1,v1=00",
        "webhook-signature": "v1,AA==",
    }  # fmt: skip
    right = {
        "token": {"authorization": f"Bearer {SECRETS['TOKEN']}"},
        "key": {"x-key": LITERAL},
        "basic": {
            "authorization": "Basic "
            + base64.b64encode(f"lan:{SECRETS['PASSWORD']}".encode()).decode()
        },
    }
    try:
        for route in ("standard", "github", "stripe", "slack", "hmac", "token", "key", "basic"):
            refused = seen.answered(f"401 of {route}", await client.post(route, {}, wrong))
            assert refused.status == 401
            seen.ran(
                f"send {route}", await run("send", route, str(body), cwd=cwd)
            )  # the port is not the file's
            seen.ran(f"try {route}", await run("try", route, str(body), cwd=cwd))
        ids = [
            await client.accepted(route, {"route": route}, headers)
            for route, headers in right.items()
        ]
        # 3 events, 4 targets that are up, over HTTP
        await target.wait_for(12)

        async def settled() -> bool:
            text = (
                await client.request("GET", f"{process.admin}/metrics", headers=admin)
            ).body.decode()
            dead = 'relay_dead_letters{reason="connection",target="down"} 3.0'
            return (
                dead in text
                and 'relay_dead_letters{reason="transform_failed",target="log"} 3.0' in text
            )

        await until(settled, "everything to end")
        for path in (
            "/", "/metrics", "/healthz", "/readyz", "/api/version", "/api/routes", "/api/targets",
            "/api/events",
            "/api/dead", f"/api/events/{ids[0]}", f"/api/events/{ids[1]}",
            f"/api/events/{ids[2]}/body",
            "/api/events/nothing",
        ):  # fmt: skip
            seen.answered(path, await client.request("GET", process.admin + path, headers=admin))
        seen.answered("/ without a token", await client.request("GET", process.admin + "/"))
        url = ("--url", process.admin, "--token", SECRETS["ADMIN"])
        for arguments in (
            ["check"], ["check", "--strict"], ["check", "--json"], ["routes"], ["routes", "--json"],
            ["test"], ["version"],
            ["schema"], ["why", ids[0], *url], ["why", ids[1], "--json", *url], ["events", *url],
            ["events", "--json", *url],
            ["dead", *url], ["dead", "--json", *url], ["replay", ids[0], *url],
            ["replay", "--dead", "--dry-run", *url],
            ["pause", "log", *url], ["resume", "log", *url],
            ["why", "x", "--url", process.admin, "--token", "wrong"],
        ):  # fmt: skip
            seen.ran(" ".join(arguments[:2]), await run(*arguments, cwd=cwd))
        broken = site.routes / "token" / "route.yaml"
        kept = broken.read_text()
        broken.write_text(kept.replace('"scheme": "token"', '"scheme": "nothing"'))
        reload = await client.request("POST", f"{process.admin}/api/reload", headers=admin)
        assert seen.answered("broken reload", reload).status == 422
        seen.ran("check of a broken file", await run("check", cwd=cwd))
        broken.write_text(kept)
    finally:
        await client.close()
    assert await process.terminate() == 0
    seen.shown["log"] = process.log.encode()
    assert "transform_failed" in process.log
    for file in (*site.var.glob("relay.db*"), site.var / "log.jsonl"):
        seen.shown[file.name] = file.read_bytes()
    assert b"transform_failed" in seen.shown["relay.db"]
    managed = [path.read_bytes() for path in (site.var / "secrets").iterdir()]
    assert len(managed) == 2
    pair = base64.b64encode(f"lan:{SECRETS['PASSWORD']}".encode())
    seen.check([*(value.encode() for value in SECRETS.values()), *managed, LITERAL.encode(), pair])
    loaded = load(site.config, SecretsMode.READ)
    seen.shown = {"repr": repr((loaded, loaded.routes, loaded.targets)).encode()}
    seen.check([*(value.encode() for value in SECRETS.values()), *managed, LITERAL.encode()])


async def test_managed_secrets_are_for_their_owner_alone(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """Files of mode 0600 in a folder of mode 0700; a second start keeps them."""
    verify = {"scheme": "github", "secrets": ["managed:github"]}
    site.configure({"hook": {"url": target.url}})
    site.route("in", {"verify": verify, "forward": [{"to": "hook"}]})
    assert await (await start_process(site)).terminate() == 0
    folder = site.var / "secrets"
    secret = folder / "github"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    made = secret.read_bytes()
    assert len(base64.b64decode(made.removeprefix(b"whsec_"))) == 32
    assert await (await start_process(site)).terminate() == 0
    assert secret.read_bytes() == made


@pytest.mark.parametrize(
    "given", ["Bearer đ", "Bearer \xff", "Basic \xff\xfe", "Bearer ", "", "Bearer"]
)
async def test_credentials_of_any_bytes_are_compared(
    site: Site, start_process: StartProcess, target: Target, given: str
) -> None:
    """A credential that is not ASCII, or empty, is a wrong one and no fault."""
    site.configure(
        {"hook": {"url": target.url}},
        admin={"listen": "127.0.0.1:0", "token": "token-of-the-admin"},
    )
    site.route(
        "t", {"verify": {"scheme": "token", "secrets": ["s3cret"]}, "forward": [{"to": "hook"}]}
    )
    site.route(
        "b",
        {
            "verify": {"scheme": "basic", "username": "u", "secrets": ["s"]},
            "forward": [{"to": "hook"}],
        },
    )
    process = await start_process(site)
    client = Client(process.public, process.admin)
    raw = f"host: x\r\nauthorization: {given}\r\ncontent-length: 2\r\n\r\n{{}}".encode()
    try:
        for route in ("t", "b"):
            assert (await client.raw(f"POST /in/{route} HTTP/1.1\r\n".encode() + raw)).status == 401
    finally:
        await client.close()


def test_every_comparison_with_a_secret_takes_constant_time() -> None:
    """Verification and the admin's guard compare credentials by hmac.compare_digest alone."""
    package = Path(relay.__file__).parent
    files = [file for room in ("verify", "admin") for file in (package / room).glob("*.py")]
    wrong = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare):
                names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                names |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
                if names & {
                    "digest",
                    "signature",
                    "secret",
                    "secrets",
                    "token",
                    "password",
                    "right",
                    "candidate",
                }:
                    wrong.append(f"{file.name}:{node.lineno}: {ast.unparse(node)}")
    assert wrong == []
    assert sum("compare_digest(" in file.read_text() for file in files) == 2


def test_the_forms_are_found() -> None:
    """The search itself works: each form of a secret in a text is noticed."""
    for form in forms(SIGNING.encode()):
        seen = Everything()
        seen.shown = {"text": b"before " + form + b" after"}
        with pytest.raises(AssertionError, match="text shows a secret"):
            seen.check([SIGNING.encode()])
