"""The names of a network's outputs, where a file of weights or a text file has them."""

import os
from pathlib import Path
from typing import Any

from crosspool.errors import BackboneError, not_found
from crosspool.text import printable

# Under which training programs keep them: a list, or a dict from names to numbers or from numbers to names.
KEYS = frozenset(
    {"classes", "class_names", "class_to_idx", "idx_to_class", "id2label", "label2id", "categories", "labels", "names"}
)


def numbered_classes(count: int) -> tuple[str, ...]:
    """Names for outputs of which nothing is known."""
    return tuple(f"class {number}" for number in range(count))


def read_class_names(path: str | os.PathLike[str], count: int) -> tuple[str, ...]:
    """The `count` names in a text file, one a line. Raises BackboneError if there are more or fewer."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise BackboneError(not_found(str(path))) from error
    except OSError as error:
        raise BackboneError(f"{path} cannot be read ({error.strerror}); check the name and the folder.") from error
    except UnicodeDecodeError as error:
        raise BackboneError(f"{path.name} is not a text in UTF-8; save it with one class's name a line.") from error
    names = tuple(printable(line.strip()) for line in lines if line.strip())
    if len(names) != count:
        problem = f"{path.name} has {len(names)} names, but the network has {count} outputs"
        raise BackboneError(f"{problem}; write one name a line, in the order of the outputs.")
    return names


def class_names_in(value: Any) -> tuple[str, ...]:
    """The names in a list, or in a dict that numbers them from 0; none in anything else, or where one is missing."""
    if isinstance(value, dict):
        if all(isinstance(number, int) for number in value.values()):
            if len(set(value.values())) < len(value):  # two names of one output
                return ()
            value = {number: name for name, number in value.items()}
        numbered = {str(number): name for number, name in value.items()}
        value = [numbered.get(str(number)) for number in range(len(value))]
    if isinstance(value, list | tuple) and all(isinstance(name, str) and name.strip() for name in value):
        return tuple(map(printable, value))
    return ()
