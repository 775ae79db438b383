"""Options that several commands share."""

from dataclasses import dataclass
from inspect import signature
from typing import Annotated

import typer
from typer.testing import CliRunner

from crosspool.cli.options import option_by_option


@dataclass(frozen=True)
class Shared:
    """Two options."""

    seed: Annotated[int, typer.Option(help="The seed.")] = 4
    name: Annotated[str, typer.Option(help="The name.")] = "cat"


def echo_command(*, first: int = 1, shared: Shared, last: bool = False) -> None:
    """Echo the options."""
    typer.echo(f"{first} {shared} {last}")


def test_a_group_of_options_becomes_an_option_for_each_field() -> None:
    assert list(signature(option_by_option(echo_command)).parameters) == ["first", "seed", "name", "last"]
    app = typer.Typer()
    app.command()(option_by_option(echo_command))
    result = CliRunner().invoke(app, ["--seed", "7", "--last"])
    assert result.output == "1 Shared(seed=7, name='cat') True\n"
