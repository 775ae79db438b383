"""The classes that a channel speaks for and against, as bars."""

from html import escape

import streamlit as st

from crosspool.channel_meaning import ChannelClasses, ClassWeight
from crosspool.ui.runtime.meaning import PairMeaning
from crosspool.ui.widgets.text import as_it_is, signed

CLASSES = 5  # of each kind
ABOUT = (
    "The weight that each class gives to the mean of this map. A class's score is the sum of weight × mean over all "
    "maps, plus a constant: these numbers are exact. A typical weight is ±{typical}, so a class rests on many maps."
)
RECTIFIED = "The network's mean includes the map's negative weights, which are cut off on this page."


def classes_of_channel(meaning: PairMeaning, channel: int, *, rectified: bool) -> None:
    """The classes with the largest weights, or why there are none; `rectified` as for `about_weights`."""
    st.header("Which classes it speaks for", anchor=False)
    if meaning.classes is None:
        st.caption(as_it_is(meaning.reason))
        return
    st.html(_lists(meaning.classes, channel))
    st.caption(about_weights(meaning.classes, rectified=rectified))


def about_weights(classes: ChannelClasses, *, rectified: bool) -> str:
    """What the weights are, in a few sentences; `rectified` is whether the maps lack the negative weights they have."""
    text = ABOUT.format(typical=signed(float(classes.weights.std()), 2).removeprefix("+"))
    return f"{text} {RECTIFIED}" if rectified else text


def _lists(classes: ChannelClasses, channel: int) -> str:
    """The classes for and those against, each row with a bar as long as its weight is large."""
    kinds = {"for": classes.speaks_for(channel, CLASSES), "against": classes.speaks_against(channel, CLASSES)}
    longest = max((abs(weight) for rows in kinds.values() for _, weight in rows), default=1.0)
    lists = []
    for kind, rows in kinds.items():
        items = "".join(_row(row, longest) for row in rows) or "<li>no class</li>"
        lists.append(f'<p>Speaks {kind}</p><ul class="{kind}">{items}</ul>')
    return f'<div class="channel-classes">{"".join(lists)}</div>'


def _row(row: ClassWeight, longest: float) -> str:
    width = 100 * abs(row.weight) / longest
    text = f"<span>{escape(row.label)}</span> <b>{signed(row.weight)}</b>"
    return f'<li>{text}<i style="width: {width:.1f}%"></i></li>'
