"""Where browsers get the sprites that come with crosspool."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from crosspool.sprites import included_sprite

SPRITE_ROUTE = "/sprites/{digest}/{name}"
DIGITS = 12


def sprite_for_browser(backbone: str, pair: str, weights: str) -> dict[str, Any] | None:
    """A sprite for the gallery's script: its address, its tiles' side, and how many are in a row; None without one."""
    sprite = included_sprite(backbone, pair, weights)
    if sprite is None:
        return None
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    address = SPRITE_ROUTE.format(digest=_digest(sprite.path), name=sprite.path.name)
    return {"url": f"/{base}{address}" if base else address, "tile": sprite.tile, "columns": sprite.columns}


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]
