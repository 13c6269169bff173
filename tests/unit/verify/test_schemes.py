"""The table: schemes by the names of their files, and nothing else of the package."""

import pytest

from relay.verify.github import GithubOptions
from relay.verify.schemes import names, options


def test_names_are_those_of_the_documentation() -> None:
    """Underscores of a file's name are dashes of the scheme's."""
    assert {"standard-webhooks", "github", "stripe", "slack", "hmac", "token", "basic", "none"} <= {
        *names()
    }


def test_options_are_those_of_the_scheme() -> None:
    """Each name has the model of its own file."""
    assert options("github") is GithubOptions


@pytest.mark.parametrize(
    "name", ["", "mac", "options", "schemes", "githbu", "standard_webhooks", "..errors", "github."]
)
def test_other_modules_are_no_schemes(name: str) -> None:
    """A route can't have a module imported that is no scheme."""
    with pytest.raises(KeyError):
        options(name)
