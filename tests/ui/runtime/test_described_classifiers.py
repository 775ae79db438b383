"""Classifiers' files, read by a confined process: what comes back, and files and descriptions that do not fit."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save

from crosspool import classifier_files
from crosspool.classifier_files import FORMAT, HEADER, LONGEST_NAME
from crosspool.errors import ModelError
from crosspool.ui.runtime.decoder_pool import DecoderPool
from crosspool.ui.runtime.described_classifiers import described, description
from crosspool.ui.runtime.settings import ServerSettings

SETTINGS = {
    "format": FORMAT, "method": "cl@128", "backbone": "efficientnet_lite0", "outputs": 1000, "weights": "pretrained",
    "fingerprint": "f" * 64, "framing": "squash", "multi_label": False, "classes": ["ä\ud800", "", "b" * LONGEST_NAME],
    "dataset": "pets", "images": 12, "photographs": ["0" * 64], "C": 1.0, "seed": 0, "versions": {"numpy": "2"},
}  # fmt: skip
ARRAYS = {
    "weights": np.arange(6, dtype=np.float16).reshape(3, 2),
    "intercept": np.array([1.5, np.nan, -np.inf]),
    "counts": np.array([[True, False]]),
    "empty": np.zeros((0, 3), np.float32),
}


def file_of(arrays=ARRAYS, **changes):
    return save(arrays, metadata={HEADER: json.dumps(SETTINGS | changes)})


@pytest.fixture(scope="module")
def pool():
    pool = DecoderPool(ServerSettings(), width=1)
    yield pool
    pool.close()


def test_a_file_is_what_the_library_reads(pool, tmp_path):
    data = file_of()
    (tmp_path / "pets.safetensors").write_bytes(data)
    file = pool.describe(data, "pets")
    settings, arrays = classifier_files.read(tmp_path / "pets.safetensors", "pets")
    assert file.settings == settings
    assert list(file.arrays) == list(arrays)
    for name, array in arrays.items():
        assert file.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(file.arrays[name], array)


def test_the_server_itself_parses_no_header(pool, monkeypatch):
    def parse(text):
        raise AssertionError("parsed in the server")

    monkeypatch.setattr(classifier_files, "_parsed", parse)
    assert pool.describe(file_of(), "pets").settings.dataset == "pets"
    with pytest.raises(ModelError, match=r"^pets is not a classifier"):
        pool.describe(b"\x10\0\0\0\0\0\0\0" + b"[" * 16, "pets")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is not a classifier that this version"),
        (struct.pack("<Q", 2**40), "is not a classifier that this version"),
        (save(ARRAYS), "is not a classifier that this version"),
        (file_of(format="another"), "is not a classifier that this version"),
        (file_of(classes=[]), "is not consistent .*'classes'"),
        (file_of(classes=["x" * (LONGEST_NAME + 1)]), "is not consistent .*'classes'"),
        (file_of(images="many"), "is not consistent .*'images'"),
    ],
)
def test_sentences_are_the_library_s(pool, data, sentence):
    with pytest.raises(ModelError, match=sentence) as library:
        classifier_files.read(data, "pets")
    with pytest.raises(ModelError) as served:
        pool.describe(data, "pets")
    assert str(served.value) == str(library.value)
    assert pool.describe(file_of(), "pets").settings.dataset == "pets"  # and the process goes on


# --- descriptions that no honest process writes


DATA = file_of()
HEADER_OF_DATA, TEXTS = description(DATA, "pets")


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ({}, b""),
        ({**HEADER_OF_DATA, "counts": [10**9, 0, 0]}, TEXTS),
        ({**HEADER_OF_DATA, "counts": [-1, 0, 0]}, TEXTS),
        ({**HEADER_OF_DATA, "counts": [0, 0, 0]}, TEXTS),
        (HEADER_OF_DATA, TEXTS[:-1]),
        (HEADER_OF_DATA, b"\xff" * len(TEXTS)),
        ({**HEADER_OF_DATA, "settings": {}}, TEXTS),
        ({**HEADER_OF_DATA, "settings": HEADER_OF_DATA["settings"] | {"more": 1}}, TEXTS),
        ({**HEADER_OF_DATA, "arrays": [["F32", [2**40], 8]] * len(ARRAYS)}, TEXTS),
        ({**HEADER_OF_DATA, "arrays": [["F32", [-1], 8]] * len(ARRAYS)}, TEXTS),
        ({**HEADER_OF_DATA, "arrays": [["O", [1], 8]] * len(ARRAYS)}, TEXTS),
        ({**HEADER_OF_DATA, "arrays": [["F32", [1], -8]] * len(ARRAYS)}, TEXTS),
        ({**HEADER_OF_DATA, "arrays": [["F32", [1]]] * len(ARRAYS)}, TEXTS),
        ({**HEADER_OF_DATA, "arrays": [7] * len(ARRAYS)}, TEXTS),
    ],
)
def test_a_description_that_does_not_fit_is_refused(header, texts):
    with pytest.raises((KeyError, TypeError, ValueError)):
        described(header, texts, DATA)
    described(HEADER_OF_DATA, TEXTS, DATA)


def test_a_process_with_such_an_answer_is_given_up(pool, monkeypatch):
    monkeypatch.setattr(
        "crosspool.ui.runtime.decoder_pool.described", lambda header, texts, data: header["no such part"]
    )
    before = pool.counts["lost"]
    with pytest.raises(ModelError, match=r"^pets cannot be decoded: its decoder broke off; use crosspool explain"):
        pool.describe(DATA, "pets")
    assert pool.counts["lost"] == before + 1
