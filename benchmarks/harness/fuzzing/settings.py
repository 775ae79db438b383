"""Environments and TOML files in which the operator of a server may have made mistakes."""

import json
import tempfile
from pathlib import Path
from random import Random

from benchmarks.harness.fuzzing.base import ACCEPTED, Kind, check_sentence, damaged
from crosspool.errors import SettingError
from crosspool.ui.runtime.settings import FILE, PREFIX, ServerSettings, read_settings

NAMES = tuple(ServerSettings.model_fields)
TEXTS = (
    "", " ", "0", "1", "2", "64", "65", "-1", "1.5", "1e3", "1e400", "nan", "inf", "-inf", "9" * 5000, "true", "no",
    "None", "json", "JSON", "text", "debug", "0x10", "1_000", "１２８", "[1]", "{}", "x" * 12, "x" * 201, "é" * 20,
    "\x1b[31m", "a\nb", "\udcff", "`x`", "<b>", "512", "120", "0.1", "600",
)  # fmt: skip
LITERALS = (
    "1", "64", "1.5", "nan", "inf", '"json"', '"text"', "'x'", '"secret of sixteen"', "true", "[]", "{}", "1979-05-27",
    "", '"120"', "1e400", "0x10", '"\\u0000"', '"""a\nb"""', "-1", "9" * 400,
)  # fmt: skip


def settings_case(random: Random) -> bytes:
    """An environment and a file, as a JSON object of both."""
    chosen = random.sample(NAMES, random.choice((0, 1, 1, 2, 4)))
    environment = {PREFIX + _name(name, random).upper(): _text(name, random) for name in chosen}
    in_file = random.choices(NAMES, k=random.randrange(4))
    lines = [f"{_name(name, random)} = {random.choice(LITERALS)}" for name in in_file]
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    if random.random() < 0.3:
        text = damaged(text, random)
    return json.dumps({"environment": environment, "file": text.decode("latin-1")}).encode()


def _name(name: str, random: Random) -> str:
    """The name, or sometimes a wrong one."""
    wrong = (name[:-1], name + "s", "", "operator", "é", "cache", "a.b")
    return name if random.random() < 0.9 else random.choice(wrong)


def _text(name: str, random: Random) -> str:
    """The default, which is valid, or just as often a strange text."""
    return random.choice((str(ServerSettings.model_fields[name].default), random.choice(TEXTS)))


def judge(case: bytes) -> str:
    """Values are those given, within their bounds, or a sentence says which one is not."""
    given = json.loads(case)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / FILE).write_bytes(given["file"].encode("latin-1"))
        try:
            settings = read_settings(given["environment"], folder)
        except SettingError as error:
            return check_sentence(str(error).replace(f"{folder}/", ""))  # the operator may know the server's folders
    assert ServerSettings.model_validate(settings.model_dump(exclude_defaults=True)) == settings
    for setting, text in given["environment"].items():
        value = getattr(settings, setting.removeprefix(PREFIX).lower(), None)
        if text and isinstance(value, int | float):
            assert value == float(text)
    return ACCEPTED


KIND = Kind("settings", settings_case, judge)
