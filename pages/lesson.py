"""The guided lesson: from a photo to P in eight steps, with the numbers of a sample image."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, colour_limits
from crosspool.errors import CrosspoolError
from crosspool.ui.contributions.explaining import explained, own_subject
from crosspool.ui.equation.building import construct
from crosspool.ui.equation.charts import CONFIG, SHOWN, blocks_in_a_row, entry_name, growing_block, strongest_entries
from crosspool.ui.lesson.lesson import (
    COARSE,
    FINE,
    TITLES,
    LessonState,
    a_dozen,
    carriers_of_half,
    change,
    choose_map,
    choose_place,
    chosen_sample,
    current_step,
    go_to,
    keys_of_step,
    likeness,
    mirrored,
    note_of_link,
    peak,
    positions,
    rank,
    sides_of_maps,
    take_along,
    tiles,
    view_at,
    write_link,
)
from crosspool.ui.maps.controls import start_from_link
from crosspool.ui.maps.gallery import limits_of
from crosspool.ui.maps.large_pictures import headline, map_picture, overlay_picture, seen_picture
from crosspool.ui.maps.presenter import present_button, presenting
from crosspool.ui.maps.selection import channel_input
from crosspool.ui.runtime.maps import Network
from crosspool.ui.visit.waiting import refused, waiting
from crosspool.ui.widgets.keys import keys
from crosspool.ui.widgets.picture import Cell
from crosspool.ui.widgets.steps import steps
from crosspool.ui.widgets.text import as_it_is, number, signed
from crosspool.ui.widgets.thumbnails import thumbnails

MAPS_PAGE, WHY_PAGE, BUILD_PAGE = "pages/weighting_maps.py", "pages/contributions.py", "pages/build_p.py"
EXPLAINED_PAGE, TRAIN_PAGE = "pages/what_am_i_looking_at.py", "pages/train_and_compare.py"
TERMS = 4  # products written out


# --- what steps are made of


def say(text: str) -> None:
    """The two or three sentences of a step, in lines that are not too long to read."""
    st.markdown(text, width="stretch" if presenting() else 1000)


def figure(key: str, count: int = 3) -> list[DeltaGenerator]:
    """Columns that wrap: the pictures, and beside or below them what to try."""
    with st.container(key=f"large-{key}"):
        return st.columns(count, gap="medium")


def at(view: LessonState) -> Callable[[Cell], None]:
    return lambda cell: choose_place(view, cell)


def try_it(question: str, answer: str) -> None:
    """One thing to do, and what the numbers say to it by now."""
    st.markdown(f"**Try it.** {question}")
    st.info(answer, icon=":material/touch_app:")


def go_on(view: LessonState, page: str, label: str, icon: str, size: int = COARSE) -> None:
    """To another page, which then looks at the same sample and map."""
    if st.button(label, icon=f":material/{icon}:", key=f"to-{page}"):
        take_along(view, size)
        st.switch_page(page)


def weight_here(view: LessonState) -> float:
    return float(view.maps.upper[view.channel][view.position])


def place(cell: Cell) -> str:
    return f"row {cell[0]}, column {cell[1]}"


def sum_of(products: np.ndarray) -> str:
    """The first few products written out, and how many more there are."""
    shown = " + ".join(number(value) for value in products[:TERMS])
    more = len(products) - TERMS
    return f"{shown} + {more} more" if more > 0 else shown


# --- the steps


def what_is_a_map(view: LessonState) -> None:
    """Step 1."""
    sides, weights = sides_of_maps(), view.maps.upper[view.channel]
    rows, columns = weights.shape
    say(
        f"The photo goes through the network layer by layer, and becomes coarser on its way: "
        f"{' → '.join(map(str, sides))} cells a side. What one channel of the last layer makes of it is a **weighting "
        f"map**: {rows} × {columns} = **{weights.size} numbers**, each of which says how strongly the channel's own "
        "pattern was found there."
    )
    seen, over, text = figure("map")
    with seen:
        seen_picture(view.maps, view.request, view.position, at(view))
    with over:
        map_picture(view.maps, view.channel, view.position, view.look, at(view))
    with text:
        here, top, low = weight_here(view), float(weights.max()), float(weights.min())
        answer = f"At {place(view.position)} the weight is **{number(here)}**"
        if here == low:
            answer += f": the smallest. {int((weights == low).sum())} of {weights.size} places have it."
        elif top:
            answer += f", {100 * here / top:.0f} % of the largest, which is at {place(peak(view.maps, view.channel))}."
        try_it("Click a place where the map says nothing: where is its weight smallest?", answer)
        go_on(view, MAPS_PAGE, "See this map on its page", "grid_view")


def a_thousand_maps(view: LessonState) -> None:
    """Step 2."""
    maps = view.maps
    say(
        f"The layer has **{len(maps.upper):,} channels**, so there are as many maps of this one photo. Each looks "
        "for something else and lights up elsewhere. Nobody told a channel what to look for: training made it so."
    )
    channels = a_dozen(maps)
    pictures, text = figure("wide-tiles", 2)
    with pictures:
        thumbnails(
            tiles(view, channels),
            selected=str(view.channel),
            choose=lambda name: choose_map(int(name)),
            key="lesson-tiles",
            wrapped=True,
        )
        st.caption(f"{len(channels)} strong maps that are largest at different places, each on its own scale.")
    with text:
        statistics, k = maps.statistics, view.channel
        try_it(
            "Press a map. Does it pick out one thing, or spread over the picture?",
            f"Map {k} has weight at **{statistics.active[k]} of {maps.upper[k].size}** places. Its largest, "
            f"{number(statistics.peak[k])}, is at {place(peak(maps, k))}.",
        )
        go_on(view, MAPS_PAGE, f"See all {len(maps.upper):,} maps", "grid_view")


def why_a_weight(view: LessonState) -> None:
    """Step 3."""
    pair, patch, here = view.maps.pair, view.maps.patch(*view.position), weight_here(view)
    say(
        f"At each position *i*, the layer before holds **{pair.patch_length:,} numbers**, the patch $x_i$: they say "
        f"**what** is there. The map's number at the same position, $a_{{i,k}}$, says how much the patch **counts** "
        "for channel *k*. That is why it is called a weight."
    )
    over, bars, text = figure("weight")
    with over:
        map_picture(view.maps, view.channel, view.position, view.look, at(view))
    with bars:
        st.markdown(f"**The patch at {place(view.position)}**")
        st.plotly_chart(
            strongest_entries(patch, pair, "patch x<sub>i</sub>"),
            key="lesson-patch",
            config=CONFIG,
            alt=f"Bar chart of the strongest of {len(patch)} numbers of the patch at {place(view.position)}",
        )
    with text:
        entry = int(np.abs(patch).argmax())
        try_it(
            "Move the position. When does a patch with large numbers still count for nothing?",
            f"Here the weight is **{number(here)}** and the patch's largest number, lower channel "
            f"{entry_name(entry, pair)}, is {number(patch[entry])}. Together: {number(here)} × {number(patch[entry])} "
            f"= **{number(here * float(patch[entry]))}**.",
        )
        go_on(view, EXPLAINED_PAGE, "Read it with all numbers", "school")


def one_block(view: LessonState) -> None:
    """Step 4."""
    maps, k = view.maps, view.channel
    built = construct(maps, k, view.request.border, "strongest", SHOWN)
    step = built.step_of(*view.position)
    say(
        "Multiply every patch by its weight and add them up: one block of P for one map. It has as many numbers as a "
        f"patch, **{maps.pair.patch_length:,}**, and says what lay where map {k} looked."
    )
    st.latex(r"P_k \;=\; \sum_{i=1}^{N} a_{i,k}\, x_i \qquad \text{(Eq. 1)}")
    over, bars, text = figure("block")
    with over:
        map_picture(maps, k, view.position, view.look, at(view))
    with bars:
        st.plotly_chart(
            growing_block(built, step, k, maps.pair),
            key="lesson-block",
            config=CONFIG,
            alt=f"Bar charts of the strongest entries of block {k}: patch, product, sum so far and finished block",
        )
    with text:
        st.markdown(
            f"For the block's strongest number, lower channel {entry_name(int(built.entries[0]), maps.pair)}: "
            f"{sum_of(built.products[built.order, 0])} = **{number(built.sums[-1, 0], 4)}**."
        )
        following = built.position_at(min(step + 1, built.end))
        st.button("Add the next position", icon=":material/add:", key="add-next", on_click=at(view), args=(following,))
        try_it(
            "Add positions, the heaviest first. How many make half of the map's weight?",
            f"**{step} of {len(built.order)}** positions make **{100 * built.weight_share(step):.0f} %** of the "
            "weight.",
        )
        go_on(view, BUILD_PAGE, "Build this block yourself", "stacked_bar_chart")


def all_of_p(view: LessonState) -> None:
    """Step 5."""
    maps, k, shares = view.maps, view.channel, view.maps.statistics.energy_share
    half, dead = carriers_of_half(shares), int(maps.statistics.dead.sum())
    say(
        f"P is all blocks side by side: {len(shares):,} × {maps.pair.patch_length:,} = "
        f"**{maps.pair.feature_length:,} numbers** for one photo. No codebook, nothing to tune: the network's own next "
        "layer says where to look. The blocks are far from equal."
    )
    figures = {
        "blocks": f"{len(shares):,}",
        "zero everywhere": f"{dead:,}",
        "carry half of the energy": f"{half:,}",
        "numbers in P": f"{maps.pair.feature_length:,}",
    }
    row, text = figure("wide-blocks", 2)
    with row:
        with st.container(horizontal=True, gap="large"):
            for label, value in figures.items():
                st.metric(label, value, width="content")
        st.plotly_chart(
            blocks_in_a_row(np.linalg.norm(maps.pooled, axis=1), k, maps.pair.patch_length),
            key="lesson-blocks",
            config=CONFIG,
            alt=f"Bar chart of the size of all {len(shares):,} blocks in the order in which they stand in P",
        )
    with text:
        here = rank(shares, k)
        among = "one of these" if here <= half else "none of these"
        try_it(
            "Type the number of another map. Is it one of the few that carry half of the energy?",
            f"Map {k} holds **{number(100 * shares[k])} %** of the energy of P and is number **{here:,}** of "
            f"{len(shares):,}: {among} {half:,}.",
        )
        channel_input(maps, k, "lesson_map", choose_map)
        go_on(view, BUILD_PAGE, "Find the block in P", "stacked_bar_chart")


def finer_maps(view: LessonState) -> None:
    """Step 6."""
    k = view.channel
    say(
        f"Enlarge the photo from {COARSE} to {FINE} pixels and the same network gives maps twice as fine: "
        f"{positions(FINE)} positions instead of {positions(COARSE)}. Things now look twice as large to it, "
        f"and it was trained at {COARSE}: so a finer map is not just the coarse one drawn sharper."
    )
    columns = figure("finer")
    with columns[1], waiting("Computing the finer maps …") as on_progress:
        fine = view_at(view.picture, FINE, on_progress)
    cosine = likeness(view.maps.upper[k], fine.maps.upper[k])
    for column, each in zip(columns, (view, fine), strict=False):
        rows = each.maps.upper.shape[1]
        with column:
            st.markdown(f"**Map {k} at {each.request.size} px: {rows} × {rows}**")
            overlay_picture(
                each.maps.framed,
                each.maps.upper[k],
                limits_of(each.maps, k, each.look),
                each.look,
                position=each.position,
                choose=at(each),
                alt=f"Weighting map {k} at an input of {each.request.size} pixels: {rows} by {rows} cells.",
                label="weight, on the scale of this map",
                key=f"over-{each.request.size}",
            )
    with columns[-1]:
        try_it(
            "Click small things in the right picture. Does the map change within one cell of the left one?",
            f"Here: **{number(weight_here(view))}** at {place(view.position)} of the coarse map, "
            f"**{number(weight_here(fine))}** at {place(fine.position)} of the fine one. Averaged down, the fine map "
            f"is like the coarse one by a cosine of **{number(cosine, 2)}** (1: the same but for "
            "its size).",
        )
        channel_input(view.maps, k, "lesson_map", choose_map)
        go_on(view, MAPS_PAGE, "See all maps at 448 px", "grid_view", size=FINE)


def fully_connected(view: LessonState) -> None:
    """Step 7."""
    maps, k = view.maps, view.channel
    weights, block = mirrored(maps, k)
    say(
        f"The network's fully-connected layer reads one number of each map: its **average**. Mirror map {k}, and the "
        "average stays as it was; its block of P changes, as other patches lie under the weights. P keeps **what lay "
        "where the map looked**. Whether that tells classes apart better has to be measured, class by class."
    )
    over, turned, evidence, text = figure("connected", 4)
    for column, key, title, values in (
        (over, "over", f"Map {k}", maps.upper[k]),
        (turned, "mirrored", f"Map {k}, mirrored", weights),
    ):
        with column:
            st.markdown(f"**{title}**")
            overlay_picture(
                maps.framed,
                values,
                limits_of(maps, k, view.look),
                view.look,
                position=view.position,
                choose=at(view),
                alt=f"{title}, over the image.",
                label=f"weight; average {number(values.mean(), 4)}",
                key=key,
            )
    with evidence:
        class_evidence(view)
    with text:
        try_it(
            "Choose another map. Which blocks hardly care for mirroring?",
            f"Average: **{number(maps.upper[k].mean(), 4)}** before, **{number(weights.mean(), 4)}** after. The block "
            f"of P changes by **{number(100 * change(maps.pooled[k], block), 2)} %** of its size.",
        )
        channel_input(maps, k, "lesson_map", choose_map)
        go_on(view, WHY_PAGE, "Ask why this class", "balance")


def class_evidence(view: LessonState) -> None:
    """What the averages give: the network's answer, split by position afterwards."""
    network = Network(view.request.backbone, view.request.weights)
    with waiting("Asking the network …") as on_progress:
        seen = explained(view.picture, own_subject(network, COARSE, view.request.framing), on_progress)
    answer = seen.explanation.predicted
    evidence = seen.contributions((answer, "")).positions
    assert evidence is not None  # averages of maps always have them
    st.markdown(f"**Evidence for {as_it_is(answer)}**")
    overlay_picture(
        view.maps.framed,
        evidence,
        colour_limits(evidence, signed=True),
        replace(view.look, colour_map=SIGNED_COLOUR_MAP, signed=True),
        position=view.position,
        choose=at(view),
        alt=f"Evidence for {answer} by position, over the image.",
        label=f"what each position adds to the score {signed(float(seen.scores.max()))}",
        key="evidence",
    )
    st.caption(
        "An average is a sum over positions, so its score can be split by position afterwards (a class activation "
        "map). The layer itself gets no places to work with."
    )


def now_you(view: LessonState) -> None:
    """Step 8."""
    say(
        "A map says where to look, a patch what is there, and P puts the two together for every map. Take your own "
        "photo, or go on with this one: each page starts with the map that you have just looked at."
    )
    seen, over, text = figure("you")
    with seen:
        seen_picture(view.maps, view.request, view.position, at(view))
    with over:
        map_picture(view.maps, view.channel, view.position, view.look, at(view))
    with text:
        st.markdown("**Go on**")
        go_on(view, MAPS_PAGE, "See every map, also of your own photo", "grid_view")
        go_on(view, BUILD_PAGE, "Build P by hand, and try what follows", "stacked_bar_chart")
        go_on(view, WHY_PAGE, "Ask why a class", "balance")
        go_on(view, EXPLAINED_PAGE, "Read Eq. 1 with all numbers", "school")
        go_on(view, TRAIN_PAGE, "Train on your own classes, and compare", "model_training")


STEPS = (
    what_is_a_map,
    a_thousand_maps,
    why_a_weight,
    one_block,
    all_of_p,
    finer_maps,
    fully_connected,
    now_you,
)


@st.fragment
def lesson() -> None:
    """The step that is on, below the row of all steps."""
    step = current_step()
    with st.container(key="lesson-steps"):
        steps(TITLES, step, choose=go_to, key="steps")
    if note_of_link():
        st.info(note_of_link(), icon=":material/link_off:")
    st.header(f"{step} · {TITLES[step - 1]}", anchor=False)
    try:
        with waiting("Computing the maps …") as on_progress:
            view = view_at(chosen_sample(), COARSE, on_progress)
        STEPS[step - 1](view)
    except CrosspoolError as error:
        refused(error)
    else:
        headline(view.picture, view.request, view.maps)
    keys(keys_of_step(step), key="step-keys")
    write_link()


def main() -> None:
    """The page."""
    start_from_link()
    with st.container(horizontal=True, vertical_alignment="center"):
        if not presenting():  # whoever presents it knows what it is
            st.title("Guided lesson", anchor=False)
            present_button()
    lesson()


main()
