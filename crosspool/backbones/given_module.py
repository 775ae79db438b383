"""The network of their own that the operator of this process names: `package.module:function`.

The name comes from the environment, where the operator's own command line or settings put it, and from nowhere else: no
link, no upload, no file of weights and no classifier can have anything imported.
"""

import importlib
import os
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from crosspool.errors import BackboneError

if TYPE_CHECKING:
    from crosspool.backbones.backbone import Backbone

VARIABLE = "CROSSPOOL_MODULE"
MADE = "crosspool.Backbone.from_module(...)"
SOURCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def given_network() -> "Backbone | None":
    """The network that the environment names, made once; None where it names none. Raises BackboneError."""
    source = os.environ.get(VARIABLE)
    return network_from(source) if source else None


@lru_cache(maxsize=1)
def network_from(source: str) -> "Backbone":
    """What the function returns that `package.module:function` names. Raises BackboneError.

    As with `python -m`, modules are also looked for in the current folder.
    """
    from crosspool.backbones.backbone import Backbone

    if not SOURCE.fullmatch(source):
        raise BackboneError(f"--module takes package.module:function, such as networks:birds, not {source!r}.")
    module_name, _, function_name = source.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module("crosspool.backbones.torchvision_guard")  # the module may import torchvision
        function = getattr(importlib.import_module(module_name), function_name)
        if not callable(function):
            kind = type(function).__name__
            raise BackboneError(f"{function_name} is of type {kind}; name a function that returns {MADE}.")
        backbone = function()
    except BackboneError as error:
        raise BackboneError(f"--module {source}: {error}") from error
    except ModuleNotFoundError as error:
        if module_name.endswith(".py") and error.name == module_name:
            without = f"{module_name.removesuffix('.py')}:{function_name}"
            raise BackboneError(f"--module {source}: leave out .py, as in --module {without}.") from error
        raise _failed(source, error) from error
    except Exception as error:  # it is the operator's code, which may raise anything
        raise _failed(source, error) from error
    if not isinstance(backbone, Backbone):
        kind = type(backbone).__name__
        raise BackboneError(f"--module {source} returns a {kind}; let it return {MADE}.")
    if not backbone.spec.is_own:
        problem = f"--module {source} returns {backbone.spec.name}, which crosspool knows by that name"
        raise BackboneError(f"{problem}; let it return {MADE} of a module of your own.")
    return backbone


def _failed(source: str, error: Exception) -> BackboneError:
    problem = f"--module {source} failed with {type(error).__name__}: {str(error).strip() or 'no message'}"
    return BackboneError(f"{' '.join(problem.split())}; try it in Python first.")
