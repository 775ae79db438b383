"""Records to vectors: pooling, PCA that sees only training images, normalisation, and two bits a value."""

import itertools
import weakref
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer, normalize

from crosspool import encoding
from crosspool.encoding import (
    BlockNormalizer,
    CrossLayerPooling,
    Encoder,
    SignedPower,
    TernaryQuantizer,
    pack_ternary,
    principal_components,
    sampled_features,
    unpack_ternary,
)
from crosspool.errors import SettingError
from crosspool.layer_pairs import Geometry
from crosspool.pooling import cross_layer_pool, local_features
from tests.images import random_record

ONE_BY_ONE: Geometry = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}
THREE_BY_THREE: Geometry = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
GEOMETRIES = pytest.mark.parametrize("geometry", [ONE_BY_ONE, THREE_BY_THREE], ids=["1x1", "3x3"])


def pooling(geometry=THREE_BY_THREE, **parameters):
    return CrossLayerPooling("lower", "upper", geometry, **parameters)


def all_local_features(records, geometry):
    """(n * V * N, D*m*n), of every view of every image."""
    patches = [local_features(torch.from_numpy(record["lower"]), **geometry) for record in records]
    return np.concatenate([part.movedim(1, 2).flatten(0, 1).numpy() for part in patches])


# --- pooling


def test_pooling_by_hand():
    record = {
        "lower": np.array([[[[1, 2], [3, 4]], [[10, 20], [30, 40]]]], np.float32),
        "upper": np.array([[[[1, 0], [0, 2]], [[-1, 0], [3, -5]]]], np.float32),
    }
    # Map 0 takes the first cell once and the last one twice; of map 1 only the positive weight counts.
    assert pooling(ONE_BY_ONE).transform([record]).tolist() == [[1 + 8, 10 + 80, 9, 90]]


@GEOMETRIES
def test_pools_under_rectified_maps_block_by_block(geometry):
    records = [random_record(seed) for seed in range(3)]
    encoded = pooling(geometry).fit_transform(records)
    assert encoded.dtype == np.float32
    for record, vector in zip(records, encoded, strict=True):
        lower, upper = torch.from_numpy(record["lower"]), torch.from_numpy(record["upper"])
        np.testing.assert_array_equal(vector, cross_layer_pool(lower, upper.relu(), **geometry)[0].flatten().numpy())


@GEOMETRIES
@pytest.mark.parametrize("n_components", [None, 2])
def test_views_are_pooled_together(geometry, n_components):
    """P of several views is the sum of their Ps, as a sum over all their positions."""
    record = random_record(0, views=4)
    pool = pooling(geometry, n_components=n_components).fit([record])
    apart = pool.transform([{name: maps[[view]] for name, maps in record.items()} for view in range(4)])
    np.testing.assert_allclose(pool.transform([record])[0], apart.sum(0), rtol=1e-4, atol=1e-4)


def test_tiles_of_a_1x1_pair_are_pooled_as_the_joined_map():
    """Where no patch reaches over a tile's border, pooling tiles is pooling the map that they make together."""
    record = random_record(0, views=4)

    def joined(tiles):  # (4, D, H, W), in row-major order
        return np.block([[tiles[0], tiles[1]], [tiles[2], tiles[3]]])[None]

    whole = {name: joined(maps) for name, maps in record.items()}
    pool = pooling(ONE_BY_ONE)
    np.testing.assert_allclose(pool.transform([record]), pool.transform([whole]), rtol=1e-5, atol=1e-5)


# --- PCA


@pytest.mark.parametrize("n_components", [1, 5, 27])
def test_components_are_those_of_all_local_features(n_components):
    records = [random_record(seed, views=2) for seed in range(3)]
    pool = pooling(n_components=n_components).fit(records)
    everything = all_local_features(records, THREE_BY_THREE).astype(np.float64)
    expected = PCA(n_components, svd_solver="full").fit(everything)
    np.testing.assert_allclose(pool.mean_, expected.mean_, atol=1e-6)
    same_axes(pool.components_, expected.components_, atol=1e-4)


def same_axes(components, expected, **tolerance):
    """An axis may point either way."""
    directions = np.sign((components * expected).sum(1, keepdims=True))
    np.testing.assert_allclose(components * directions, expected, **tolerance)


@pytest.mark.parametrize("rows", [1, 7, 200, 1000])
def test_components_of_blocks_are_scikit_learns_of_the_whole(rows):
    """Also far from zero, where sums of squares in single precision would lose what varies."""
    generator = np.random.default_rng(0)
    sample = generator.standard_normal((200, 12)) * 2.0 ** -np.arange(12) @ np.linalg.qr(generator.random((12, 12)))[0]
    sample = (sample + 1000).astype(np.float32)
    mean, components = principal_components((sample[start : start + rows] for start in range(0, 200, rows)), 6)
    expected = PCA(6, svd_solver="full").fit(sample.astype(np.float64))
    np.testing.assert_allclose(mean, expected.mean_, rtol=1e-6)
    same_axes(components, expected.components_, atol=1e-4)
    assert (components.max(axis=1) == np.abs(components).max(axis=1)).all()
    assert components.dtype == np.float32
    assert components.flags.c_contiguous


@pytest.mark.parametrize("block", [1, 50, 10**6])
def test_the_sample_is_the_same_in_blocks_of_any_size(block, monkeypatch):
    records = [random_record(seed) for seed in range(7)]
    sample = (records, "lower", THREE_BY_THREE, 100, 0)
    expected = np.concatenate(list(sampled_features(*sample)))
    assert len(expected) == 100
    monkeypatch.setattr(encoding, "PCA_BLOCK", block)
    np.testing.assert_array_equal(np.concatenate(list(sampled_features(*sample))), expected)


@GEOMETRIES
def test_components_are_orthonormal(geometry):
    pool = pooling(geometry, n_components=3).fit([random_record(seed) for seed in range(4)])
    np.testing.assert_allclose(pool.components_ @ pool.components_.T, np.eye(3), atol=1e-5)


@GEOMETRIES
def test_all_components_lose_nothing(geometry):
    """P = P_pca W + (sum_i a_ik) mu, where W is a whole basis."""
    records = [random_record(seed, views=2) for seed in range(3)]
    length = 3 * np.prod(geometry["kernel_size"])
    pool = pooling(geometry, n_components=int(length)).fit(records)
    projected = pool.transform(records).reshape(3, 4, -1)
    weights = np.stack([record["upper"].clip(0).sum((0, 2, 3)) for record in records])  # (n, K)
    restored = projected @ pool.components_ + weights[..., None] * pool.mean_
    np.testing.assert_allclose(restored.reshape(3, -1), pooling(geometry).transform(records), rtol=1e-3, atol=1e-3)


def test_every_image_gives_equally_many_local_features():
    """Also where their maps are of different sizes."""
    sides = [2, 4, 6]
    records = [{"lower": np.full((1, 2, side, side), 10.0**i, np.float32)} for i, side in enumerate(sides)]
    same = pooling(ONE_BY_ONE, n_components=1, sample=12).fit(records)
    assert same.mean_ == pytest.approx([(1 + 10 + 100) / 3] * 2)
    everything = pooling(ONE_BY_ONE, n_components=1).fit(records)
    assert everything.mean_ == pytest.approx([(4 * 1 + 16 * 10 + 36 * 100) / (4 + 16 + 36)] * 2)


def test_a_sample_is_drawn_without_replacement():
    """From all views and positions: with places for all of them, each is there once."""
    records = [{"lower": np.arange(2 * 1 * 5 * 5, dtype=np.float32).reshape(2, 1, 5, 5)}]
    (drawn,) = sampled_features(records, "lower", ONE_BY_ONE, 50, 0)
    assert sorted(drawn[:, 0]) == list(range(50))
    (some,) = sampled_features(records, "lower", ONE_BY_ONE, 20, 0)
    assert len(set(some[:, 0])) == 20
    assert any(some[:, 0] >= 25)
    assert any(some[:, 0] < 25)


def test_the_seed_decides_the_sample():
    records = [random_record(seed) for seed in range(4)]

    def components(seed):
        return pooling(n_components=2, sample=40, random_state=seed).fit(records).components_

    np.testing.assert_array_equal(components(1), components(1))
    assert not np.allclose(components(1), components(2))


@pytest.mark.parametrize(
    ("n_components", "sentence"),
    [
        (28, "28 principal components cannot be computed from 50 local features of 27 numbers; choose at most 27"),
        (0, "0 principal components cannot be computed"),
    ],
)
def test_more_components_than_there_are(n_components, sentence):
    with pytest.raises(SettingError, match=sentence):
        pooling(n_components=n_components).fit([random_record(seed) for seed in range(2)])


def test_more_components_than_local_features():
    records = [random_record(0, side=2), random_record(1, side=2)]
    with pytest.raises(SettingError, match="8 local features of 27 numbers; choose at most 8"):
        pooling(n_components=9).fit(records)
    assert pooling(n_components=8).fit(records).components_.shape == (8, 27)


class Watched(Sequence):
    """Records made when they are asked for, of which only `allowed` ones may be."""

    def __init__(self, allowed):
        self.allowed = allowed
        self.read = []
        self.alive: weakref.WeakSet = weakref.WeakSet()
        self.most_alive = 0

    def __len__(self):
        return len(self.allowed)

    def __getitem__(self, place):
        self.read.append(self.allowed[place])
        record = Held(random_record(self.allowed[place]))
        self.alive.add(record)
        self.most_alive = max(self.most_alive, len(self.alive))
        return record


class Held(Mapping):
    """A mapping that a weak reference may point to."""

    def __init__(self, arrays):
        self.arrays = arrays

    def __getitem__(self, name):
        return self.arrays[name]

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)

    __hash__ = object.__hash__


def steps(n_components=2):
    return [
        ("pool", pooling(n_components=n_components)),
        ("power", SignedPower()),
        ("blocks", BlockNormalizer(4)),
        ("unit", Normalizer()),
    ]


@pytest.mark.parametrize("union", [False, True], ids=["one part", "two parts"])
def test_fitting_an_encoder_reads_each_image_once_and_encodes_none(union, monkeypatch):
    monkeypatch.setattr(CrossLayerPooling, "transform", lambda self, X: pytest.fail("an image is encoded"))
    encoder = Encoder(steps())
    if union:
        encoder = Encoder([("parts", FeatureUnion([("one", encoder)])), ("unit", Normalizer())])
    records = Watched([3, 1, 4])
    assert encoder.fit(records) is encoder
    assert sorted(records.read) == [1, 3, 4]  # in an order of its own, as of many images some are drawn
    assert records.most_alive <= 2  # the one that is used, and the one that comes next


def test_the_sample_is_no_larger_than_asked_for():
    """Of more images than local features are wanted, some images are drawn."""
    records = Watched(range(40))
    pool = pooling(n_components=2, sample=10).fit(records)
    assert len(set(records.read)) == len(records.read) == 10
    assert pool.components_.shape[0] == 2
    with pytest.raises(SettingError, match="at least one image"):
        clone(pool).fit([])


def test_an_encoder_encodes_as_a_pipeline_does():
    records = [random_record(seed) for seed in range(3)]
    expected = Pipeline(steps()).fit_transform(records)
    np.testing.assert_array_equal(Encoder(steps()).fit(records).transform(records), expected)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, rtol=1e-5)


def test_encoders_that_learn_nothing_need_no_fitting():
    records = [random_record(seed) for seed in range(3)]
    encoder = Encoder(steps(None))
    np.testing.assert_array_equal(encoder.transform(records), clone(encoder).fit(records[:1]).transform(records))


# --- normalisation


# Neither so small nor so large that a square is lost in float32, or that scikit-learn takes a vector for zero.
MAGNITUDES = st.floats(2.0**-16, 2.0**16, width=32)
VECTORS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.just(12)),
    elements=st.one_of(st.just(0.0), MAGNITUDES, MAGNITUDES.map(lambda value: -value)),
)


def test_signed_root_by_hand():
    vectors = np.array([[4, -9, 0, 0.25]], np.float32)
    assert SignedPower().transform(vectors).tolist() == [[2, -3, 0, 0.5]]
    assert SignedPower(2.0).transform(vectors).tolist() == [[16, -81, 0, 0.0625]]
    np.testing.assert_allclose(SignedPower(1.5).transform(vectors), [[8, -27, 0, 0.125]], rtol=1e-6)


@given(vectors=VECTORS)
def test_the_exponent_1_changes_nothing(vectors):
    np.testing.assert_array_equal(SignedPower(1.0).transform(vectors), vectors)


@given(vectors=VECTORS)
def test_powers_multiply_and_are_odd(vectors):
    twice = SignedPower(0.5).transform(SignedPower(0.5).transform(vectors))
    np.testing.assert_allclose(twice, SignedPower(0.25).transform(vectors), rtol=1e-4)
    np.testing.assert_array_equal(SignedPower(0.7).transform(-vectors), -SignedPower(0.7).transform(vectors))


def test_blocks_by_hand():
    vectors = np.array([[3, 4, 0, 0, -5, 12]], np.float32)
    np.testing.assert_allclose(BlockNormalizer(3).transform(vectors), [[0.6, 0.8, 0, 0, -5 / 13, 12 / 13]], rtol=1e-6)


@given(vectors=VECTORS)
def test_one_block_is_the_whole_vector(vectors):
    np.testing.assert_allclose(BlockNormalizer(1).transform(vectors), normalize(vectors), rtol=1e-4, atol=1e-30)


@given(vectors=VECTORS, blocks=st.sampled_from([1, 2, 3, 4, 6, 12]))
def test_normalising_blocks_twice_is_normalising_them_once(vectors, blocks):
    once = BlockNormalizer(blocks).transform(vectors)
    np.testing.assert_allclose(BlockNormalizer(blocks).transform(once), once, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("n_components", [None, 2])
@pytest.mark.parametrize("empty", ["one map", "all maps"])
def test_a_map_of_zeros_stays_finite_through_every_normalisation(n_components, empty):
    dead = random_record(0)
    dead["upper"][:, slice(1, 2) if empty == "one map" else slice(None)] = -1  # rectified to zeros
    encoder = Encoder(steps(n_components)).fit([random_record(seed) for seed in range(3)])
    (vector,) = encoder.transform([dead])
    assert np.isfinite(vector).all()
    blocks = np.linalg.norm(vector.reshape(4, -1), axis=1)
    expected = np.array([1, 0, 1, 1]) / np.sqrt(3) if empty == "one map" else np.zeros(4)
    np.testing.assert_allclose(blocks, expected, atol=1e-6)
    quantizer = TernaryQuantizer(0.5)
    assert set(np.unique(unpack_ternary(quantizer.transform(vector[None]), vector.size))) <= {-1, 0, 1}


# --- manners


TRANSFORMERS = [SignedPower(), SignedPower(0.3), BlockNormalizer(3), TernaryQuantizer(), TernaryQuantizer(0.7)]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_leaves_its_vectors_alone(transformer):
    vectors = np.random.default_rng(0).standard_normal((3, 12)).astype(np.float32)
    vectors.setflags(write=False)
    copy = vectors.copy()
    transformed = transformer.fit(vectors).transform(vectors)
    assert not np.shares_memory(transformed, vectors)
    np.testing.assert_array_equal(vectors, copy)


@pytest.mark.parametrize("n_components", [None, 2])
def test_leaves_records_alone(n_components):
    record = random_record(0)
    copies = {name: maps.copy() for name, maps in record.items()}
    pooling(n_components=n_components).fit([record]).transform([record])
    for name, maps in record.items():
        np.testing.assert_array_equal(maps, copies[name])


@pytest.mark.parametrize("transformer", [*TRANSFORMERS, pooling(n_components=2, sample=7, random_state=3)], ids=repr)
def test_is_an_estimator_of_scikit_learn(transformer):
    copy = clone(transformer)
    assert copy is not transformer
    assert copy.get_params() == transformer.get_params()
    name, value = next((name, value) for name, value in copy.get_params().items() if isinstance(value, int | float))
    assert copy.set_params(**{name: value + 1}).get_params()[name] == value + 1
    assert transformer.get_params()[name] == value


def test_parameters_reach_through_an_encoder():
    records = [random_record(seed) for seed in range(3)]
    encoder = Encoder(steps()).fit(records)
    fresh = clone(encoder).set_params(pool__n_components=3, power__exponent=1.0)
    assert not hasattr(fresh.named_steps["pool"], "components_")
    assert fresh.fit(records).transform(records).shape == (3, 4 * 3)
    assert encoder.transform(records).shape == (3, 4 * 2)


# --- two bits a value


TERNARY = hnp.arrays(np.int8, st.tuples(st.integers(0, 4), st.integers(0, 33)), elements=st.integers(-1, 1))


def test_packing_by_hand():
    # From the lowest two bits upwards; 1 is 01, -1 is 10, and a last byte is filled up with zeros.
    assert pack_ternary(np.array([[1, -1, 0, 1, -1]], np.int8)).tolist() == [[0b01_00_10_01, 0b10]]


@given(values=TERNARY)
def test_unpacking_gives_the_values_back(values):
    packed = pack_ternary(values)
    assert packed.dtype == np.uint8
    assert packed.shape == (len(values), -(-values.shape[1] // 4))
    np.testing.assert_array_equal(unpack_ternary(packed, values.shape[1]), values)
    # What fills up the last byte is zero, so that it adds nothing to an inner product.
    assert not unpack_ternary(packed, 4 * packed.shape[1])[:, values.shape[1] :].any()


def test_every_byte_is_unpacked_as_it_was_packed():
    values = np.array(list(itertools.product([0, 1, -1], repeat=4)), np.int8)
    codes = values % 3  # 0, 1 and 2
    packed = pack_ternary(values)
    np.testing.assert_array_equal(packed[:, 0], codes @ [1, 4, 16, 64])
    np.testing.assert_array_equal(unpack_ternary(packed), values)
    np.testing.assert_array_equal(unpack_ternary(packed.T), values.reshape(1, -1))


@pytest.mark.parametrize("value", [2, -2, 3])
def test_other_values_cannot_be_packed(value):
    with pytest.raises(SettingError, match="Only -1, 0 and \\+1"):
        pack_ternary(np.array([[0, value, 1]], np.int8))


@pytest.mark.parametrize("length", [4, 64, 4608])
def test_a_sixteenth_of_the_bytes(length):
    vectors = np.random.default_rng(0).standard_normal((3, length)).astype(np.float32)
    assert TernaryQuantizer().transform(vectors).nbytes * 16 == vectors.nbytes


def test_thresholds_by_hand():
    vectors = np.array([[4, -1, 0, -3], [2, -2, 2, -2], [0, 0, 0, 0]], np.float32)  # mean magnitudes 2, 2 and 0

    def quantised(threshold):
        return unpack_ternary(TernaryQuantizer(threshold).transform(vectors), 4).tolist()

    assert quantised(0.0) == [[1, -1, 0, -1], [1, -1, 1, -1], [0, 0, 0, 0]]
    assert quantised(1.0) == [[1, 0, 0, -1], [0, 0, 0, 0], [0, 0, 0, 0]]  # at the threshold itself it is 0
    assert quantised(1.5) == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert quantised(2.0) == [[0, 0, 0, 0]] * 3


@given(vectors=VECTORS, threshold=st.floats(0, 2), exponent=st.integers(-20, 20))
def test_the_scale_of_a_vector_does_not_matter(vectors, threshold, exponent):
    quantizer = TernaryQuantizer(threshold)
    scaled = vectors * np.float32(2.0**exponent)
    if np.all((scaled == 0) == (vectors == 0)):  # nothing has become too small for a float32
        np.testing.assert_array_equal(quantizer.transform(scaled), quantizer.transform(vectors))


@given(vectors=VECTORS, low=st.floats(0, 2), high=st.floats(0, 2))
def test_a_higher_threshold_only_takes_values_away(vectors, low, high):
    low, high = sorted((low, high))
    many, few = (unpack_ternary(TernaryQuantizer(t).transform(vectors), 12) for t in (low, high))
    np.testing.assert_array_equal(few[few != 0], many[few != 0])
    np.testing.assert_array_equal(unpack_ternary(TernaryQuantizer(0).transform(vectors), 12), np.sign(vectors))
