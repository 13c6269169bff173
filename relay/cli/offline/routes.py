"""`relay routes`: incoming URLs, how they are verified, and where they forward to."""

from itertools import zip_longest

from relay.cli import options, show
from relay.config import SecretsMode
from relay.routing.route import describe


def routes(
    config: options.Config = options.DEFAULT_CONFIG, as_json: options.AsJson = False
) -> None:
    """List incoming URLs, how they are verified, and where they forward to."""
    found = options.loaded(config, SecretsMode.PRETEND)
    described = [describe(route) for route in found.routes.values()]
    if as_json:
        show.as_json({"listen": found.config.listen, "routes": described})
        return
    rows = []
    for one in described:
        urls = [(f"http://{found.config.listen}{path}", one["scheme"]) for path in one["paths"]]
        forwards = [
            (forward["name"], forward["to"], forward["when"]) for forward in one["forwards"]
        ]
        rows += [
            (*(url or ("", "")), *(forward or ("", "", "")))
            for url, forward in zip_longest(urls, forwards)
        ]
    show.table(("URL", "scheme", "forward", "to", "when"), rows)
