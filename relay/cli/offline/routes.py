"""`relay routes`: incoming URLs, how they are verified, and where they forward to."""

from itertools import zip_longest

from relay.cli import options, show
from relay.config import SecretsMode
from relay.routing.route import describe


def routes(
    config: options.Config = options.DEFAULT_CONFIG, as_json: options.AsJson = False
) -> None:
    """List incoming URLs, how they are verified, and where they forward to."""
    loaded = options.loaded(config, SecretsMode.PRETEND)
    described = [describe(route) for route in loaded.routes.values()]
    if as_json:
        show.as_json({"listen": loaded.config.listen, "routes": described})
        return
    rows = []
    for description in described:
        urls = [
            (f"http://{loaded.config.listen}{path}", description["scheme"])
            for path in description["paths"]
        ]
        forwards = [
            (forward["name"], forward["to"], forward["when"]) for forward in description["forwards"]
        ]
        rows += [
            (*(url or ("", "")), *(forward or ("", "", "")))
            for url, forward in zip_longest(urls, forwards)
        ]
    show.table(("URL", "scheme", "forward", "to", "when"), rows)
