"""Attacks on a server: each is a function with a name and a sentence, and stands in this list."""

from benchmarks.harness.abuse import bombs, classifiers, comparing, http, networks, pages, sockets, uploads, widgets
from benchmarks.harness.abuse.base import CONTROL, Attack

ATTACKS: tuple[Attack, ...] = (
    CONTROL,
    *networks.ATTACKS,
    *classifiers.ATTACKS,
    *comparing.ATTACKS,
    *uploads.ATTACKS,
    *http.ATTACKS,
    *sockets.ATTACKS,
    *widgets.ATTACKS,
    *bombs.ATTACKS,
    *pages.ATTACKS,
)
