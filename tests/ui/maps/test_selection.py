"""What was selected in the maps of other layers."""

from crosspool.ui.maps import selection
from crosspool.ui.maps.selection import MapsState, bring_channels, forget_channels
from crosspool.ui.visit.link import LinkState


def test_selections_are_remembered_for_the_layers_that_were_shown_last(monkeypatch):
    link = LinkState()
    parts = {LinkState: link, MapsState: MapsState()}
    monkeypatch.setattr(selection, "visit_state", parts.__getitem__)
    monkeypatch.setattr(selection, "LAYERS_KEPT", 3)

    def show(pair):
        forget_channels()
        link.pair = pair
        bring_channels()

    for number, pair in enumerate("abc"):
        show(pair)
        link.channel = number
    show("d")
    selected = {}
    for pair in "cba":
        show(pair)
        selected[pair] = link.channel
    assert selected == {"c": 2, "b": 1, "a": -1}
