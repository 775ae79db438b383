"""The errors that crosspool raises on purpose; all of them derive from `CrosspoolError`.

Each also derives from the built-in error for such a case, so that `except ValueError` and the like catch it.
"""


class CrosspoolError(Exception):
    """One clear sentence for people; the command line prints it and exits with status 2."""


class ImageError(CrosspoolError, ValueError):
    """An image cannot be used: the sentence names the file, the reason and what to do next. A `ValueError`."""


class BackboneError(CrosspoolError, RuntimeError):
    """A network or its weights cannot be loaded, or do not fit together. A `RuntimeError`, as torch's own is."""


class LayerPairError(CrosspoolError, LookupError):
    """A network has no such layer pair, or its layer pairs cannot be found. A `LookupError`."""


class SettingError(CrosspoolError, ValueError):
    """A setting is outside the values that it can have. A `ValueError`."""


class DatasetError(CrosspoolError, ValueError):
    """A data set cannot be read, or has too few images for the task. A `ValueError`."""


class ModelError(CrosspoolError, ValueError):
    """A file is not a classifier of crosspool, is damaged, or does not fit the network. A `ValueError`."""


class WeightsWarning(UserWarning):
    """What a file of weights holds was left out, or read in another place; the sentence says what."""


def not_found(name: str) -> str:
    """The sentence about a file that is not there."""
    return f"{name} was not found; check the name and the folder."
