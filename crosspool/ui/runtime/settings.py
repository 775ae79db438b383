"""The settings of a server, from environment variables (CROSSPOOL_...) or a TOML file, within bounds.

`python -m crosspool.ui.runtime.settings` prints the table in docs/settings.md.
"""

import os
import reprlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic_settings
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from crosspool.errors import SettingError
from crosspool.text import Column, markdown_table

PREFIX = "CROSSPOOL_"
FILE_VARIABLE = "CROSSPOOL_SETTINGS"
FILE = "crosspool.toml"
KEY_VARIABLE = f"{PREFIX}OPERATOR_KEY"
WAITING_TIMES = 4  # what one visit may have waiting, as a multiple of its quota
# Variables of crosspool that are not settings: this file's path, the library's cache, and the tests' browser.
OTHER_VARIABLES = (FILE_VARIABLE, "CROSSPOOL_CACHE", "CROSSPOOL_CHROMIUM")


class ServerSettings(pydantic_settings.BaseSettings):
    """The server's settings. A megabyte is 2**20 bytes."""

    # Defaults are not validated: no key is no operator's page.
    model_config = pydantic_settings.SettingsConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=False, use_attribute_docstrings=True
    )

    open_pages: Annotated[int, Field(ge=4, le=100_000)] = 400
    """Pages that may be open at a time, of all visitors; a quarter of them of browsers that take no cookies."""
    at_once: Annotated[int, Field(ge=0, le=64)] = 0
    """Computations at a time, which share the cores; 0 for what suits the machine."""
    wait_seconds: Annotated[float, Field(ge=1, le=3600)] = 120
    """How long a visitor waits for a turn before being told to try again."""
    cache_megabytes: Annotated[int, Field(ge=64, le=2**20)] = 256
    """All results that are kept in case they are needed again."""
    networks: Annotated[int, Field(ge=1, le=64)] = 8
    """Networks that are kept in memory at most, besides EfficientNet-Lite0 with its weights."""
    networks_megabytes: Annotated[int, Field(ge=0, le=2**24)] = 0
    """All networks in memory, and what loading another takes meanwhile, at least 43; 0 for a third of the memory."""
    network_names: Annotated[str, Field(min_length=0, max_length=2000)] = ""
    """The networks on offer besides EfficientNet-Lite0, by name, with commas; empty for all but those of timm."""
    engine: Literal["auto", "torch", "onnxruntime"] = "auto"
    """What computes on a CPU; auto: torch, or ONNX Runtime where it was measured to be faster."""
    module: Annotated[str, Field(min_length=0, max_length=200)] = ""
    """A network of your own, package.module:function; it is imported and run in this process."""
    features: Annotated[str, Field(min_length=0, max_length=1000)] = ""
    """A store that crosspool extract has made, to look into on the page Collection; every visitor sees its images."""
    upload_megabytes: Annotated[int, Field(ge=1, le=512)] = 25
    """One image file."""
    zip_megabytes: Annotated[int, Field(ge=1, le=2048)] = 64
    """A ZIP of labelled images."""
    visitor_megabytes: Annotated[int, Field(ge=1, le=2**20)] = 64
    """The images of one visitor."""
    visitors_megabytes: Annotated[int, Field(ge=1, le=2**20)] = 512
    """The images of all visitors together."""
    trained_megabytes: Annotated[int, Field(ge=64, le=2**20)] = 768
    """The classifiers that all visitors have trained, with their results; half of it for one visitor."""
    disk_megabytes: Annotated[int, Field(ge=256, le=2**24)] = 4096
    """Features on disk: of FieldGuide, and as much of all visitors' labelled images, a sixteenth for each visitor."""
    kept_seconds: Annotated[float, Field(ge=1, le=86400)] = 600
    """How long a visit is kept after its page was closed, for its browser to come back; less where memory is short."""
    decode_seconds: Annotated[float, Field(ge=0.1, le=600)] = 4
    """How long decoding one image may take, in seconds of a core; ten times as long where other work is under way."""
    trainings: Annotated[int, Field(ge=1, le=64)] = 2
    """Trainings at a time; others wait for their turn."""
    trainings_waiting: Annotated[int, Field(ge=0, le=10_000)] = 60
    """Trainings that may wait for their turn, one for each visitor."""
    training_minutes: Annotated[float, Field(ge=0.1, le=1440)] = 30
    """How long one training may take, without waiting."""
    downloads: Literal["auto", "on", "off"] = "auto"
    """Whether visitors may download networks' weights here, of up to 2.6 GB each; auto: unless hosts are set."""
    hosts: Annotated[str, Field(min_length=0, max_length=2000)] = ""
    """Names of the server in browsers, with commas, besides addresses and the machine's own name; * for any."""
    log: Literal["text", "json"] = "text"
    """The format of the log: for people, or one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""
    operator_key: Annotated[str, Field(min_length=12, max_length=200, repr=False)] = ""
    """What opens the operator's page, /operator, and /metrics; without a key there is neither."""

    @property
    def largest_file_megabytes(self) -> int:
        """The largest file that any page takes."""
        return max(self.upload_megabytes, self.zip_megabytes, self.visitor_megabytes)

    @property
    def waiting_megabytes(self) -> int:
        """The files that one visit may have waiting: several times its quota, as photos are shrunk on receipt."""
        return max(WAITING_TIMES * self.visitor_megabytes, self.largest_file_megabytes)

    @property
    def allows_downloads(self) -> bool:
        """Whether visitors may download weights: by default where the server is not known by a name of its own."""
        return self.downloads == "on" or (self.downloads == "auto" and not self.hosts)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: pydantic_settings.PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[pydantic_settings.PydanticBaseSettingsSource, ...]:
        """Only the caller's values: `read_settings` passes those of the environment and the file."""
        return (init_settings,)


class _EnvironmentSource(pydantic_settings.EnvSettingsSource):
    """The settings in an environment; an empty variable counts as absent."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__(ServerSettings, env_prefix=PREFIX)
        self.env_vars = {key.lower(): value for key, value in environment.items() if key.startswith(PREFIX) and value}

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        if field.annotation in (int, float) and value is not None:
            with suppress(ValueError):  # anything but a number stays text, which the model refuses
                return field.annotation(value)
        return value


def settings_or_exit() -> ServerSettings:
    """The settings of this process; where one is wrong, end the process with a sentence and status 2."""
    try:
        return read_settings(os.environ, Path.cwd())
    except SettingError as error:
        print(f"crosspool: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def read_settings(environment: Mapping[str, str], folder: Path) -> ServerSettings:
    """The environment's settings, then the file's, then the defaults.

    The file is $CROSSPOOL_SETTINGS, or crosspool.toml in `folder` if it exists. Raises SettingError for an unknown
    name, a value outside its bounds and a file that cannot be read.
    """
    variables = [PREFIX + name.upper() for name in ServerSettings.model_fields] + list(OTHER_VARIABLES)
    for key, value in environment.items():
        if key.startswith(PREFIX) and value and key not in variables:
            raise _unknown(key, "in the environment", variables)
    given = _EnvironmentSource(environment)()
    path = Path(environment.get(FILE_VARIABLE) or folder / FILE).expanduser()
    in_file = _file_settings(path, required=bool(environment.get(FILE_VARIABLE)))
    names = list(ServerSettings.model_fields)
    for name in in_file:  # before pydantic sees them: it takes some others as its own
        if name not in names:
            raise _unknown(name, f"in {path}", names)
    try:
        return ServerSettings(**(in_file | given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    variable = PREFIX + name.upper()
    if name in given:
        raise _wrong(name, f"{variable} in the environment", environment[variable])
    raise _wrong(name, f"{name} in {path}", first["input"])


def _file_settings(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        if required:
            path.open("rb").close()
        return pydantic_settings.TomlConfigSettingsSource(ServerSettings, path)()
    except OSError as error:
        raise SettingError(f"The settings file {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:  # not UTF-8, or not TOML
        raise SettingError(f"The settings file {path} is not valid TOML: {error}.") from error


def _unknown(name: str, place: str, names: list[str]) -> SettingError:
    near = get_close_matches(name, names, n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists all settings."
    return SettingError(f"There is no setting {name!r} ({place}); {hint}")


def _wrong(name: str, place: str, value: Any) -> SettingError:
    """The sentence for a wrong value; a secret one is not repeated."""
    given = reprlib.repr(value) if ServerSettings.model_fields[name].repr else "set"
    return SettingError(f"{place} is {given}, but must be {allowed_values(_schema()[name])}.")


def _schema() -> dict[str, dict[str, Any]]:
    """Each setting's type, bounds, default and meaning, as JSON Schema."""
    properties: dict[str, dict[str, Any]] = ServerSettings.model_json_schema()["properties"]
    return properties


def allowed_values(setting: dict[str, Any]) -> str:
    """The values that a setting may have, in words."""
    if options := setting.get("enum"):
        return f"{', '.join(options[:-1])} or {options[-1]}"
    if setting["type"] == "string":
        return f"text of {setting['minLength']} to {setting['maxLength']} characters"
    number = "a whole number" if setting["type"] == "integer" else "a number"
    return f"{number} from {setting['minimum']:,} to {setting['maximum']:,}"


def settings_table() -> str:
    """A table of all settings, in Markdown."""
    schema = _schema()
    columns = {
        "setting": [f"`{name}`" for name in schema],
        "default": [f"`{setting['default']}`" if setting["default"] != "" else "none" for setting in schema.values()],
        "may be": [allowed_values(setting) for setting in schema.values()],
        "meaning": [setting["description"] for setting in schema.values()],
    }
    return markdown_table([Column(title, cells) for title, cells in columns.items()])


if __name__ == "__main__":
    print(settings_table())
