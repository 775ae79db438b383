"""Steps 6 to 8: finer maps, what an average loses, and where to go from here."""

from dataclasses import replace

import streamlit as st

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, colour_range_of
from crosspool.ui.contributions.explaining import explain_image, network_classifier
from crosspool.ui.lesson.quantities import (
    COARSE,
    FINE,
    mirrored_map,
    positions_at,
    relative_change,
    similarity_to_finer,
)
from crosspool.ui.lesson.state import LessonState, choose_map, lesson_state
from crosspool.ui.lesson.step_parts import (
    BUILD_PAGE,
    EXPLAINED_PAGE,
    MAPS_PAGE,
    TRAIN_PAGE,
    WHY_PAGE,
    cell_chooser,
    cell_name,
    go_on,
    step_columns,
    step_text,
    try_it,
    weight_here,
)
from crosspool.ui.maps.large_images import input_image, map_image, overlay_image
from crosspool.ui.maps.selection import channel_input
from crosspool.ui.runtime.server import current_server
from crosspool.ui.visit.waiting import waiting
from crosspool.ui.widgets.text import as_it_is, number, signed


def finer_maps(view: LessonState) -> None:
    """Step 6."""
    k = view.channel
    step_text(
        f"Enlarge the photo from {COARSE} to {FINE} pixels and the same network gives maps twice as fine: "
        f"{positions_at(FINE)} positions instead of {positions_at(COARSE)}. Everything now looks twice as large to it, "
        f"and it was trained at {COARSE}, so a finer map is not just a sharper drawing of the coarse one."
    )
    columns = step_columns("finer")
    with columns[1], waiting("Computing the finer maps …") as on_progress:
        fine = lesson_state(view.picture, FINE, on_progress)
    cosine = similarity_to_finer(view.maps.upper[k], fine.maps.upper[k])
    for column, each in zip(columns, (view, fine), strict=False):
        rows = each.maps.upper.shape[1]
        with column:
            st.markdown(f"**Map {k} at {each.request.size} px: {rows} × {rows}**")
            overlay_image(
                each.maps.framed,
                each.maps.upper[k],
                each.look.colour_range(each.maps.statistics.peak, k),
                each.look,
                position=each.position,
                choose=cell_chooser(each),
                alt=f"Weighting map {k} at an input of {each.request.size} pixels: {rows} by {rows} cells.",
                label="weight, on the scale of this map",
                key=f"over-{each.request.size}",
            )
    with columns[-1]:
        try_it(
            "Click small things in the right image. Does the map change within one cell of the left one?",
            f"Here: **{number(weight_here(view))}** at {cell_name(view.position)} of the coarse map, "
            f"**{number(weight_here(fine))}** at {cell_name(fine.position)} of the fine one. Averaged down, the fine "
            f"map's similarity to the coarse map: **{number(cosine, 2)}** (cosine; 1 = same shape).",
        )
        channel_input(view.maps, k, "lesson_map", choose_map)
        go_on(view, MAPS_PAGE, "See all maps at 448 px", "grid_view", size=FINE)


def fully_connected(view: LessonState) -> None:
    """Step 7."""
    maps, k = view.maps, view.channel
    weights, block = mirrored_map(maps, k)
    step_text(
        f"The network's fully-connected layer reads one number of each map: its **average**. Mirror map {k}, and the "
        "average stays as it was; its block of P changes, as other patches lie under the weights. P keeps **what was "
        "there where the map responded**. Whether that tells classes apart better has to be measured, class by class."
    )
    over, turned, evidence, text = step_columns("connected", 4)
    for column, key, title, values in (
        (over, "over", f"Map {k}", maps.upper[k]),
        (turned, "mirrored", f"Map {k}, mirrored", weights),
    ):
        with column:
            st.markdown(f"**{title}**")
            overlay_image(
                maps.framed,
                values,
                view.look.colour_range(maps.statistics.peak, k),
                view.look,
                position=view.position,
                choose=cell_chooser(view),
                alt=f"{title}, over the image.",
                label=f"weight; average {number(values.mean(), 4)}",
                key=key,
            )
    with evidence:
        class_evidence(view)
    with text:
        try_it(
            "Choose another map. Which blocks hardly change when the map is mirrored?",
            f"Average: **{number(maps.upper[k].mean(), 4)}** before, **{number(weights.mean(), 4)}** after. The block "
            f"of P changes by **{number(100 * relative_change(maps.pooled[k], block), 2)} %** of its size.",
        )
        channel_input(maps, k, "lesson_map", choose_map)
        go_on(view, WHY_PAGE, "Why this class?", "balance")


def class_evidence(view: LessonState) -> None:
    """What the averages give: the network's answer, split by position afterwards."""
    network = current_server().networks.named(view.request.backbone, view.request.weights)
    with waiting("Asking the network …") as on_progress:
        seen_by_network = explain_image(
            view.picture, network_classifier(network, COARSE, view.request.framing), on_progress
        )
    answer = seen_by_network.explanation.predicted
    evidence = seen_by_network.contributions((answer, "")).positions
    assert evidence is not None  # averages of maps always have them
    st.markdown(f"**Evidence for {as_it_is(answer)}**")
    overlay_image(
        view.maps.framed,
        evidence,
        colour_range_of(evidence, signed=True),
        replace(view.look, colour_map=SIGNED_COLOUR_MAP, signed=True),
        position=view.position,
        choose=cell_chooser(view),
        alt=f"Evidence for {answer} by position, over the image.",
        label=f"what each position adds to the score {signed(float(seen_by_network.scores.max()))}",
        key="evidence",
    )
    st.caption(
        "An average is a sum over positions, so its score can be split by position afterwards (a class activation "
        "map). The layer itself gets no positions to work with."
    )


def now_you(view: LessonState) -> None:
    """Step 8."""
    step_text(
        "A map says where to look, a patch what is there, and P puts the two together for every map. Take your own "
        "photo, or go on with this one: each page starts with the map that you have just looked at."
    )
    input_column, over, text = step_columns("you")
    with input_column:
        input_image(view.maps, view.request, view.position, cell_chooser(view))
    with over:
        map_image(view.maps, view.channel, view.position, view.look, cell_chooser(view))
    with text:
        st.markdown("**Go on**")
        go_on(view, MAPS_PAGE, "See every map, of your own photo too", "grid_view")
        go_on(view, BUILD_PAGE, "Build P by hand, and try what follows", "stacked_bar_chart")
        go_on(view, WHY_PAGE, "Why this class?", "balance")
        go_on(view, EXPLAINED_PAGE, "Read Eq. 1 with all numbers", "school")
        go_on(view, TRAIN_PAGE, "Train on your own classes, and compare", "model_training")
