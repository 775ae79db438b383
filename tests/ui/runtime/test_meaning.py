"""What channels mean, for the pages: read once from a network, and a sentence where there is nothing to tell."""

from dataclasses import replace

import pytest

from crosspool.ui.runtime.maps import MapRequest, image_maps
from crosspool.ui.runtime.meaning import channel_table, pair_meaning
from crosspool.ui.runtime.quota import ImageHash
from tests.networks import sample

LITE0 = MapRequest(
    image=ImageHash("a"), backbone="efficientnet_lite0", weights="pretrained", pair="conv_head", size=128,
    framing="crop", signed=False, border="zero",
)  # fmt: skip


def test_the_classes_are_read_once_and_survive_the_network(server, monkeypatch):
    meaning = pair_meaning(server, LITE0)
    assert meaning.classes is not None
    assert meaning.packed is not None
    assert meaning.classes.speaks_for(112)[0].label == "butternut squash"
    assert (meaning.packed["listed"], meaning.reason) == (3, "")
    monkeypatch.setattr(server, "networks", None)
    assert pair_meaning(server, replace(LITE0, image=ImageHash("b"), size=448)) is meaning
    server.cache.forget_images([LITE0.image])  # it says nothing of any image
    assert pair_meaning(server, LITE0) is meaning


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"pair": "blocks.4.project_conv"}, "read the mean of another map"), ({"weights": "untrained"}, "untrained")],
)
def test_a_sentence_says_why_there_are_none(server, changes, reason):
    meaning = pair_meaning(server, replace(LITE0, **changes))
    assert (meaning.classes, meaning.packed) == (None, None)
    assert reason in meaning.reason


def test_the_table_of_channels_has_classes_where_there_are_some(server):
    maps = image_maps(server, LITE0, sample)
    table = channel_table(server, LITE0, maps)
    assert len(table) == 1280
    assert table.speaks_for[112].startswith("butternut squash 0.27")
    assert table.speaks_against[112].startswith("tiger -0.18")
    other = replace(LITE0, weights="untrained")
    assert "speaks_for" not in channel_table(server, other, image_maps(server, other, sample))
