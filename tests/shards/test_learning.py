"""What is learned from a store is what is learned from its images; block by block it comes near."""

from dataclasses import replace

import numpy as np
import pytest

from crosspool import memory_limits, training
from crosspool.backbones import load
from crosspool.cache import ArrayCache
from crosspool.classifiers import assembled_classifier
from crosspool.datasets import open_dataset
from crosspool.encoding import pack_ternary
from crosspool.errors import DatasetError, ImageError, ModelError, SettingError
from crosspool.evaluation.protocol import SplitOptions, file_keys, without_unreadable
from crosspool.evaluation.run import result_of
from crosspool.features import Features
from crosspool.methods import parse_method
from crosspool.shards import learning
from crosspool.shards.learning import Solver, StoredImages, chosen_solver, evaluated, trained
from crosspool.shards.listing import list_images
from crosspool.svm import VectorFile
from crosspool.training import train_classifier
from tests.evaluation.test_run import small
from tests.images import png, tinted
from tests.networks import small_network, spec_for
from tests.shards.stores import UNREAD, extracted, listing_of, name_of, written

EXACT, BLOCKS = Solver("exact", ""), Solver("blocks", "")
# In this order as text, but not as folders: "finch-like" is before "finch/" there.
CLASSES = ("finch-like", "finch", "auk")


@pytest.fixture(scope="module")
def backbone():
    return replace(load(spec_for(small_network), "untrained", "cpu"), engine="torch")


@pytest.fixture
def known(monkeypatch, backbone):
    """The tiny network has a name that stores can be read with."""
    monkeypatch.setattr(learning, "spec_of", lambda name: backbone.spec)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of seven images; one of them is there twice, one cannot be read."""
    root = tmp_path_factory.mktemp("birds")
    for channel, label in enumerate(CLASSES):
        (root / label / "more").mkdir(parents=True)
        for number in range(7):
            data = png(tinted(10 * channel + number, channel).resize((40, 30)))
            (root / label / ("more" if number % 3 == 0 else "") / f"{number}.png").write_bytes(data)
    (root / "auk" / "copy.png").write_bytes((root / "auk" / "2.png").read_bytes())
    (root / "auk" / "broken.png").write_bytes(b"no image")
    return root


def from_images(folder, backbone, method, options, cache):
    """The settled features of a folder, the protocol, and the method."""
    parsed = parse_method(method, backbone.architecture)
    features = Features.of_methods(options.check(open_dataset(folder)), backbone, [parsed], ArrayCache(cache))
    features = options.settle(without_unreadable(features, lambda done: None))
    return features, options.protocol(features.dataset, file_keys(features)), parsed


def from_store(store, options):
    """The settled images of a store, and the protocol."""
    images = StoredImages.of(store)
    images = options.settle(images.restricted_to(options.check(images.dataset)).without_unread(options.on_problem))
    return images, options.protocol(images.dataset, file_keys(images))


METHODS = ("cl@128", "cl@128/ternary", "global@128", "cl@128+global@128", "compact-cl@128/d64")


@pytest.mark.usefixtures("known", "one_core")
@pytest.mark.parametrize("method", METHODS)
def test_a_store_gives_the_results_of_its_folder(folder, backbone, tmp_path, method):
    options = SplitOptions(splits=4, train_size=9, seed=5)
    features, protocol, parsed = from_images(folder, backbone, method, options, tmp_path / "cache")
    store = extracted(tmp_path / "store", list_images(str(folder)), backbone, method, shard=5)
    if parsed.is_seeded:
        protocol = replace(protocol, seed=store.plan.seed)
    images, own = from_store(store, options)
    assert images.dataset.classes == features.dataset.classes
    assert [each.name for each in images.dataset.samples] == [each.name for each in features.dataset.samples]
    assert images.dataset.problems == features.dataset.problems
    assert images.dataset.layout == features.dataset.layout
    for split, theirs in zip(own.splits, protocol.splits, strict=True):
        np.testing.assert_array_equal(split.train, theirs.train)
        np.testing.assert_array_equal(split.test, theirs.test)
    result, expected = evaluated(images, own, EXACT), result_of(parsed, features, protocol)
    for outcome, theirs in zip(result.outcomes, expected.outcomes, strict=True):
        np.testing.assert_array_equal(outcome.scores, theirs.scores)
    assert result.measures == expected.measures
    assert (result.dimensions, result.bytes_per_image) == (expected.dimensions, expected.bytes_per_image)
    np.testing.assert_array_equal(result.confusion, expected.confusion)
    np.testing.assert_array_equal(result.correct, expected.correct)
    assert result.seconds_per_image is None


@pytest.mark.usefixtures("known", "one_core")
@pytest.mark.parametrize("method", METHODS)
def test_a_classifier_from_a_store_is_the_file_from_its_folder(folder, backbone, tmp_path, method):
    options = SplitOptions()
    features, _, parsed = from_images(folder, backbone, method, options, tmp_path / "cache")
    images, _ = from_store(extracted(tmp_path / "store", list_images(str(folder)), backbone, method), options)
    assert trained(images, EXACT).to_bytes() == train_classifier(features.dataset, features, parsed).to_bytes()


@pytest.mark.usefixtures("known", "one_core")
def test_what_a_method_learned_is_in_the_classifier(folder, backbone, tmp_path):
    store = extracted(tmp_path / "store", list_images(str(folder)), backbone, "cl@128/pca3", shard=4)
    images, _ = from_store(store, SplitOptions())
    assert "cl@128/pca3 itself learned from 23 images of the whole store, test images among them" in images.remarks[0]
    classifier = trained(images, EXACT)
    record = next(iter(store.blocks()))[1]
    again = assembled_classifier("x", classifier.settings, classifier._arrays(), backbone)
    samples = [images.dataset.samples[place] for place in range(2)]
    files = [open_dataset(folder).samples[place] for place in range(2)]
    assert [each.name for each in samples] == [each.name for each in files]
    scores = again.scores([each.decode(each.read()) for each in files], backbone)
    stored = np.concatenate([vectors for _, vectors in store.blocks()])
    rows = np.flatnonzero(store.is_read).tolist()
    vectors = stored[[rows.index(row) for row in images.rows[:2]]]
    np.testing.assert_allclose(scores, vectors @ classifier.weights.T + classifier.intercept, atol=1e-4)
    assert record.dtype == np.float32


@pytest.mark.usefixtures("known")
def test_nothing_is_said_of_a_method_that_learns_nothing(folder, backbone, tmp_path):
    images, _ = from_store(extracted(tmp_path, list_images(str(folder)), backbone, "cl@128"), SplitOptions())
    assert images.remarks == ()


@pytest.mark.usefixtures("known")
def test_a_classifier_from_a_store_works_on_its_network_alone(folder, backbone, tmp_path):
    images, _ = from_store(extracted(tmp_path, list_images(str(folder)), backbone, "cl@128"), SplitOptions())
    classifier = trained(images, EXACT)
    classifier.check_backbone(backbone)
    another = load(spec_for(small), "untrained", "cpu")
    with pytest.raises(ModelError, match="not on the tiny with untrained weights that is loaded"):
        classifier.check_backbone(another)


# --- vectors written by hand


def separable(count=24, seed=0):
    """Unit vectors near one of three axes, the classes mixed among the rows, and their labels."""
    draw = np.random.default_rng(seed)
    numbers = draw.permutation(np.arange(count) % 3)
    vectors = np.eye(3, 1280)[numbers] + 0.01 * draw.standard_normal((count, 1280))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32), [["auk", "finch", "wren"][number] for number in numbers]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of five vectors out of pools of a few pieces, so that there are several."""
    monkeypatch.setattr(learning, "BLOCK_ROWS", 5)
    monkeypatch.setattr(learning, "POOL_BYTES", 9 * 4 * 1280)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shard", [1, 7, 100])
def test_blocks_predict_what_exact_machines_do(tmp_path, shard):
    vectors, labels = separable()
    images, protocol = from_store(
        written(tmp_path, vectors, labels, shard=shard), SplitOptions(splits=3, train_size=12, seed=1)
    )
    exact, blocks = (evaluated(images, protocol, solver) for solver in (EXACT, BLOCKS))
    for one, other in zip(exact.outcomes, blocks.outcomes, strict=True):
        np.testing.assert_array_equal(one.scores.argmax(axis=1), other.scores.argmax(axis=1))
        np.testing.assert_allclose(one.scores, other.scores, atol=0.2)
    assert exact.measures["accuracy"].value == blocks.measures["accuracy"].value == 1


@pytest.mark.usefixtures("small_blocks")
def test_a_seed_gives_the_same_bits(tmp_path):
    vectors, labels = separable()
    store = written(tmp_path, vectors, labels, shard=7)
    options = SplitOptions(splits=2, train_size=12, seed=1)
    images, protocol = from_store(store, options)
    first, again = (evaluated(images, protocol, BLOCKS) for _ in range(2))
    other = evaluated(images, replace(protocol, seed=2), BLOCKS)
    for one, same, different in zip(first.outcomes, again.outcomes, other.outcomes, strict=True):
        np.testing.assert_array_equal(one.scores, same.scores)
        assert (one.scores != different.scores).any()
    assert trained(images, BLOCKS).to_bytes() == trained(images, BLOCKS).to_bytes()


@pytest.mark.parametrize("shard", [1, 5, 24])
def test_the_kernel_is_that_of_the_data_sets_order_whatever_the_shards(tmp_path, shard):
    vectors, labels = separable()
    images = StoredImages.of(written(tmp_path, vectors, labels, shard=shard))
    order = np.random.default_rng(3).permutation(24)
    images = images.restricted_to(replace(images.dataset, samples=tuple(images.dataset.samples[i] for i in order)))
    done: list[int] = []
    with VectorFile() as file, VectorFile() as whole:
        images.copy_into(file, done.append)
        whole.append(vectors[order])
        np.testing.assert_array_equal(file.kernel(), whole.kernel())
    assert done[-1] == 24


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("mixed", [False, True])
def test_blocks_hold_every_wanted_vector_once(tmp_path, mixed):
    vectors, labels = separable()
    images = StoredImages.of(written(tmp_path, vectors, labels, shard=7))
    wanted = np.array([1, 2, 3, 11, 12, 20, 23])
    order = np.random.default_rng(0) if mixed else None
    blocks = list(images.blocks(wanted, order))
    places = np.concatenate([found for found, _ in blocks])
    assert sorted(places) == list(range(7))
    assert (places.tolist() != list(range(7))) == mixed
    assert max(len(found) for found, _ in blocks) <= 5
    np.testing.assert_array_equal(np.concatenate([found for _, found in blocks]), vectors[wanted[places]])


def test_packed_vectors_are_scaled_to_unit_length(tmp_path):
    values = np.random.default_rng(0).integers(-1, 2, (6, 1280)).astype(np.int8)
    store = written(tmp_path, pack_ternary(values), list("aabbcc"), method="gem@128/ternary")
    images = StoredImages.of(store)
    ((places, vectors),) = images.blocks(np.arange(6))
    assert places.tolist() == list(range(6))
    expected = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    with VectorFile() as file:
        images.copy_into(file)
        np.testing.assert_allclose(file.unit_kernel(), expected @ expected.T, atol=1e-6)


# --- which images


def test_images_without_labels_are_left_out(tmp_path):
    vectors, labels = separable(12)
    labels[3] = labels[7] = None
    images = StoredImages.of(written(tmp_path, vectors, labels))
    assert len(images.dataset) == 10
    assert name_of(3) not in {sample.name for sample in images.dataset.samples}
    assert images.dataset.problems == ("2 images have no label and are left out.",)
    assert images.rows.tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10, 11]


def test_a_store_without_labels_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="have no labels; extract images in folders of classes, or a table"):
        StoredImages.of(written(tmp_path, separable(4)[0]))


def test_a_store_of_one_class_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"has images of one class only \(auk\); extract those of at least two"):
        StoredImages.of(written(tmp_path, separable(4)[0], ["auk"] * 4))


def test_images_that_could_not_be_read_are_left_out_or_stop_it(tmp_path):
    vectors, labels = separable(12)
    images = StoredImages.of(written(tmp_path, vectors, labels, unread=(2, 5)))
    assert len(images.dataset) == 12
    read = images.without_unread("skip")
    assert read.dataset.problems == (UNREAD, UNREAD)
    assert read.rows.tolist() == [0, 1, 3, 4, 6, 7, 8, 9, 10, 11]
    assert read.without_unread("stop") is read
    with pytest.raises(ImageError, match="it cannot be read; or leave it out with --on-problem skip"):
        images.without_unread("stop")


def test_where_none_could_be_read_the_first_reason_is_said(tmp_path):
    vectors, labels = separable(3)
    images = StoredImages.of(written(tmp_path, vectors, labels, unread=(0, 1, 2)))
    with pytest.raises(DatasetError, match="None of the 3 images of by hand can be used: it cannot be read"):
        images.without_unread("skip")


def test_an_official_split_is_kept(tmp_path):
    vectors, labels = separable(12)
    splits = ["train", "test"] * 5 + [None, "test"]
    images, protocol = from_store(written(tmp_path, vectors, labels, splits), SplitOptions())
    assert protocol.official
    (split,) = protocol.splits
    assert split.train.tolist() == [0, 2, 4, 6, 8]
    assert split.test.tolist() == [1, 3, 5, 7, 9, 11]
    assert evaluated(images, protocol, BLOCKS).measures["accuracy"].value == 1


def test_classes_keep_the_order_of_the_data_set(tmp_path, backbone):
    listing = listing_of({"a": png(tinted(0, 0)), "b": png(tinted(1, 1))}, ["auk", "wren"])
    listing = replace(listing, classes=("wren", "auk"), places=(1, 0))
    images = StoredImages.of(extracted(tmp_path, listing, backbone, "global@128"))
    assert images.dataset.classes == ("wren", "auk")
    assert [sample.name for sample in images.dataset.samples] == ["b", "a"]
    assert images.dataset.targets.tolist() == [0, 1]


def test_generated_images_keep_their_order():
    dataset, listing = open_dataset("fieldguide:2"), list_images("fieldguide:2")
    assert listing.layout == dataset.layout == ""  # evaluate names a generated set by itself
    assert listing.classes == dataset.classes
    assert [sample.name for _, sample in sorted(zip(listing.places, listing.samples, strict=True))] == [
        sample.name for sample in dataset.samples
    ]


def test_a_store_keeps_no_images(tmp_path):
    vectors, labels = separable(3)
    images = StoredImages.of(written(tmp_path, vectors, labels))
    with pytest.raises(ImageError, match="image 000 is known from a store, which keeps no images"):
        images.dataset.samples[0].read()


# --- files and limits


def test_very_many_photographs_are_not_listed(tmp_path, monkeypatch):
    vectors, labels = separable(6)
    images = StoredImages.of(written(tmp_path, vectors, labels))
    assert len(trained(images, EXACT).settings.photographs) == 6
    monkeypatch.setattr(training, "MOST_PHOTOGRAPHS", 5)
    classifier = trained(images, EXACT)
    assert classifier.settings.photographs == ()
    assert classifier.settings.images == 6


def test_a_store_without_what_was_learned_is_refused(tmp_path):
    vectors, labels = separable(6)
    images = StoredImages.of(written(tmp_path, vectors, labels))
    (tmp_path / "learned.safetensors").unlink()
    with pytest.raises(ModelError, match="lacks what its method learned; run the same crosspool extract again"):
        trained(images, EXACT)


def test_scores_and_weights_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    vectors, labels = separable()
    images, protocol = from_store(written(tmp_path, vectors, labels), SplitOptions(splits=2, train_size=12))
    monkeypatch.setattr(learning, "usable_memory", lambda: 1151)
    with pytest.raises(SettingError, match="The scores of all test images take 576 B of memory; choose fewer --splits"):
        evaluated(images, protocol, BLOCKS)
    monkeypatch.setattr(learning, "usable_memory", lambda: 1152)
    for compute in (lambda: evaluated(images, protocol, BLOCKS), lambda: trained(images, BLOCKS)):
        with pytest.raises(SettingError, match=r"The weights of all 3 classes take 30.7 kB of memory; extract shorter"):
            compute()


def test_the_solver_is_exact_as_long_as_its_kernel_fits(monkeypatch):
    monkeypatch.setattr(learning, "usable_memory", lambda: 2 * 16 * 100**2)
    assert chosen_solver("auto", 100) == Solver("exact", "Trained exactly, on the inner products of all 100 images.")
    blocks = chosen_solver("auto", 101)
    assert (blocks.name, blocks.reason) == (
        "blocks", "Trained block by block, as the inner products of all 101 images would take 163 kB of memory."
    )  # fmt: skip
    assert chosen_solver("blocks", 3) == Solver("blocks", "Trained block by block, which was asked for.")
    assert chosen_solver("exact", 100).name == "exact"
    with pytest.raises(SettingError, match="of all 101 images take 163 kB of memory, and here 100 are the most"):
        chosen_solver("exact", 101)


def test_the_most_images_are_limited_whatever_the_memory(monkeypatch):
    monkeypatch.setattr(learning, "usable_memory", lambda: 2**60)
    assert [chosen_solver("auto", images).name for images in (30_000, 30_001)] == ["exact", "blocks"]
    assert memory_limits.usable_memory() > 2**20
