"""Files of classifiers that were damaged, or written by another program."""

import json
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

import numpy as np
from safetensors.numpy import save

from benchmarks.harness.fuzzing.base import ACCEPTED, NUMBERS, Kind, check_sentence, damaged
from crosspool.backbones import architecture
from crosspool.classifier_files import FORMAT, HEADER
from crosspool.encoding import Record
from crosspool.errors import ModelError
from crosspool.methods import Method, parse_method
from crosspool.ui.contributions.choose_classifier import read_classifier

# At a small input of EfficientNet-Lite0.
METHODS = ("global@128", "cl:blocks.4.project_conv@128/pca3", "cl:blocks.4.project_conv@128/pca2/ternary")
OTHER_METHODS = (
    "", "cl", "cl@896", "global@224", "jitter@896", "cl-c@448", "cl@0", "cl@99999999999", "cl:nothing", "cl/pca0",
    "cl/pca999999", "+", "global@128+" * 3 + "cl@128", "global@128+" * 40, "cl@896+" * 15 + "cl@896", "cl-f@896/pca8",
    "cl@128/power0.3", "cl/power1e9", "cnnaug-svm@896", "pyramid@896", "é", "x" * 20_000, "cl@128/ternary0", "cl-45",
)  # fmt: skip
OTHER_CLASSES = (["a"], ["a", "a", "a"], ["", "b", "c"], [1, 2, 3], ["x" * 10_000, "b", "c"], "abc")
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 0.5, 1e308, 10**30, "", "x", "x" * 3000, [], {}, [None], ["a"], [["a"]], {"a": 1},
    "resnet18", "alexnet", "crop", "squash", "untrained", "pretrained", "<script>", "a\nb", "\ud800", *NUMBERS,
)  # fmt: skip
DTYPES = ("F32", "F64", "F16", "BF16", "I8", "U8", "I64", "BOOL", "F8_E4M3", "C64", "F4", "X", "")


def model_case(random: Random) -> bytes:
    """A file with damaged bytes, changed entries of its header, or other numbers."""
    data = valid(random.choice(METHODS))
    if random.random() < 0.3:
        return damaged(data, random)
    length = int.from_bytes(data[:8], "little")
    header, numbers = json.loads(data[8 : 8 + length]), data[8 + length :]
    for _ in range(random.choice((1, 1, 2))):
        random.choice((_in_settings, _in_settings, _in_settings, _in_tensors))(header, random)
    if random.random() < 0.3:
        numbers = _other_numbers(numbers, random)
    text = json.dumps(header).encode()
    claimed = len(text) if random.random() < 0.95 else random.choice(NUMBERS)
    return claimed.to_bytes(8, "little") + text + numbers


@cache
def valid(name: str) -> bytes:
    """A classifier of three classes by this method, of random numbers: reading one needs no training."""
    network = architecture("efficientnet_lite0")
    method, random = parse_method(name, network, "squash"), np.random.default_rng(0)
    arrays: dict[str, Any] = {"weights": random.standard_normal((3, method.length), np.float32)}
    arrays["intercept"] = np.zeros(3)
    length = network.pair("blocks.4.project_conv").patch_length
    for name_of_step, step in method.encoder().get_params().items():
        if (count := getattr(step, "n_components", None)) is not None and hasattr(step, "geometry"):
            arrays[f"{name_of_step}/mean_"] = random.standard_normal(length, np.float32)
            arrays[f"{name_of_step}/components_"] = random.standard_normal((count, length), np.float32) / 16
    return save(arrays, {HEADER: json.dumps({"format": FORMAT, **settings(name)})})


def settings(method: str) -> dict[str, Any]:
    return {
        "method": method, "backbone": "efficientnet_lite0", "outputs": 1000, "weights": "pretrained",
        "fingerprint": "0" * 64, "framing": "squash", "classes": ["cat", "dog", "owl"], "multi_label": False,
        "dataset": "pets", "images": 9, "photographs": ["0" * 64], "C": 10.0, "seed": 0,
        "versions": {"crosspool": "0.1.0"},
    }  # fmt: skip


def _in_settings(header: dict[str, Any], random: Random) -> None:
    """Change one of the settings, add one, or remove one."""
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict):
        return
    try:
        stored = {**json.loads(metadata.get(HEADER, "{}"))}
    except (TypeError, ValueError, RecursionError):  # damaged already
        return
    name = random.choice((*settings(""), "unknown"))
    kind = random.random()
    if kind < 0.1:
        stored.pop(name, None)
    elif name == "method" and kind < 0.9:
        stored[name] = random.choice(OTHER_METHODS)
    elif name == "classes" and kind < 0.7:
        stored[name] = random.choice(OTHER_CLASSES)
    else:
        stored[name] = deepcopy(random.choice(VALUES))
    text = json.dumps(stored)
    metadata[HEADER] = random.choice((text[:-3], "[" * 100_000, "null", "1e999")) if random.random() < 0.05 else text


def _in_tensors(header: dict[str, Any], random: Random) -> None:
    """Change the type, shape or position of one of the arrays, rename it, or remove it."""
    names = [name for name in header if name != "__metadata__"]
    name = random.choice(names or ["weights"])
    if name not in header:
        return
    entry, kind = header[name], random.random()
    if kind < 0.1:
        header[random.choice(("", "weights", "other", "x" * 1000))] = header.pop(name)
    elif kind < 0.2:
        del header[name]
    elif kind < 0.4:
        entry["dtype"] = random.choice(DTYPES)
    elif kind < 0.7:
        entry["shape"] = random.choice((
            [], [0], [1], entry["shape"][::-1], [*entry["shape"], 1], [2**40, 2**40], [-1, 3], ["3"], [3.5], None,
            [1] * 70, [0, 2**62],
        ))  # fmt: skip
    else:
        entry["data_offsets"][random.randrange(2)] = random.choice((*NUMBERS, -1, 2**63))


def _other_numbers(numbers: bytes, random: Random) -> bytes:
    """Put in what a float's bits can also say: not a number, infinity, and numbers whose products are infinite."""
    strange = np.array(random.choice((np.nan, np.inf, -np.inf, 3e38, -3e38, 1e30, 1e-45)), np.float32).tobytes()
    if random.random() < 0.5:
        return strange * (len(numbers) // 4)
    at = 4 * random.randrange(len(numbers) // 4)
    return numbers[:at] + strange + numbers[at + 4 :]


def judge(data: bytes) -> str:
    """The scores of a classifier are numbers for any image, or a sentence says why it cannot be read."""
    try:
        classifier = read_classifier(data, "pets.safetensors")
    except ModelError as error:
        return check_sentence(str(error))
    assert classifier.classes
    assert type(classifier.was_trained_on("0" * 64)) is bool
    scores = classifier.vectors([_record(classifier.method)]) @ classifier.weights.T + classifier.intercept
    assert scores.shape == (1, len(classifier.classes))
    assert np.isfinite(scores).all(), "scores that are not numbers"
    return ACCEPTED


def _record(method: Method) -> Record:
    """Maps as a network may compute them for an image: positive numbers up to 30."""
    network, random = architecture("efficientnet_lite0"), np.random.default_rng(0)
    record = {}
    for source in method.sources:
        shape = network.layout(source.side).shapes[source.node]
        record[source] = 30 * random.random(shape, np.float32)
    return record


KIND = Kind("models", model_case, judge, warm=lambda: [judge(valid(name)) for name in METHODS])
