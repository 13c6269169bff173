"""All commands, gathered."""

import typer

from relay.cli import export, offline, online, replay, run, send, sink

app = typer.Typer(
    name="relay",
    help="A webhook relay that loses nothing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("check")(offline.check)
app.command("routes")(offline.routes)
app.command("try")(offline.try_)
app.command("test")(offline.test)
app.command("send")(send.send)
app.command("sink")(sink.sink)
app.command("why")(online.why)
app.command("events")(online.events)
app.command("dead")(online.dead)
app.command("replay")(replay.replay)
app.command("export")(export.export)
app.command("pause")(online.pause)
app.command("resume")(online.resume)
app.command("schema")(offline.schema)
app.command("version")(offline.version)


def main() -> None:
    """Run the command line."""
    app()
