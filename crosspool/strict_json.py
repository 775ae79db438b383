"""JSON that every reader takes: NaN and Infinity, which Python would write, are no numbers of JSON."""

import json
from math import isfinite
from typing import Any


def json_text(document: Any, **layout: Any) -> str:
    """A document as JSON, laid out as by `json.dumps`; null stands for a number that is not finite."""
    return json.dumps(_finite(document), allow_nan=False, **layout)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list | tuple) else value
