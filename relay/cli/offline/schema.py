"""`relay schema`: the JSON Schema of each kind of file, by which editors complete it."""

from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter

from relay.cli import options, show
from relay.config import RelayFile, RouteFile
from relay.config.models import TargetsFile


def schema(
    of: Annotated[
        Literal["relay", "targets", "route"], typer.Argument(help="Which kind of file.")
    ] = "relay",
    as_json: options.AsJson = True,  # noqa: ARG001 - taken so that every command takes it
) -> None:
    """Print the JSON Schema of relay.yaml, of a targets file, or of route.yaml, for editors."""
    model = {"relay": RelayFile, "targets": TargetsFile, "route": RouteFile}[of]
    document = TypeAdapter[object](model).json_schema()
    show.as_json({"$schema": "https://json-schema.org/draft/2020-12/schema", **document})
