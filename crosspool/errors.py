"""The errors that crosspool raises on purpose; all of them derive from `CrosspoolError`."""


class CrosspoolError(Exception):
    """One clear sentence for people; the command line prints it and exits with status 2."""


class ImageError(CrosspoolError):
    """An image cannot be used: the sentence names the file, the reason and what to do next."""


class BackboneError(CrosspoolError):
    """A network or its weights cannot be had, or do not fit together."""


class LayerPairError(CrosspoolError):
    """A network offers no such layer pair, or its layer pairs cannot be found."""


class SettingError(CrosspoolError):
    """A setting is outside the values that it can have."""


class DatasetError(CrosspoolError):
    """A data set cannot be read, or has too little in it for what was asked."""


class ModelError(CrosspoolError):
    """A file is no trained classifier of crosspool's, is damaged, or does not fit the network."""
