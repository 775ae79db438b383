"""Chosen maps as files: each is read back and contains what the library computed."""

import base64
import csv
import html
import io
import json
import re
import tomllib
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import crosspool
from benchmarks.harness.mapsets import unpack
from crosspool.channel_meaning import ChannelClasses
from crosspool.drawing.rendering import Look
from crosspool.gallery.assets import asset
from crosspool.gallery.map_files import ChosenMaps
from crosspool.gallery.meaning import NONE
from crosspool.gallery.standalone import LISTED
from crosspool.provenance import Provenance
from tests.networks import sample

EVIL = "</script><img src=x onerror=alert(1)>'\"&amp;\u2028$x_1$\ufffe\x07 ]]>-->.jpg"
ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def chosen():
    """Three maps of the cat in an untrained network."""
    backbone = crosspool.load_backbone("squeezenet1_1", "untrained")
    pair = backbone.architecture.pair("features.12.squeeze")
    maps = backbone.activations(sample(), pair, 128)
    pooled = crosspool.cross_layer_pool(maps.lower, maps.upper, **pair.geometry)
    return ChosenMaps(
        image={"name": "cat.jpg", "sha256": "0123"},
        provenance=Provenance(
            backbone.architecture, "untrained", None, pair, 128, "crop", False, "zero", "cpu", "torch"
        ),
        framed=maps.framed[0],
        lower=maps.lower[0].numpy(),
        upper=maps.upper[0].numpy(),
        pooled=pooled[0].numpy,
        statistics=crosspool.channel_statistics(maps.upper[0], pooled[0]),
        channels=[5, 0, 9],
        look=Look("magma", opacity=0.5),
        pins=[7, 2],
    )


def named(chosen, name):
    return replace(chosen, image={**chosen.image, "name": name})


def test_the_caption_names_image_network_layers_and_size(chosen):
    pair = chosen.provenance.pair
    assert chosen.caption == (
        f"cat.jpg · SqueezeNet 1.1 with UNTRAINED (random) weights · {pair.label} (512 → 64, 1×1) · 7×7 maps · "
        "input 128×128"
    )
    assert replace(chosen, channels=[5]).title == f"Map 5 of {chosen.caption}"
    whole = replace(chosen, provenance=replace(chosen.provenance, border="valid")).caption
    assert whole == f"{chosen.caption} · only whole patches"
    long = named(chosen, "a" * 200 + "17.jpg").caption.split(" · ")[0]
    assert (len(long), long[-7:]) == (59, "a17.jpg")


def test_a_png_contains_its_caption_and_how_it_was_made(chosen):
    with Image.open(io.BytesIO(chosen.file("png"))) as image:
        image.load()
        assert image.size == (1920, 1080)
        assert image.info["Title"] == chosen.caption
        about = json.loads(image.info["Description"])
    assert about == {
        **chosen.settings(),
        "channels": [5, 0, 9],
        "look": {
            "colour_map": "magma", "opacity": 0.5, "smooth": True, "scale": "map", "signed": False, "top": 0.0,
            "overlay": "growing",
        },
    }  # fmt: skip
    assert (about["weights"], about["size"], about["image"]["sha256"]) == ("untrained", 128, "0123")


@pytest.mark.parametrize("channels", [[5], [5, 0, 9]])
def test_an_svg_is_xml_and_keeps_its_text_as_text(chosen, channels):
    name = "$x_1$ <b>&amp;</b> ]]>-->\ufffe\x07 猫.jpg"
    root = ElementTree.fromstring(replace(named(chosen, name), channels=channels).file("svg"))
    assert root.tag == f"{SVG}svg"
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert any(r"$x_1$ <b>&amp;</b> ]]>-->\ufffe\x07 猫.jpg" in text for text in texts)
    assert not any("boxes stand for them" in text for text in texts)  # a browser finds its own fonts
    whole = "".join(root.itertext())
    assert '"backbone": "squeezenet1_1"' in whole
    assert not list(root.iter(f"{SVG}script"))


def test_a_csv_has_every_weight_of_the_chosen_maps_exactly(chosen):
    header, *rows = csv.reader(io.StringIO(chosen.file("csv").decode()))
    assert header == ["channel", "row", "column", "weight"]
    cells = [tuple(map(int, row[:3])) for row in rows]
    assert cells == [(channel, row, column) for channel in (5, 0, 9) for row in range(7) for column in range(7)]
    weights = np.array([row[3] for row in rows], np.float32)
    assert np.array_equal(weights, chosen.upper[[5, 0, 9]].ravel())


def test_an_npz_has_all_arrays_and_settings(chosen):
    with np.load(io.BytesIO(chosen.file("npz")), allow_pickle=False) as archive:
        assert set(archive) == {"lower", "upper", "P", "channels", "settings"}
        for name, array in (("lower", chosen.lower), ("upper", chosen.upper), ("P", chosen.pooled())):
            assert archive[name].dtype == np.float32
            assert np.array_equal(archive[name], array)
        assert archive["channels"].tolist() == [5, 0, 9]
        settings = json.loads(archive["settings"].item())
        assert settings == chosen.settings()
        assert (settings["look"]["colour_map"], settings["look"]["opacity"]) == ("magma", 0.5)


def parts(chosen):
    """The text of a page, its data blocks by id, and its script."""
    text = chosen.file("html").decode()
    blocks = dict(re.findall(r'<script type="application/[\w-]+" id="(\w+)">(.*?)</script>', text, re.DOTALL))
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    return text, blocks, script


def test_a_page_contains_all_maps_and_how_they_are_shown(chosen):
    _, blocks, _ = parts(chosen)
    packed = unpack(base64.b64decode(blocks["maps"]))
    assert packed.header["channels"] == 64
    np.testing.assert_allclose(packed.weights, chosen.upper, atol=float(chosen.upper.max()) / 500)
    settings = json.loads(blocks["settings"])
    assert (settings["selected"], settings["pins"]) == (5, [7, 2])
    assert settings["view"] | {"colours": "magma", "opacity": 0.5, "scale": "map"} == settings["view"]


def test_files_name_the_classes_of_channels_where_there_are_some(chosen):
    assert json.loads(parts(chosen)[1]["settings"])["classes"] is None
    weights = np.zeros((3, 64), np.float32)
    weights[:, 5] = (0.5, -0.25, 0.75)
    meaning = replace(chosen, meaning=ChannelClasses(("ant", "</bee>", "cat"), weights))
    with Image.open(io.BytesIO(meaning.file("png"))) as image:
        about = json.loads(image.info["Description"])
    assert about["classes"] == {
        "5": {
            "for": [{"class": "cat", "weight": 0.75}, {"class": "ant", "weight": 0.5}],
            "against": [{"class": "</bee>", "weight": -0.25}],
        },
        "0": {"for": [], "against": []},
        "9": {"for": [], "against": []},
    }
    text, blocks, _ = parts(meaning)
    packed = json.loads(blocks["settings"])["classes"]
    rows = {kind: np.frombuffer(base64.b64decode(packed[kind]), "<u2").reshape(64, 3) for kind in ("for", "against")}
    assert [packed["classes"][index] for index in rows["for"][5][:2]] == ["cat", "ant"]
    assert [packed["classes"][index] for index in rows["against"][5][:1]] == ["</bee>"]
    assert rows["for"][5][2] == rows["against"][0][0] == NONE
    assert "; speaks for cat, ant; speaks against &lt;/bee&gt;" in text


def test_a_page_may_run_only_its_own_script_and_load_nothing(chosen):
    text, _, script = parts(chosen)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    for name, part in (("script-src", script), ("style-src", style)):
        assert rules.pop(name) == f"'sha256-{base64.b64encode(sha256(part.encode()).digest()).decode()}'"
    assert rules == {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'"}
    assert not re.search(r"\b(?:src|href)\s*=\s*[\"']|https?://|@import|url\(", text)


def test_names_in_a_page_are_escaped(chosen):
    plain, _, _ = parts(chosen)
    text, blocks, script = parts(named(chosen, EVIL))
    assert text.count("<script") == plain.count("<script") == 3
    assert "<img" not in text
    assert "\ufffe" not in text
    assert "\x07" not in text
    title = html.unescape(re.findall(r"<title>(.*?)</title>", text)[0])
    assert title.endswith(r"""</script><img src=x onerror=alert(1)>'"&amp;\u2028$x_1$\ufffe\x07 ]]>-->.jpg""")
    assert script == parts(chosen)[2]
    assert blocks["settings"] == parts(chosen)[1]["settings"]


def test_without_scripts_a_page_lists_maps_in_words(chosen):
    text = parts(chosen)[0]
    (fallback,) = re.findall(r"<noscript>(.*?)</noscript>", text, re.DOTALL)
    strongest = int(chosen.statistics.energy_share.argmax())
    lines = re.findall(r"map (\d+): peak ", fallback)
    assert int(lines[0]) == strongest
    assert len(lines) == min(LISTED, int((~chosen.statistics.dead).sum()))


def test_of_a_peak_in_several_cells_a_page_says_how_many(chosen):
    """The first alone would look like the place of the peak."""
    clipped = replace(chosen.statistics, peak_positions=np.where(np.arange(64) == 5, 3, 1))
    fallback = re.findall(r"<noscript>(.*?)</noscript>", parts(replace(chosen, statistics=clipped))[0], re.DOTALL)[0]
    assert re.search(r"^map 5: peak [\d.]+ at 3 cells; ", fallback, re.MULTILINE)
    assert re.search(r"^map 33: peak [\d.]+ at row \d, column \d; ", fallback, re.MULTILINE)


def test_a_page_has_the_apps_colours():
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["theme"]
    style = asset("gallery/standalone.css")
    light, dark = style.split("prefers-color-scheme: dark")
    for part, name in ((light, "light"), (dark, "dark")):
        for role in ("primary", "text", "background", "secondaryBackground"):
            variable = "--st-" + role.replace("yB", "y-b") + "-color"
            assert f"{variable}: {theme[name][role + 'Color']};" in part
