"""`serve`: the app, from wherever crosspool is installed."""

import os
import runpy
import socket
import sys
from pathlib import Path
from typing import Annotated

from crosspool.cli.options import option
from crosspool.errors import CrosspoolError, SettingError, not_found
from crosspool.installation import app_folder, missing

SETTINGS_VARIABLE, FEATURES_VARIABLE = "CROSSPOOL_SETTINGS", "CROSSPOOL_FEATURES"
HIGHEST_PORT = 65535
PORT_HELP = "The port to serve at; by default 8501, or the next free one."
HOST_HELP = "The address to listen on: 127.0.0.1 for this machine only; by default all addresses."
MODULE_HELP = "A function of yours that returns crosspool.Backbone.from_module(...), a network to offer."
FEATURES_HELP = "A store that crosspool extract has made, to look into on a page of its own."
SETTINGS_HELP = "A TOML file with the server's settings; by default ./crosspool.toml, if any."


def serve_command(
    port: Annotated[int | None, option("PORT", PORT_HELP, min=1, max=HIGHEST_PORT)] = None,
    host: Annotated[str, option("ADDRESS", HOST_HELP)] = "",
    settings: Annotated[Path | None, option("FILE", SETTINGS_HELP)] = None,
    module: Annotated[str, option("PACKAGE.MODULE:FUNCTION", MODULE_HELP)] = "",
    features: Annotated[str, option("STORE", FEATURES_HELP)] = "",
) -> None:
    """Serve the app in the browser until Ctrl-C."""
    if packages := missing("app"):
        install = "python -m pip install 'crosspool[app]'"
        raise CrosspoolError(f"The app needs packages that are not installed ({', '.join(packages)}): {install}")
    if settings is not None:
        if not settings.is_file():
            raise SettingError(not_found(str(settings)))
        os.environ[SETTINGS_VARIABLE] = str(settings.resolve())
    from crosspool.backbones.given_module import VARIABLE, given_network
    from crosspool.ui.runtime.settings import read_settings  # needs the packages that were just looked for

    if module:
        os.environ[VARIABLE] = module
    if features:
        os.environ[FEATURES_VARIABLE] = features
    chosen = read_settings(os.environ, Path.cwd())
    os.environ[VARIABLE] = chosen.module
    given_network()  # all before Streamlit prints its address
    if chosen.features:
        from crosspool.shards.store import Store

        Store.opened(chosen.features)
    options = [f"--server.address={host}"] if host else []
    if port is not None:
        _expect_free(host, port)
        options.append(f"--server.port={port}")
    sys.argv = ["streamlit", "run", str(app_folder() / "app.py"), *options]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)  # in this process, which gets all signals


def _expect_free(host: str, port: int) -> None:
    """Raise CrosspoolError if the port is not available; Streamlit would report that only in its log."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            if os.name == "posix":  # a server that has just ended does not hold its port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        address = f"{host}, port {port} ({error.strerror})" if host else f"port {port} ({error.strerror})"
        raise CrosspoolError(f"Cannot listen on {address}; choose another with --port or --host.") from error
