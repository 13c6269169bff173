"""Configs without a fault: the shipped one and its defaults, secrets, paths, routes, targets."""

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from relay.clock import Wall
from relay.config import Loaded, RelayFile, SecretsMode, load
from relay.errors import ConfigInvalid
from relay.targets.feed import FeedOptions
from relay.targets.http import HttpOptions, HttpSettings
from relay.targets.target import DEFAULT_SCHEDULE, Exponential, Retry
from relay.verify.standard_webhooks import decode_key

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config" / "relay.yaml"
_KEY = re.compile(r"(\s*)# (\s*[a-z_]+:(\s.*)?)")
# Written in the file to show how they look: no default could stand for them.
EXAMPLES = {"token", "url", "rate", "sign", "auth", "headers"}


def written() -> dict[str, Any]:
    """Return the shipped file with all that is commented out put in force."""
    lines = SHIPPED.read_text("utf-8").splitlines()
    text = "\n".join(
        f"{found[1]}{found[2]}" if (found := _KEY.fullmatch(line)) else line for line in lines
    )
    document = YAML(typ="safe", pure=True).load(text)
    assert isinstance(document, dict)
    return document


def same(model: type[BaseModel], section: Mapping[str, Any], where: str) -> None:
    """Assert that a section names every field of its model, with the model's own default."""
    fields = {info.alias or name: name for name, info in model.model_fields.items()}
    assert section.keys() == fields.keys() - ({"exponential"} if model is Retry else set()), where
    for key, value in section.items():
        if key in EXAMPLES:
            continue
        default = model.model_fields[fields[key]].get_default(call_default_factory=True)
        if isinstance(default, BaseModel) and isinstance(value, dict):
            same(type(default), value, f"{where}.{key}")
        elif key == "schedule":
            assert Retry.model_validate({key: value}).schedule == list(DEFAULT_SCHEDULE)
        else:
            needed = {name: "http://x" for name in ("url",) if name in model.model_fields}
            assert getattr(model.model_validate({**needed, key: value}), fields[key]) == default, (
                f"{where}.{key}"
            )


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "relay.yaml"


CONFIG = """state: var
routes: routes
store: sqlite:var/relay.db
targets: {inbox: {file: inbox.jsonl}}
"""
ROUTE = """verify: {scheme: hmac, header: x-signature, secrets: [managed:hello]}
forward:
  - to: inbox
"""


def loaded(
    folder: Path, files: Mapping[str, str] | None = None, mode: SecretsMode = SecretsMode.PRETEND
) -> Loaded:
    standard = {"relay.yaml": CONFIG, "routes/hello/route.yaml": ROUTE}
    return load(write(folder, standard | dict(files or {})), mode)


def test_shipped_config_loads() -> None:
    """The relay starts with the files as they are in the repository, without a warning."""
    found = load(SHIPPED, SecretsMode.PRETEND)
    assert found.routes
    assert found.targets
    assert found.warnings == ()


def test_defaults_in_the_shipped_file_are_the_models() -> None:
    """The file has every key that there is; a key that is commented out shows its default."""
    document = written()
    for name, target in document["targets"].items():
        if "url" in target:
            same(HttpOptions, target, name)
        if name == "news":  # the one that shows every key
            assert target.keys() == FeedOptions.model_fields.keys() - {"retry"}
            assert FeedOptions(**target).entries == FeedOptions(feed=Path("x"), title="x").entries
    assert {key for target in document["targets"].values() for key in target} >= {
        "url",
        "file",
        "feed",
    }
    targets = document.pop("targets")
    same(RelayFile, {**document, "targets": {}}, "relay.yaml")
    assert set(targets) >= {"inbox", "chat"}


def test_exponential_in_the_shipped_file_is_the_models() -> None:
    """The alternative to a schedule is written with its defaults, too."""
    found = re.search(r"exponential: (\{.*?\})", SHIPPED.read_text("utf-8"))
    assert found
    same(Exponential, YAML(typ="safe", pure=True).load(found[1]), "exponential")


def test_default_schedule_fits_the_default_age() -> None:
    """Every wait of the default schedule ends before the default `max_age`, so none is in vain."""
    assert sum(DEFAULT_SCHEDULE) <= Retry().max_age


def test_config_of_comments_alone_is_all_defaults(tmp_path: Path) -> None:
    """A file of comments alone is a config, beside the folders that the defaults name.

    An empty file would be a half-written one.
    """
    path = tmp_path / "config" / "relay.yaml"
    write(tmp_path, {"config/relay.yaml": "# nothing\n", "routes/.keep": ""})
    assert load(path, SecretsMode.PRETEND).config == RelayFile()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    """Wherever the relay is started, a path means the same file."""
    found = loaded(tmp_path)
    assert found.state == tmp_path / "var"
    assert found.store == tmp_path / "var" / "relay.db"
    (inbox,) = found.targets.values()
    assert getattr(inbox, "path", None) == tmp_path / "inbox.jsonl"


def test_targets_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    """`targets: PATH` reads them from there; their paths are relative to that file."""
    found = loaded(
        tmp_path,
        {
            "relay.yaml": CONFIG.replace("{inbox: {file: inbox.jsonl}}", "other/targets.yaml"),
            "other/targets.yaml": "inbox: {file: inbox.jsonl}\n",
        },
    )
    assert getattr(found.targets["inbox"], "path", None) == tmp_path / "other" / "inbox.jsonl"


def test_durations_and_sizes_become_seconds_and_bytes(tmp_path: Path) -> None:
    """Values that a file gives with units are plain numbers inside."""
    found = loaded(
        tmp_path,
        {
            "relay.yaml": CONFIG.replace(
                "targets: {", "targets: {chat: {url: http://127.0.0.1:1/, timeout: {total: 1m}}, "
            )
            + "limits: {memory: 1.5MiB, body_timeout: 250ms}\n"
        },
    )
    assert found.config.limits.memory == 3 << 19
    assert found.config.limits.body_timeout == 0.25
    chat = found.targets["chat"]
    assert isinstance(chat, HttpSettings)
    timeout = chat.options.timeout
    assert (timeout.connect, timeout.total) == (5.0, 60.0)


def test_running_makes_managed_secrets_for_their_owner_alone(tmp_path: Path) -> None:
    """The first start makes a managed secret: 32 random bytes, mode 0600, its folder 0700."""
    loaded(tmp_path, mode=SecretsMode.CREATE)
    path = tmp_path / "var" / "secrets" / "hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(decode_key(path.read_bytes())) == 32


def test_managed_secret_is_made_once(tmp_path: Path) -> None:
    """The next start finds the secret as it was."""
    loaded(tmp_path, mode=SecretsMode.CREATE)
    before = (tmp_path / "var" / "secrets" / "hello").read_bytes()
    loaded(tmp_path, mode=SecretsMode.CREATE)
    assert (tmp_path / "var" / "secrets" / "hello").read_bytes() == before


def test_checking_makes_no_secret(tmp_path: Path) -> None:
    """`relay check` and `relay test` write nothing at all."""
    loaded(tmp_path, mode=SecretsMode.PRETEND)
    assert not (tmp_path / "var").exists()


def test_pretended_secret_is_one_for_all_who_name_it(tmp_path: Path) -> None:
    """Two routes that name the same managed secret share it, pretended too."""
    found = loaded(tmp_path, {"routes/again/route.yaml": ROUTE})
    hello, again = (found.routes[name].schemes[""] for name in ("hello", "again"))
    assert hello.sign(b"x", "", Wall(0.0)) == again.sign(b"x", "", Wall(0.0))


def test_reading_needs_a_secret_that_is_there(tmp_path: Path) -> None:
    """`relay send` takes the running relay's secret, and says what to do if there is none yet."""
    with pytest.raises(ConfigInvalid, match="has not been made yet — start the relay once"):
        loaded(tmp_path, mode=SecretsMode.READ)
    loaded(tmp_path, mode=SecretsMode.CREATE)
    loaded(tmp_path, mode=SecretsMode.READ)


def test_secrets_come_from_environment_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`env:` and `file:` are followed; a file's last line end is none of the secret."""
    monkeypatch.setenv("RELAY_TEST_SECRET", "one")
    found = loaded(
        tmp_path,
        {
            "routes/hello/route.yaml": ROUTE.replace("managed:hello", "env:RELAY_TEST_SECRET"),
            "routes/again/route.yaml": ROUTE.replace("managed:hello", "file:key"),
            "routes/again/key": "one\n",
        },
    )
    hello, again = (found.routes[name].schemes[""] for name in ("hello", "again"))
    assert hello.sign(b"x", "", Wall(0.0)) == again.sign(b"x", "", Wall(0.0))
    assert found.warnings == ()


def test_literal_secret_is_a_warning(tmp_path: Path) -> None:
    """A secret that stands in the file is taken; a warning names its place, not its text."""
    found = loaded(tmp_path, {"routes/hello/route.yaml": ROUTE.replace("managed:hello", "hunter2")})
    (warning,) = found.warnings
    assert re.search(
        r"routes/hello/route\.yaml:1:\d+: .*env:NAME, file:PATH or managed:NAME", warning
    )
    assert "hunter2" not in warning


def test_secrets_show_in_no_repr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loaded config can be logged: no secret shows in its repr."""
    monkeypatch.setenv("RELAY_TEST_SECRET", "hunter2")
    chat = "chat: {url: http://127.0.0.1:1/, auth: {bearer: env:RELAY_TEST_SECRET}}"
    found = loaded(
        tmp_path,
        {
            "relay.yaml": CONFIG.replace("targets: {", f"targets: {{{chat}, ")
            + "admin: {token: env:RELAY_TEST_SECRET}\n",
            "routes/hello/route.yaml": ROUTE.replace("managed:hello", "env:RELAY_TEST_SECRET"),
        },
    )
    assert "hunter2" not in repr(found)


def test_digest_follows_what_was_read(tmp_path: Path) -> None:
    """The digest stays while files stay, and changes with a route's own code."""
    route = ROUTE + "    transform: transform.py:change\n"
    files = {
        "routes/hello/route.yaml": route,
        "routes/hello/transform.py": "def change(event): return {}\n",
    }
    first = loaded(tmp_path, files).digest
    assert loaded(tmp_path, files).digest == first
    files["routes/hello/transform.py"] = "def change(event): return []\n"
    assert loaded(tmp_path, files).digest != first


def test_folder_without_a_route_is_no_route(tmp_path: Path) -> None:
    """Deleting route.yaml removes the route.

    Other files beside the folders are nobody's concern.
    """
    found = loaded(tmp_path, {"routes/README.md": "x", "routes/old/transform.py": "x = ("})
    assert set(found.routes) == {"hello"}


def test_forwards_to_one_target_have_names_of_their_own(tmp_path: Path) -> None:
    """The second forward to a target is called `target-2`, unless the file names it."""
    route = ROUTE + "  - to: inbox\n  - {to: inbox, name: copy}\n"
    found = loaded(tmp_path, {"routes/hello/route.yaml": route})
    assert [forward.name for forward in found.routes["hello"].forwards] == [
        "inbox",
        "inbox-2",
        "copy",
    ]
    assert set(found.routes["hello"].by_name) == {"inbox", "inbox-2", "copy"}
