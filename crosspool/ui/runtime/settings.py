"""What whoever runs the server may set: from the environment (CROSSPOOL_...) or a TOML file, each with its bounds.

`python -m crosspool.ui.runtime.settings` prints the table of docs/settings.md.
"""

import os
import reprlib
import sys
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crosspool.errors import SettingError
from crosspool.tables import Column, markdown_table

PREFIX = "CROSSPOOL_"
FILE_VARIABLE = "CROSSPOOL_SETTINGS"
FILE = "crosspool.toml"
# Other variables of crosspool: this file's path, the cache of the library, and the browser of the tests.
OTHERS = {FILE_VARIABLE, "CROSSPOOL_CACHE", "CROSSPOOL_CHROMIUM"}


class ServerSettings(BaseModel):
    """The server's settings. Megabytes are of 2**20 bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at_once: Annotated[int, Field(ge=0, le=64)] = 0
    """Computations at a time, which share the cores; 0 for what suits the machine."""
    wait_seconds: Annotated[float, Field(ge=1, le=3600)] = 120
    """How long a visitor waits for a turn before being told to try again."""
    cache_megabytes: Annotated[int, Field(ge=64, le=2**20)] = 256
    """Of all that is kept because others may ask for it again."""
    networks: Annotated[int, Field(ge=1, le=64)] = 2
    """Networks in memory, besides those that trainings under way use."""
    upload_megabytes: Annotated[int, Field(ge=1, le=512)] = 25
    """A picture's file."""
    zip_megabytes: Annotated[int, Field(ge=1, le=2048)] = 64
    """A ZIP of labelled pictures."""
    visitor_megabytes: Annotated[int, Field(ge=1, le=2**20)] = 64
    """Of the pictures of one visitor."""
    visitors_megabytes: Annotated[int, Field(ge=1, le=2**20)] = 512
    """Of the pictures of all visitors."""
    trained_megabytes: Annotated[int, Field(ge=64, le=2**20)] = 768
    """Of the classifiers that all visitors have trained."""
    disk_megabytes: Annotated[int, Field(ge=256, le=2**24)] = 4096
    """Of what the network yields for labelled pictures, on disk: for FieldGuide, and a sixteenth for one visitor's."""
    decode_seconds: Annotated[float, Field(ge=0.1, le=600)] = 4
    """How long one picture may take to be decoded."""
    trainings: Annotated[int, Field(ge=1, le=64)] = 2
    """Trainings under way; others wait for their turn."""
    training_minutes: Annotated[float, Field(ge=0.1, le=1440)] = 30
    """How long one training may take."""
    log: Literal["text", "json"] = "text"
    """How the log is written: for eyes, or one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    operator_key: Annotated[str, Field(min_length=12, max_length=200, repr=False)] = ""
    """What opens the operator's page, /operator; without one there is no such page."""


@cache
def settings() -> ServerSettings:
    """The settings of this process. Raises SettingError, see `read_settings`."""
    return read_settings(os.environ, Path.cwd())


def stop_if_wrong() -> None:
    """End the process with a sentence and status 2 where a setting is wrong."""
    try:
        settings()
    except SettingError as error:
        print(f"crosspool: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def read_settings(environment: Mapping[str, str], folder: Path) -> ServerSettings:
    """The environment's settings, then the file's, then the defaults; an empty variable counts as absent.

    The file is $CROSSPOOL_SETTINGS, or crosspool.toml in `folder` where there is one. Raises SettingError for a name
    that is no setting, a value outside its bounds and a file that cannot be read.
    """
    names = {name: PREFIX + name.upper() for name in ServerSettings.model_fields}
    given = {key: value for key, value in environment.items() if key.startswith(PREFIX) and value}
    for key in given.keys() - OTHERS - set(names.values()):
        raise _unknown(key, "in the environment", [*names.values(), *OTHERS])
    values = {name: given[key] for name, key in names.items() if key in given}
    try:
        chosen = ServerSettings.model_validate_strings(values)
    except ValidationError as error:
        raise _wrong(error, lambda name: f"{names[name]} in the environment") from error
    below = _from_file(environment.get(FILE_VARIABLE, ""), folder)
    return below.model_copy(update={name: getattr(chosen, name) for name in chosen.model_fields_set})


def _from_file(named: str, folder: Path) -> ServerSettings:
    path = Path(named).expanduser() if named else folder / FILE
    if not named and not path.exists():
        return ServerSettings()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"The settings' file {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:  # no UTF-8, or no TOML
        raise SettingError(f"The settings' file {path} is not valid TOML: {error}.") from error
    for key in values.keys() - ServerSettings.model_fields.keys():
        raise _unknown(key, f"in {path}", list(ServerSettings.model_fields))
    try:
        return ServerSettings.model_validate(values, strict=True)
    except ValidationError as error:
        raise _wrong(error, lambda name: f"{name} in {path}") from error


def _unknown(key: str, where: str, names: list[str]) -> SettingError:
    near = get_close_matches(key, names, n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists all."
    return SettingError(f"There is no setting {key!r} ({where}); {hint}")


def _wrong(error: ValidationError, place: Callable[[str], str]) -> SettingError:
    """The sentence for the first wrong value; a secret one is not repeated."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    value = f"{reprlib.repr(first['input'])}, but" if ServerSettings.model_fields[name].repr else "set, but"
    return SettingError(f"{place(name)} is {value} must be {allowed(_schema()[name])}.")


def _schema() -> dict[str, dict[str, Any]]:
    """Each setting's type, bounds, default and meaning, as JSON Schema."""
    properties: dict[str, dict[str, Any]] = ServerSettings.model_json_schema()["properties"]
    return properties


def allowed(setting: dict[str, Any]) -> str:
    """What a setting may be, in words."""
    if options := setting.get("enum"):
        return f"{', '.join(options[:-1])} or {options[-1]}"
    if setting["type"] == "string":
        return f"text of {setting['minLength']} to {setting['maxLength']} characters"
    kind = "a whole number" if setting["type"] == "integer" else "a number"
    return f"{kind} from {setting['minimum']:,} to {setting['maximum']:,}"


def table() -> str:
    """All settings in Markdown."""
    schema = _schema()
    return markdown_table(
        [
            Column("setting", [f"`{name}`" for name in schema]),
            Column(
                "default",
                [f"`{setting['default']}`" if setting["default"] != "" else "none" for setting in schema.values()],
            ),
            Column("may be", [allowed(setting) for setting in schema.values()]),
            Column("meaning", [setting["description"] for setting in schema.values()]),
        ]
    )


if __name__ == "__main__":
    print(table())
