"""`doctor`: what works on this machine, and what to do about the rest."""

from dataclasses import asdict

import typer

from crosspool.cli.console import print_json, print_table, print_wrapped
from crosspool.cli.options import Json
from crosspool.tables import Column


def doctor_command(json: Json = False) -> None:
    """Check this machine: versions, device, weights, cache, fonts, image formats; and say what to do.

    Exits with status 1 if something does not work.
    """
    from crosspool.doctor import examine

    checks = examine()
    failed = [check for check in checks if check.state == "fail"]
    if json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        print_table(
            [
                Column("state", [check.state.upper() if check.state == "fail" else check.state for check in checks]),
                Column("check", [check.name for check in checks]),
                Column("found", [check.found for check in checks]),
            ]
        )
        for check in checks:
            if check.advice:
                typer.echo()
                print_wrapped(f"{check.name}: {check.advice}")
        typer.echo(
            f"\n{len(failed)} of {len(checks)} checks failed." if failed else "\nEverything that is needed works."
        )
    if failed:
        raise typer.Exit(1)
