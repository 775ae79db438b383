"""Channels by classes: the mean energies of the channels that tell the classes apart best."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from crosspool.drawing.rendering import colour_table, quantise
from crosspool.text import number
from crosspool.ui.collection.view import View, go
from crosspool.ui.collection.wall import wall
from crosspool.ui.runtime.collection import ArrangedStore
from crosspool.ui.widgets.cell_image import cell_image, colour_bar
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.reveal import reveal
from crosspool.ui.widgets.text import as_it_is

MOST_CHANNELS, MOST_CLASSES = 40, 40
COLOURS = "viridis"
CELL = 16  # pixels
WIDER = 1.6  # than it is high is a cell, so that all of them are in sight


def classes_section(ready: ArrangedStore, view: View) -> None:
    """The table as a picture, and the images of the cell that is chosen."""
    collection = ready.collection
    if not collection.channels:
        st.info("This store has no channels; extract one with a method such as cl or gem.")
        return
    if not collection.classes:
        st.info("The images of this store have no labels for channels to tell apart.")
        return
    if sum(count > 1 for count in ready.counts.values()) < 2:
        st.info("There is nothing to tell apart: fewer than two labels have two images that could be read.")
        return
    channels, classes = telling_channels(collection.telling), sorted(ready.largest(MOST_CLASSES))
    rows = [collection.classes.index(name) for name in classes]
    energies = collection.class_energies[np.ix_(rows, channels)]
    most, least = (number(collection.telling[channel], 2) for channel in (channels[0], channels[-1]))
    st.caption(
        f"The {len(channels)} maps whose {term('energy')} tells the classes apart best, by the share of its variance "
        f"that lies between them, less what chance would give (from {most} down to {least}), by "
        f"{_classes_in_words(ready, len(classes))}. Press a cell to see that class's images, sorted by that map."
    )
    cell = None
    if view.by == "map" and view.label in classes and view.map in channels:
        cell = classes.index(view.label), channels.index(view.map)
    with st.container(key="collection-classes"):
        cell_image(
            picture(energies), alt="Mean energies: a row for each class, a column for each map.",
            map_size=(len(classes), len(channels)), cell=cell, key="by-class", asks=True,
            choose=lambda chosen: go(by="map", label=classes[chosen[0]], map=channels[chosen[1]]),
            bar=colour_bar((0.0, 1.0), COLOURS, "mean energy in a class, over the largest of that map"),
            aspect=WIDER * len(channels) / len(classes),
            names=([ready.titles[name] for name in classes], [*map(str, channels)]),
        )  # fmt: skip
    if cell is not None:
        label = as_it_is(ready.titles[view.label])
        reveal(f"{cell}", f"Images of {ready.titles[view.label]} by map {view.map}.", name="reveal-wall")
        st.markdown(
            f"**{label}** by map {view.map}: mean energy {number(float(energies[cell]))}, of at most "
            f"{number(float(energies[:, cell[1]].max()))} in one class."
        )
        wall(ready, view, "This map is zero on all images of this class.")


def _classes_in_words(ready: ArrangedStore, shown: int) -> str:
    count = len(ready.collection.classes)
    return f"all {count:,} classes" if shown == count else f"the {shown} largest of {count:,} classes"


def telling_channels(telling: NDArray[np.float32]) -> list[int]:
    """The channels that tell classes apart best, the best first."""
    order: list[int] = np.argsort(-telling, kind="stable")[:MOST_CHANNELS].tolist()
    return order


def picture(energies: NDArray[np.float32]) -> Image.Image:
    """Mean energies, (classes, channels), as coloured cells; each channel in a scale of its own."""
    tops = energies.max(axis=0, initial=0.0)
    steps = quantise(energies / np.where(tops > 0, tops, 1), (0.0, 1.0))
    coloured = Image.fromarray(colour_table(COLOURS)[steps])
    return coloured.resize((CELL * coloured.width, CELL * coloured.height), Image.Resampling.NEAREST)
