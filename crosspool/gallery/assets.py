"""The package's scripts and stylesheets, as the app's components and a saved page take them.

Scripts are ES modules, which editors and linters know. But a component takes one text, and a page opened from a disk
cannot load another file: `script` puts a module together with those that it imports, each in a scope of its own. It
knows one form of import and one of export, and refuses any other.
"""

import posixpath
import re
from dataclasses import dataclass
from importlib.resources import files

_IMPORT = re.compile(r'import \{ (\w+(?:, \w+)*) \} from "(\.\.?/[\w./]+\.js)";')
_EXPORT = re.compile(r"export ((?:const|class|function|async function) (\w+).*)")


@dataclass(frozen=True)
class _Module:
    """A module as a constant that holds what it exports."""

    text: str
    names: frozenset[str]


def asset(path: str) -> str:
    """The text of a file, by its path in this package."""
    return files("crosspool").joinpath(path).read_text(encoding="utf-8")


def script(path: str) -> str:
    """A module as a text that imports nothing; a default export stays. Raises ValueError where it cannot be read."""
    modules: dict[str, _Module] = {}
    text = "\n".join(_lines(path, modules, ()))
    return "".join(module.text for module in modules.values()) + text + "\n"


def _lines(path: str, modules: dict[str, _Module], importers: tuple[str, ...]) -> list[str]:
    """The lines of a module with its imports taken from `modules`, to which those that are missing are added."""
    lines = asset(path).splitlines()
    for index, line in enumerate(lines):
        if not line.startswith("import"):
            continue
        names, source = _groups(_IMPORT, line, path)
        source = posixpath.normpath(posixpath.join(posixpath.dirname(path), source))
        if source in (*importers, path):
            raise ValueError(f"{path} and {source} import each other")
        if source not in modules:
            modules[source] = _module(source, _lines(source, modules, (*importers, path)))
        missing = set(names.split(", ")) - modules[source].names
        if missing:
            raise ValueError(f"{path} imports {', '.join(sorted(missing))}, which {source} does not export")
        lines[index] = f"const {{ {names} }} = {_constant(source)};"
    return lines


def _module(path: str, lines: list[str]) -> _Module:
    names = []
    for index, line in enumerate(lines):
        if line.startswith("export"):
            lines[index], name = _groups(_EXPORT, line, path)
            names.append(name)
    body = "\n".join(lines)
    text = f"const {_constant(path)} = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();\n"
    return _Module(text, frozenset(names))


def _groups(pattern: re.Pattern[str], line: str, path: str) -> tuple[str, str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise ValueError(f"{path}: cannot read {line!r}")
    return match[1], match[2]


def _constant(path: str) -> str:
    return re.sub(r"\W", "_", path)
