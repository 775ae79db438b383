"""Deep links: settings survive them, and nothing that a stranger writes breaks a page or deceives."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosspool.backbones import architecture
from crosspool.drawing.rendering import COLOUR_MAPS
from crosspool.samples import samples
from crosspool.ui.visit.link import LinkState, from_params, to_params

BACKBONES = ("efficientnet_lite0", "alexnet", "squeezenet1_1", "resnet18")


@st.composite
def any_settings(draw):
    """Link states that the app can be in."""
    network = architecture(draw(st.sampled_from(BACKBONES)))
    pair = draw(st.sampled_from((None, *network.layer_pairs)))
    return LinkState(
        sample=draw(st.sampled_from([sample.id for sample in samples()])),
        backbone=network.spec.name,
        weights=draw(st.sampled_from(("pretrained", "untrained"))),
        pair=pair.id if pair else "",
        size=draw(st.just(0) | st.integers(128, 896)),
        framing=draw(st.sampled_from(("crop", "squash"))),
        signed=draw(st.booleans()),
        border=draw(st.sampled_from(("zero", "valid"))),
        channel=draw(st.integers(-1, (pair or network.default_pair).upper_channels - 1)),
        colours=draw(st.sampled_from(COLOUR_MAPS)),
        opacity=draw(st.floats(0, 1)),
        scale=draw(st.sampled_from(("map", "layer"))),
        smooth=draw(st.booleans()),
        present=draw(st.booleans()),
    )


@given(any_settings())
def test_every_setting_survives_the_link(given_settings):
    params = to_params(given_settings)
    assert all(isinstance(value, str) for value in params.values())
    assert from_params(params) == (given_settings, [])


def test_default_settings_give_the_bare_address():
    assert to_params(LinkState()) == {}
    assert from_params({}) == (LinkState(), [])


def test_a_link_written_by_hand():
    params = {
        "backbone": "alexnet",
        "pair": "features.8",
        "size": "448",
        "sample": "rocket",
        "channel": "255",
        "colours": "magma",
        "signed": "1",
        "smooth": "0",
        "opacity": "0.5",
    }
    state, notes = from_params(params)
    assert notes == []
    assert state == LinkState(
        backbone="alexnet",
        pair="features.8",
        size=448,
        sample="rocket",
        channel=255,
        colours="magma",
        signed=True,
        smooth=False,
        opacity=0.5,
    )
    assert to_params(state) == params


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("backbone", "alexnet2"),
        ("pair", "features.10"),  # a pair of another network
        ("pair", ""),
        ("sample", "../../etc/passwd"),
        ("weights", "/tmp/own.pth"),
        ("size", "127"),
        ("size", "897"),
        ("size", "224.0"),
        ("size", "1e3"),
        ("size", "٢٢٤٠٠"),
        ("channel", "1280"),  # the default pair's last is 1279
        ("channel", "-1"),
        ("channel", "9" * 5000),
        ("colours", "jet"),
        ("colours", "RdBu_r"),  # only for signed maps, chosen by the app
        ("opacity", "nan"),
        ("opacity", "inf"),
        ("opacity", "1.01"),
        ("scale", "world"),
        ("overlay", "veil"),
        ("box", "0.5,0.1,0.2,0.9"),  # the right edge left of the left one
        ("box", "0,0,1"),
        ("box", "nan,0,1,1"),
        ("signed", "yes"),
        ("smooth", "True"),
        ("border", "reflect"),
        ("framing", "stretch"),
    ],
)
def test_nonsense_is_ignored_with_a_note(name, text):
    state, (note,) = from_params({name: text})
    assert state == LinkState()
    assert note.startswith(f"Unknown {name} ")
    assert len(note) < 250


def test_one_bad_setting_does_not_spoil_the_others():
    state, notes = from_params({"backbone": "alexnet", "pair": "conv5", "colours": "gray", "channel": "17"})
    assert state == LinkState(backbone="alexnet", colours="gray", channel=17)
    assert len(notes) == 1


def test_a_pair_is_read_after_its_backbone_and_a_channel_after_its_pair():
    wanted = {"channel": "383", "pair": "features.6", "backbone": "alexnet"}
    assert from_params(wanted)[1] == []
    assert len(from_params({**wanted, "channel": "384"})[1]) == 1


def test_parameters_of_others_are_ignored_without_a_note():
    assert from_params({"utm_source": "mail", "embed": "true"}) == (LinkState(), [])


def test_unknown_names_are_told_in_one_sentence():
    state, notes = from_params({"foo": "1", "step": "2", "[x](http://a)": "", "channel": "3"}, others=["step"])
    assert state == LinkState(channel=3)
    assert notes == ["Unknown settings `foo`, `_x__http_//a_` in the link."]
    assert from_params({"channels": "3"})[1] == ["Unknown setting `channels` in the link."]
    assert len(from_params(dict.fromkeys(map(str, range(1000)), ""))[1][0]) < 100


TEXT = st.text() | st.integers().map(str) | st.floats().map(str) | st.sampled_from(["", "0", "1", "alexnet", "cat"])


@given(st.dictionaries(st.sampled_from(sorted(vars(LinkState()))) | st.text(max_size=9), TEXT))
def test_any_text_leaves_settings_that_make_sense(params):
    state, notes = from_params(params)
    assert from_params(to_params(state)) == (state, [])
    assert len(notes) <= len(params)


@given(
    st.sampled_from(("pair", "colours", "backbone", "sample")),
    st.text("[]()!<>*_`#|~:$\\\n\r&@ ./wab", min_size=1, max_size=60)
    | st.sampled_from(["![x](http://evil.example/x.png)", "<script>", ":red[hot]", "$x$", "www.evil.example", "`a`"]),
)
def test_markdown_in_a_link_is_only_text(name, text):
    """Text from the link is in a code span, which it cannot leave."""
    (note,) = from_params({name: text})[1]
    quoted = re.fullmatch(rf"Unknown {name} `([^`\n\r]+)` in the link; showing [^`]+\.", note)
    assert quoted is not None
    assert len(quoted[1]) <= 40
    assert not set(quoted[1]) & set("[]()!<>*#|~:$\\&@")
