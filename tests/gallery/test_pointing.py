"""Maps sorted by a box: in the browser and on the server as by a plain computation of the same."""

import base64
import json
import subprocess
from pathlib import Path

import numpy as np
import playwright
import pytest
import torch

from crosspool.backbones import load_backbone
from crosspool.gallery.assets import asset
from crosspool.gallery.mapset import pack_maps, quantised_maps
from crosspool.gallery.pointing import match_box
from crosspool.localisation import score_region
from crosspool.statistics import channel_statistics
from tests.images import noise
from tests.networks import sample
from tests.plain_numbers import precision_of

NODE = Path(playwright.__file__).parent / "driver" / "node"  # it comes with what drives the tests' browsers
ORDER = """
import { readFileSync } from "node:fs";
import { MapSet } from "./mapset.js";
import { sortChannels } from "./order.js";
import { matchBox } from "./pointing.js";

globalThis.createImageBitmap = async () => null;
const { maps, box } = JSON.parse(readFileSync(0, "utf8"));
const set = await MapSet.read(Uint8Array.from(Buffer.from(maps, "base64")));
const match = matchBox(set, box);
console.log(JSON.stringify({ precision: [...match.precision], order: sortChannels(set, "box", match) }));
"""
EYE = (141 / 224, 123 / 224, 190 / 224, 191 / 224)  # on the cat


def shares_of(box, rows, columns):
    """The part of each cell that lies in a box."""
    left, top, right, bottom = box
    shares = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            high = min(bottom * rows, row + 1) - max(top * rows, row)
            wide = min(right * columns, column + 1) - max(left * columns, column)
            shares[row, column] = max(high, 0) * max(wide, 0)
    return shares


def contrast_of(weights, shares):
    return np.average(weights, weights=shares) - np.average(weights, weights=1 - shares)


def expected_order(upper, box):
    """The precision of each map, and all maps by precision, then by contrast."""
    shares = shares_of(box, *upper.shape[1:])
    precision = np.array([precision_of(weights, shares) for weights in upper])
    contrast = np.array([contrast_of(weights.astype(float), shares) for weights in upper])
    return precision, np.lexsort((-contrast, -precision.round(9)))


def packed_maps(upper, photo, *, signed):
    statistics = channel_statistics(torch.tensor(upper), torch.ones(len(upper), 2))
    rows, columns = ([(0, 1)] * cells for cells in upper.shape[1:])
    return pack_maps(upper, statistics, photo, signed=signed, fields=(rows, columns))


@pytest.fixture(scope="module")
def in_javascript(tmp_path_factory):
    """A function that gives the precision of each map and their order by a box, from the gallery's own modules."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("mapset.js", "order.js", "pointing.js"):
        (folder / name).write_text(asset(f"gallery/{name}"), encoding="utf-8")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "order_by_box.js").write_text(ORDER)

    def answer(packed, box):
        question = json.dumps({"maps": base64.b64encode(packed).decode(), "box": list(box)})
        command = [NODE, folder / "order_by_box.js"]
        answer = json.loads(subprocess.run(command, input=question, capture_output=True, text=True, check=True).stdout)
        return np.array(answer["precision"]), answer["order"]

    return answer


def server_order(upper, box, *, signed):
    peak = channel_statistics(torch.tensor(upper), torch.ones(len(upper), 2)).peak
    return match_box(quantised_maps(upper, peak, 16, signed=signed), peak, box, signed=signed).tolist()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shape", [(60, 7, 5), (9, 30, 40)], ids=str)
def test_maps_are_sorted_by_how_well_they_pick_out_a_box(in_javascript, shape, signed):
    """Random maps: some clipped, so that many cells are equal, some dead, and one that points at the box exactly."""
    upper = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    upper[::3] = upper[::3].round(1).clip(-1, 1)
    upper[::4] = 0
    upper = upper if signed else np.maximum(upper, 0)
    box = (0.24, 0.1, 0.8, 0.55)
    upper[1] = shares_of(box, *shape[1:]) > 0
    precision, order = expected_order(upper, box)
    assert score_region(torch.tensor(upper), mask_of(box, shape[1:])).precision == pytest.approx(precision)
    shown, shown_order = in_javascript(packed_maps(upper, noise(1, (32, 32)), signed=signed), box)
    assert shown == pytest.approx(precision, abs=2e-4)  # 16 bits of a weight
    assert shown_order == server_order(upper, box, signed=signed)
    assert precision[shown_order] == pytest.approx(precision[order], abs=2e-4)


def mask_of(box, size):
    """The box in pixels, a hundred a cell and side."""
    (rows, columns), (left, top, right, bottom) = size, box
    mask = np.zeros((rows * 100, columns * 100), bool)
    mask[
        round(top * rows * 100) : round(bottom * rows * 100), round(left * columns * 100) : round(right * columns * 100)
    ] = True
    return mask


def test_weights_that_8_bits_hold_equal_are_told_apart(in_javascript):
    """The cat's eye in the maps of the default pair: map 806 is at place 18, and by 8 bits was at place 49."""
    backbone = load_backbone()
    maps = backbone.activations(sample("cat"), size=224)
    upper = maps.upper[0].numpy()
    precision, order = expected_order(upper, EYE)
    assert (round(precision[806], 3), order.tolist().index(806) + 1) == (0.341, 18)
    shown, shown_order = in_javascript(packed_maps(upper, maps.framed[0], signed=False), EYE)
    assert shown == pytest.approx(precision, abs=1e-9)
    assert shown_order == server_order(upper, EYE, signed=False) == order.tolist()


def test_of_equal_matches_the_larger_contrast_comes_first(in_javascript):
    upper = np.zeros((3, 2, 2), np.float32)
    upper[0, 0, 0], upper[1, 0, 0], upper[2, 1, 1] = 1, 3, 9
    box = (0, 0, 0.5, 0.5)
    assert server_order(upper, box, signed=False) == [1, 0, 2]
    assert in_javascript(packed_maps(upper, noise(1, (32, 32)), signed=False), box)[1] == [1, 0, 2]
