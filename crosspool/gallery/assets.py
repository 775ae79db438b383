"""The package's scripts and stylesheets, as the app's components and saved pages include them.

Scripts are ES modules, which editors and linters understand. But a component takes a single text, and a page opened
from disk cannot load another file: `script` joins a module with those that it imports, each in its own scope. It
understands one form of import and one of export, and refuses any other.
"""

import posixpath
import re
from importlib.resources import files

_IMPORT = re.compile(r'import \{ (\w+(?:, \w+)*) \} from "(\.\.?/[\w./]+\.js)";')
_EXPORT = re.compile(r"export ((?:const|class|function|async function) (\w+).*)")

_Module = tuple[str, list[str]]  # a text that defines a constant with the module's exports, and their names


def asset(path: str) -> str:
    """The text of a file, by its path in this package."""
    return files("crosspool").joinpath(path).read_text(encoding="utf-8")


def script(path: str) -> str:
    """A module as a text without imports; a default export stays. Raises ValueError for unsupported syntax."""
    modules: dict[str, _Module] = {}
    lines = _lines(path, modules, ())
    return "".join(text for text, _ in modules.values()) + "\n".join(lines) + "\n"


def _lines(path: str, modules: dict[str, _Module], importers: tuple[str, ...]) -> list[str]:
    """The lines of a module that takes its imports from `modules`, to which the missing ones are added."""
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
        missing = set(names.split(", ")).difference(modules[source][1])
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
    return f"const {_constant(path)} = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();\n", names


def _groups(pattern: re.Pattern[str], line: str, path: str) -> tuple[str, str]:
    match = pattern.fullmatch(line)
    if match is None:
        raise ValueError(f"{path}: cannot read {line!r}")
    return match[1], match[2]


def _constant(path: str) -> str:
    return re.sub(r"\W", "_", path)
