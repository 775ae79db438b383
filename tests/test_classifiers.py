"""Trained classifiers: what they say, that they are the same when read again, and files that are none."""

import hashlib
import json
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from crosspool.backbones import load_backbone
from crosspool.classifier_files import FORMAT, HEADER, LONGEST_HEADER, file_bytes, read
from crosspool.classifiers import TrainedClassifier, assembled_classifier, load_classifier
from crosspool.datasets import UNKNOWN
from crosspool.errors import DatasetError, ModelError
from crosspool.features import Features
from crosspool.images import load_image
from crosspool.methods import parse_method
from crosspool.records import compute_record
from crosspool.svm import DualLinearSVM
from crosspool.training import train_classifier
from tests.images import dataset_of, noise, png, tinted, tints

SHORT = "cl:blocks.4.project_conv@128"  # 40 maps over local features of 240 numbers
METHODS = [
    "global@128",
    f"{SHORT}/blocks",
    f"{SHORT}/pca3",
    f"{SHORT}/ternary",
    f"{SHORT}/pca3/ternary0.5",
    f"global@128+{SHORT}/pca3",
    "cl-c:blocks.4.project_conv@256/pca2",
    "global:fc@128",
    "fv:blocks.4.project_conv@128/gaussians2/pca3",
    "vlad:blocks.4.project_conv@128/centres3/pca2+gem@128",
    "guided:blocks.4.project_conv@128/guides3/pca2",
]
LABELS = np.array([[1, 0], [0, 1], [0, 0], [1, UNKNOWN], [0, 1], [UNKNOWN, 0], [1, 1], [0, 1], [0, 0]])


def labelled(multi_label):
    dataset = tints()
    return dataset_of([sample.read for sample in dataset.samples], LABELS, ("one", "two")) if multi_label else dataset


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


@pytest.fixture(scope="module")
def trained(lite0, cache):
    """Classifiers of three tints, or of two labels, each trained once."""
    made = {}

    def make(name, multi_label=False, framing="squash"):
        if (name, multi_label, framing) not in made:
            dataset = labelled(multi_label)
            method = parse_method(name, lite0.architecture, framing)
            features = Features(dataset, lite0, method.sources, cache)
            made[name, multi_label, framing] = train_classifier(dataset, features, method, C=5.0)
        return made[name, multi_label, framing]

    return make


@pytest.fixture
def saved(trained, tmp_path):
    path = tmp_path / "tints.safetensors"
    trained(f"{SHORT}/pca3").save(path)
    return path


NEW = [tinted(50, 1), tinted(51, 0), noise(52)]


# --- training


def test_a_trained_classifier_recognises_its_classes(trained, lite0):
    classifier = trained("global@128")
    scores = classifier.scores(NEW, lite0)
    assert scores.shape == (3, 3)
    assert [classifier.classes[best] for best in scores[:2].argmax(axis=1)] == ["green", "red"]


@pytest.mark.parametrize("multi_label", [False, True], ids=["classes", "labels"])
@pytest.mark.parametrize("name", METHODS[:6])
def test_scores_in_the_primal_are_those_in_the_dual(lite0, cache, monkeypatch, name, multi_label):
    machines = []

    class Kept(DualLinearSVM):
        def fit(self, K, y):
            machines.append(self)
            return super().fit(K, y)

    monkeypatch.setattr("crosspool.training.DualLinearSVM", Kept)
    dataset = labelled(multi_label)
    method = parse_method(name, lite0.architecture)
    classifier = train_classifier(dataset, Features(dataset, lite0, method.sources, cache), method)
    records = [
        [compute_record(lite0, image, classifier.method.sources) for image in images]
        for images in ([load_image(sample.read()) for sample in tints().samples], NEW)
    ]
    known, new = (classifier.vectors(some).astype(np.float64) for some in records)
    np.testing.assert_allclose(np.linalg.norm(known, axis=1), 1, rtol=1e-4)
    (machine,) = machines
    np.testing.assert_allclose(classifier.scores(NEW, lite0), machine.decision_function(new @ known.T), atol=1e-4)


def test_settings_describe_the_training(trained, lite0):
    classifier = trained(f"{SHORT}/pca3")
    settings = classifier.settings
    assert settings.model_dump() | {"versions": ..., "photographs": ...} == {
        "method": f"{SHORT}/pca3",
        "backbone": "efficientnet_lite0",
        "outputs": 1000,
        "weights": "pretrained",
        "fingerprint": lite0.fingerprint,
        "framing": "squash",
        "classes": ("red", "green", "blue"),
        "multi_label": False,
        "others": {},
        "dataset": "tints",
        "images": 9,
        "photographs": ...,
        "parts": (),
        "C": 5.0,
        "seed": 0,
        "versions": ...,
    }
    files = [hashlib.sha256(sample.read()).hexdigest() for sample in labelled(False).samples]
    assert settings.photographs == tuple(sorted(files))
    assert classifier.was_trained_on(files[0])
    assert not classifier.was_trained_on(hashlib.sha256(png(NEW[0])).hexdigest())
    assert not classifier.was_trained_on(None)
    assert set(settings.versions) == {"crosspool", "torch", "scikit-learn"}
    assert not classifier.multi_label
    assert trained("global@128", multi_label=True).multi_label


def test_classes_without_images_are_left_out(lite0, cache):
    dataset = dataset_of([png(tinted(i, 2 * (i % 2))) for i in range(4)], np.array([0, 2, 0, 2]))
    method = parse_method("global@128", lite0.architecture)
    classifier = train_classifier(dataset, Features(dataset, lite0, method.sources, cache), method)
    assert classifier.classes == ("red", "blue")
    assert classifier.weights.shape == (2, 1280)


def test_a_single_class_cannot_be_learned(lite0, cache):
    dataset = dataset_of([png(noise(i)) for i in range(3)], np.zeros(3, int))
    method = parse_method("global@128", lite0.architecture)
    with pytest.raises(DatasetError, match="no counterexamples"):
        train_classifier(dataset, Features(dataset, lite0, method.sources, cache), method)


def test_progress_counts_the_images(lite0, cache):
    done: list[int] = []
    method = parse_method("global@128", lite0.architecture)
    features = Features(tints(each=4), lite0, method.sources, cache)
    train_classifier(tints(each=4), features, method, progress=done.append)
    assert done == list(range(1, 13))


# --- saved and read again


@pytest.mark.parametrize("multi_label", [False, True], ids=["classes", "labels"])
@pytest.mark.parametrize("name", METHODS)
def test_a_saved_classifier_gives_the_same_scores(trained, lite0, tmp_path, name, multi_label):
    classifier = trained(name, multi_label)
    classifier.save(tmp_path / "file")
    again = load_classifier(tmp_path / "file")
    assert again.settings == classifier.settings
    assert again.classes == classifier.classes
    assert again.method.sources == classifier.method.sources
    np.testing.assert_array_equal(again.scores(NEW, lite0), classifier.scores(NEW, lite0))


def test_a_sketch_is_that_of_the_seed_it_was_trained_with(lite0, cache, tmp_path):
    """Not of the seed with which its vectors might have been kept."""
    dataset, method = labelled(False), parse_method("compact@128/d64", lite0.architecture)
    scores = []
    for seed in (0, 1):
        features = Features.of_methods(dataset, lite0, [method], cache)
        features.compute()
        train_classifier(dataset, features, method, seed=seed).save(tmp_path / "file")
        again = load_classifier(tmp_path / "file")
        vectors = again.vectors(list(features.records_of(np.arange(len(dataset)), method.sources)))
        decided = (vectors @ again.weights.T + again.intercept).argmax(axis=1)
        assert [again.classes[k] for k in decided] == [dataset.classes[k] for k in dataset.targets]
        scores.append(again.scores(NEW, lite0))
    assert not np.allclose(scores[0], scores[1])


def test_the_framing_is_kept(trained, lite0, tmp_path):
    cropped = trained("global@128", framing="crop")
    cropped.save(tmp_path / "file")
    again = load_classifier(tmp_path / "file")
    assert {source.framing for source in again.method.sources} == {"crop"}
    wide = tinted(3, 0).resize((64, 20))
    np.testing.assert_array_equal(again.scores([wide], lite0), cropped.scores([wide], lite0))
    assert not np.allclose(again.scores([wide], lite0), trained("global@128").scores([wide], lite0))


def test_a_file_holds_numbers_and_settings_only(saved, trained):
    arrays = load_file(saved)
    pca = trained(f"{SHORT}/pca3").encoder.named_steps["pool"]
    assert sorted(arrays) == ["intercept", "pool/components_", "pool/mean_", "weights"]
    np.testing.assert_array_equal(arrays["pool/components_"], pca.components_)
    assert arrays["weights"].dtype == np.float32
    assert b"pickle" not in saved.read_bytes()


def test_files_without_a_list_of_training_images_are_read(saved):
    """They were written before this list was."""
    rewritten(saved, without=["photographs"])
    classifier = load_classifier(saved)
    assert classifier.settings.photographs == ()
    assert not classifier.was_trained_on("0" * 64)


def test_settings_cannot_be_changed(trained):
    with pytest.raises(ValidationError):
        trained("global@128").settings.weights = "untrained"


def test_too_long_a_class_name_is_refused_before_training(lite0, cache):
    dataset = replace(tints(), classes=("red", "x" * 256, "blue"))
    method = parse_method("global@128", lite0.architecture)
    with pytest.raises(DatasetError, match="at most 255 characters"):
        train_classifier(dataset, Features(dataset, lite0, method.sources, cache), method)


# --- another network


def test_refuses_another_network(trained):
    other = load_backbone("efficientnet_lite0", "untrained", "cpu")
    sentence = (
        "This classifier was trained on efficientnet_lite0 with pretrained weights, "
        "not on the efficientnet_lite0 with untrained weights that is loaded."
    )
    with pytest.raises(ModelError, match=re.escape(sentence)):
        trained("global@128").scores(NEW, other)
    with pytest.raises(ModelError, match="was trained on"):
        trained("global@128").check_backbone(other)


@pytest.mark.parametrize("method", ["parts-rcnn", "dpd"])
def test_a_file_of_parts_that_names_the_whole_alone_is_refused(trained, lite0, method):
    settings = trained("global@128").settings.model_copy(update={"method": method, "parts": ("whole",)})
    with pytest.raises(ModelError, match=r"is not consistent .*learns from boxes of the parts of an object"):
        assembled_classifier("a.safetensors", settings, {}, lite0)


# --- files that are no classifiers


def header_of(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"][HEADER])


def rewritten(path, *, arrays=(), without=(), **changed):
    """The classifier at `path` with other arrays or settings."""
    kept = {name: array for name, array in load_file(path).items() if name not in without}
    settings = {name: value for name, value in (header_of(path) | changed).items() if name not in without}
    save_file(kept | dict(arrays), path, metadata={HEADER: json.dumps(settings)})


def test_rewriting_alone_does_no_damage(saved, lite0, trained):
    rewritten(saved)
    np.testing.assert_array_equal(
        load_classifier(saved).scores(NEW, lite0), trained(f"{SHORT}/pca3").scores(NEW, lite0)
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"no classifier" * 99, b"\xff" * 64, (2).to_bytes(8, "little") + b"{}", png(noise(0))],
    ids=["empty", "a byte", "text", "huge header", "bare safetensors", "image"],
)
def test_bytes_of_other_kinds_are_refused(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ModelError, match=r"file is not a classifier .* train one with: crosspool train"):
        load_classifier(tmp_path / "file")


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_cut_short(saved, kept):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ModelError, match="or is damaged"):
        load_classifier(saved)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"other": "{}"},
        *({HEADER: text} for text in ("null", "[]", "{", "", "[" * 100_000, '{"format": "crosspool classifier 99"}')),
    ],
    ids=["none", "another's", "null", "a list", "cut", "no text", "deep", "of another version"],
)
def test_other_safetensors(tmp_path, metadata):
    save_file({"weights": np.zeros((2, 2), np.float32)}, tmp_path / "file", metadata=metadata)
    with pytest.raises(ModelError, match="is not a classifier"):
        load_classifier(tmp_path / "file")


def peak_of_refusing(file):
    """The most memory that Python had while it refused a file, in bytes, as bytes and by its path."""
    peaks = []
    for source in (file, file.read_bytes()):
        tracemalloc.start()
        with pytest.raises(ModelError, match="is not a classifier"):
            read(source, "file")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return max(peaks)


def header_file(path, header):
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


def test_a_long_header_is_refused_unread(tmp_path):
    file = header_file(tmp_path / "file", b'{"__metadata__":{"crosspool":"' + b"{}," * 20_000_000 + b'"}}')
    assert peak_of_refusing(file) < file.stat().st_size + 2**20


def test_many_objects_in_a_header_are_refused_before_they_take_memory(tmp_path):
    lists = b"[" + b"{}," * (LONGEST_HEADER // 3 - 100) + b"{}]"
    file = header_file(tmp_path / "file", b'{"__metadata__":' + lists + b"}")
    assert peak_of_refusing(file) < 5 * LONGEST_HEADER


def test_the_texts_of_a_file_count_as_memory(saved):
    settings, arrays = read(saved, "file")
    more = settings.model_copy(update={"photographs": tuple(f"{n:064x}" for n in range(10_000))})
    classifier = load_classifier(saved)
    saved.write_bytes(file_bytes(arrays, more))
    grown = load_classifier(saved).nbytes - classifier.nbytes
    assert grown > 10_000 * 100 - classifier.settings.nbytes


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "absent", tmp_path / "absent" / "file"):
        with pytest.raises(ModelError, match=r"absent(/file)? was not found; check the name and the folder\.$"):
            load_classifier(path)
    with pytest.raises(ModelError, match=r"cannot be read \(.*\); check the name and the folder"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("absent", ["weights", "intercept", "pool/mean_", "pool/components_"])
def test_absent_arrays(saved, absent):
    rewritten(saved, without=[absent])
    with pytest.raises(ModelError, match=f"is not consistent .*{absent}"):
        load_classifier(saved)


@pytest.mark.parametrize(
    "absent",
    [
        "method",
        "backbone",
        "outputs",
        "framing",
        "classes",
        "seed",
        "fingerprint",
        "multi_label",
        "dataset",
        "C",
        "images",
    ],
)
def test_absent_settings(saved, absent):
    rewritten(saved, without=[absent])
    with pytest.raises(ModelError, match=rf"is not consistent \(the setting '{absent}' is missing\)"):
        load_classifier(saved)


def test_a_long_message_about_a_file_is_shortened(saved):
    rewritten(saved, backbone="x" * 3000)
    with pytest.raises(ModelError, match=r"is not consistent \(There is no backbone 'x") as caught:
        load_classifier(saved)
    assert len(str(caught.value)) < len(str(saved)) + 350


def test_saving_replaces_a_file_whole(saved, trained):
    """Where there is no room for another one, the file that was there stays."""
    before, classifier = saved.read_bytes(), trained("global@128")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "crosspool.classifier_files.save_file", lambda arrays, path, metadata: path.write_bytes(b"x") and 1 / 0
        )
        with pytest.raises(ZeroDivisionError):
            classifier.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def floats(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("weights", floats(3, 119)),
        ("weights", floats(2, 120)),
        ("weights", floats(360)),
        ("weights", floats(3, 0)),
        ("intercept", np.zeros(4)),
        ("intercept", np.zeros((3, 1))),
        ("pool/mean_", floats(239)),
        ("pool/mean_", floats()),
        ("pool/components_", floats(3, 239)),
        ("pool/components_", floats(4, 240)),
        ("pool/components_", floats(0, 240)),
        ("pool/components_", floats(240)),
    ],
)
def test_arrays_of_wrong_shapes(saved, name, array):
    rewritten(saved, arrays={name: array})
    with pytest.raises(ModelError, match=r"is not consistent .*train it again with: crosspool train"):
        load_classifier(saved)


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "__import__('os').system('true')"},
        {"method": "cl:../../etc/passwd@128"},
        {"method": "cl@" + "9" * 5000},
        {"method": "cl@128+" * 50 + "cl@"},
        {"method": "global@128"},
        {"method": f"{SHORT}/pca3/ternary"},
        {"method": f"{SHORT}/pca4"},
        {"method": 5},
        {"method": None},
        {"method": ["global"]},
        {"backbone": "no_such_network"},
        {"backbone": "alexnet"},
        {"backbone": ["alexnet"]},
        {"framing": ["crop"]},
        {"classes": 3},
        {"classes": ["one"]},
        {"outputs": "1000"},
        {"classes": "abc"},
        {"classes": ["one", "one", "two"]},
        {"classes": ["one", "two", "three" * 60]},
        {"photographs": 5},
        {"multi_label": "yes"},
        {"dataset": ["a"]},
        {"fingerprint": None},
        {"seed": "0"},
        {"seed": -1},
        {"seed": 2**32},
        {"others": {"efficientnet_lite1": "of nothing"}},
        {"C": float("nan")},
        {"C": float("inf")},
        {"unknown": 1},
    ],
    ids=str,
)
def test_hostile_settings(saved, changed):
    rewritten(saved, **changed)
    with pytest.raises(ModelError, match="is not consistent"):
        load_classifier(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38, -3e38])
@pytest.mark.parametrize("name", ["weights", "intercept", "pool/mean_", "pool/components_"])
def test_numbers_whose_products_are_not_numbers(saved, name, value):
    array = load_file(saved)[name]
    array.flat[-1] = value
    rewritten(saved, arrays={name: array})
    with pytest.raises(
        ModelError,
        match=r"is not consistent \(the array .* contains NaN, infinite or far too large numbers",
    ):
        load_classifier(saved)


@pytest.mark.parametrize("column", [0, 5], ids=["weight", "variance"])
def test_gaussians_that_are_none_are_refused(trained, tmp_path, column):
    path = tmp_path / "file"
    trained("fv:blocks.4.project_conv@128/gaussians2/pca3").save(path)
    codebook = load_file(path)["pool/codebook_"]
    codebook[1, column] = 0
    rewritten(path, arrays={"pool/codebook_": codebook})
    with pytest.raises(ModelError, match="a weight or a variance below 1e-09"):
        load_classifier(path)


def test_a_classifier_has_no_integer_weights(saved):
    rewritten(saved, arrays={"weights": np.ones((3, 120), np.int32)})
    with pytest.raises(ModelError, match="or other than floats"):
        load_classifier(saved)


def test_a_costly_method_is_refused_without_its_cost(saved):
    """Seconds and gigabytes, if an image were encoded to learn how long its vector is."""
    rewritten(saved, method="+".join(f"jitter@{size}" for size in range(881, 897)))
    with pytest.raises(
        ModelError, match=r"is not consistent \(the array 'weights' has the shape \(3, 120\), not \(3, 20480\)\)"
    ):
        load_classifier(saved)


def test_numbers_of_another_kind(saved):
    """Those that NumPy does not know are refused, and those that it knows are taken as they are."""
    settings = header_of(saved)
    arrays = {name: torch.from_numpy(array) for name, array in load_file(saved).items()}
    doubled = arrays | {"pool/components_": arrays["pool/components_"].double()}
    save_torch_file(doubled, saved, metadata={HEADER: json.dumps(settings)})
    whole = load_classifier(saved)
    assert isinstance(whole, TrainedClassifier)
    save_torch_file(arrays | {"weights": arrays["weights"].half()}, saved, metadata={HEADER: json.dumps(settings)})
    assert load_classifier(saved).nbytes == whole.nbytes  # in memory all are as exact
    infinite = torch.full_like(arrays["weights"], torch.inf).half()
    save_torch_file(arrays | {"weights": infinite}, saved, metadata={HEADER: json.dumps(settings)})
    with pytest.raises(ModelError, match="contains NaN, infinite or far too large numbers"):
        load_classifier(saved)
    save_torch_file(arrays | {"weights": arrays["weights"].bfloat16()}, saved, metadata={HEADER: json.dumps(settings)})
    with pytest.raises(ModelError):
        load_classifier(saved)


def test_the_format_is_in_the_header(saved):
    assert header_of(saved)["format"] == FORMAT


def test_a_file_whose_method_had_another_meaning_is_refused(saved):
    """The crops of cnnaug-svm were others: the classes of such a file would be wrong without a word."""
    settings, arrays = read(saved, "tints")
    augmented = settings.model_copy(update={"method": "cnnaug-svm@128"})
    assert read(file_bytes(arrays, augmented), "tints")[0] == augmented
    rewritten(saved, method="cnnaug-svm@128")
    for source in (saved, saved.read_bytes()):
        with pytest.raises(ModelError, match="trained on other crops than cnnaug-svm has today; train it again"):
            read(source, "tints")
