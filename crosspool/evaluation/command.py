"""The command line that reproduces an evaluation, and its default baselines."""

from collections.abc import Sequence
from typing import Any

from crosspool.methods.wording import FULLY_CONNECTED

DATA_ROOT = "data"
DEFAULT_SPLITS = 20


def size_between(own: int) -> int:
    """An input size between a network's own and twice that, a multiple of 32: 320 for 224."""
    return round(own * 10 / 7 / 32) * 32


def usual_baselines(methods: Sequence[str]) -> list[str]:
    """The fully-connected activations of one network among the methods, or else the first method."""
    usual = [name for name in methods if name.lower().startswith(FULLY_CONNECTED) and "[" not in name]
    return usual or list(methods[:1])


def option_words(**options: Any) -> list[str]:
    """The words of a command line that set these options; None and False set nothing, and a list repeats an option."""
    words = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [word for item in (value if isinstance(value, list) else [value]) for word in (flag, str(item))]
    return words
