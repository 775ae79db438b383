"""Where browsers get the sprites that come with crosspool."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from crosspool.sprites import included_sprite

SPRITE_ROUTE = "/sprites/{digest}/{backbone}/{pair}/{row}.webp"
DIGITS = 12


def sprite_for_browser(backbone: str, pair: str, weights: str) -> dict[str, Any] | None:
    """A sprite for the gallery's script: the address of its rows, and how many tiles of which side are in one.

    None where there is none.
    """
    sprite = included_sprite(backbone, pair, weights)
    if sprite is None:
        return None
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    url = f"{f'/{base}' if base else ''}/sprites/{_digest(sprite.path)}/{backbone}/{pair}/"
    return {"url": url, "tile": sprite.tile, "columns": sprite.columns}


@cache
def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]
