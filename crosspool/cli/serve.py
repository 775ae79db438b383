"""`serve`: the app, from wherever crosspool is installed."""

import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from crosspool.errors import CrosspoolError, SettingError
from crosspool.installation import app_folder, missing

SETTINGS_VARIABLE = "CROSSPOOL_SETTINGS"
HIGHEST_PORT = 65535
Port = Annotated[
    int | None,
    typer.Option(
        min=1, max=HIGHEST_PORT, metavar="PORT", help="The port to serve at; by default 8501, or the next free one."
    ),
]
Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="The address to listen on: 127.0.0.1 for this machine only; by default all addresses."
    ),
]
SettingsFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A TOML file with the server's settings; by default ./crosspool.toml, if any."),
]


def serve_command(port: Port = None, host: Host = "", settings: SettingsFile = None) -> None:
    """Serve the app in the browser until Ctrl-C."""
    if packages := missing("app"):
        raise CrosspoolError(
            f"The app needs packages that are not installed ({', '.join(packages)}): "
            "python -m pip install 'crosspool[app]'"
        )
    if settings is not None:
        if not settings.is_file():
            raise SettingError(f"There is no settings file {settings}.")
        os.environ[SETTINGS_VARIABLE] = str(settings.resolve())
    options = [f"--server.address={host}"] if host else []
    if port is not None:
        _expect_free(host, port)
        options.append(f"--server.port={port}")
    sys.argv = ["streamlit", "run", str(app_folder() / "app.py"), *options]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)  # in this process, which gets all signals


def _expect_free(host: str, port: int) -> None:
    """Raise CrosspoolError where the port cannot be had: Streamlit would say so in its log, in other words."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            if os.name == "posix":  # a server that has just ended does not hold its port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        address = f"{host}, port {port}" if host else f"port {port}"
        raise CrosspoolError(
            f"Cannot listen on {address} ({error.strerror}); choose another with --port or --host."
        ) from error
