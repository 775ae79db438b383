"""Representations by name: the meaning and the sources of each name, and that all methods run."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.preprocessing import Normalizer

from crosspool.backbones import architecture, backbone_specs, load_backbone
from crosspool.baselines import PYRAMID_LEVELS, MapPooling, MeanOverViews
from crosspool.encoding import BlockNormalizer, CrossLayerPooling, Lessons, SignedPower, unpack_ternary
from crosspool.errors import CrosspoolError, LayerPairError, SettingError
from crosspool.framing import VIEW_COUNTS, Source
from crosspool.fully_connected import fully_connected_layers
from crosspool.methods import MethodSpec, parse_method, parse_methods
from crosspool.methods.building import _BUILDERS
from crosspool.methods.grammar import METHOD_OPTIONS, PRESETS, TUNING
from crosspool.records import compute_record
from tests.images import random_record
from tests.networks import sample

LITE0 = architecture("efficientnet_lite0")
ALEXNET = architecture("alexnet")
LAST = "conv_head"  # Lite0's last pair
INPUT = "dropout"  # the node that yields the input of Lite0's only fully-connected layer


def steps(name, network=LITE0, part=0):
    return dict(parse_method(name, network).parts[part].steps)


def maps_of(pair, size, views="whole"):
    return {Source(node, size, views, "squash") for node in (pair.lower, pair.upper)}


# --- the meaning of names


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("cl", ["pool", "power", "unit"]),
        ("cl/power1", ["pool", "unit"]),
        ("cl/blocks", ["pool", "power", "blocks", "unit"]),
        ("global", ["mean", "unit"]),
        ("global/power0.5", ["mean", "power", "unit"]),
        ("jitter", ["mean", "unit"]),
        ("cnn-svm", ["mean", "unit"]),
        ("cnnaug-svm", ["mean", "unit"]),
        ("sum", ["pool", "power", "unit"]),
        ("max", ["pool", "power", "unit"]),
        ("pyramid", ["pool", "power", "unit"]),
        ("pyramid/power1", ["pool", "unit"]),
        ("gem", ["pool", "unit"]),
        ("gem/p2/power0.5", ["pool", "power", "unit"]),
        ("scda", ["pool", "halves", "unit"]),
        ("bilinear", ["pool", "power", "unit"]),
        ("isqrt", ["pool", "unit"]),
        ("compact", ["pool", "power", "unit"]),
        ("compact-cl/d64", ["pool", "power", "unit"]),
        ("fv", ["pool", "power", "unit"]),
        ("vlad", ["pool", "power", "centres", "unit"]),
        ("dpd", ["pool", "unit"]),
        ("dpd-cnn/power0.3", ["pool", "unit"]),
        ("guided", ["pool", "power", "unit"]),
    ],
)
def test_the_steps_of_a_method(name, kinds):
    encoder_steps = steps(name)
    assert list(encoder_steps) == kinds
    assert isinstance(encoder_steps["unit"], Normalizer)


def test_cross_layer_pooling_of_a_pair():
    pool = steps("cl:blocks.4.project_conv@192/pca16/power0.3")["pool"]
    pair = LITE0.pair("blocks.4.project_conv")
    assert isinstance(pool, CrossLayerPooling)
    assert (pool.lower, pool.upper) == tuple(Source(node, 192, "whole", "squash") for node in (pair.lower, pair.upper))
    assert (pool.geometry, pool.n_components) == (pair.geometry, 16)
    power = steps("cl:blocks.4.project_conv@192/pca16/power0.3")["power"]
    assert isinstance(power, SignedPower)
    assert power.exponent == 0.3


def test_the_defaults_are_the_last_pair_the_networks_own_input_and_the_signed_root():
    explicit, implicit = (parse_method(name, LITE0) for name in (f"cl:{LAST}@224/power0.5", "cl"))
    assert explicit.sources == implicit.sources
    assert str(explicit.parts) == str(implicit.parts)
    assert steps("cl")["pool"].n_components is None


def test_blocks_are_those_of_the_upper_maps():
    blocks = steps("cl:blocks.4.project_conv/blocks")["blocks"]
    assert isinstance(blocks, BlockNormalizer)
    assert blocks.blocks == LITE0.pair("blocks.4.project_conv").upper_channels


@pytest.mark.parametrize("name", ["CL:conv_head@192/PCA16", " cl:conv_head@192/pca16 ", "cl:conv_head@192/pca16"])
def test_case_and_space_around_do_not_matter(name):
    method = parse_method(name, LITE0)
    assert str(method.parts) == str(parse_method("cl@192/pca16", LITE0).parts)


def test_the_framing_is_part_of_the_sources():
    assert {source.framing for source in parse_method("cl-c+jitter", LITE0, "crop").sources} == {"crop"}
    assert {source.framing for source in parse_method("cl-c+jitter", LITE0).sources} == {"squash"}


@pytest.mark.parametrize(
    ("name", "reduction", "levels", "node"),
    [
        ("sum", "sum", (1,), "relu_1"),
        ("max", "max", (1,), "relu_1"),
        ("max/lower", "max", (1,), "blocks_15_bn2"),
        ("pyramid", "max", PYRAMID_LEVELS, "relu_1"),
        ("pyramid:blocks.4.project_conv/lower", "max", (1, 2, 4), LITE0.pair("blocks.4.project_conv").lower),
    ],
)
def test_one_map_alone(name, reduction, levels, node):
    pool = steps(name)["pool"]
    assert isinstance(pool, MapPooling)
    assert (pool.reduction, pool.levels) == (reduction, levels)
    assert pool.source == Source(node, 224, "whole", "squash")


@pytest.mark.parametrize(
    ("name", "views", "exponent"),
    [
        ("global", "whole", None),
        ("jitter", "jitter", None),
        ("cnn-svm", "whole", None),
        ("cnnaug-svm", "augmented", 2),
    ],
)
def test_fully_connected_vectors(name, views, exponent):
    mean = steps(f"{name}@160")["mean"]
    assert isinstance(mean, MeanOverViews)
    assert (mean.source, mean.exponent) == (Source(INPUT, 160, views, "squash"), exponent)


@pytest.mark.parametrize(
    ("where", "node"),
    [
        ("", "classifier_2"),  # fc6 behind its ReLU: the first of several layers
        (":fc6", "classifier_2"),
        (":classifier.1", "classifier_2"),
        (":fc7", "classifier_5"),
        (":fc8", "classifier_6"),
        (":input", "classifier_0"),
    ],
)
def test_fully_connected_layers_by_name(where, node):
    (source,) = parse_method(f"global{where}", ALEXNET).sources
    assert source.node == node


def test_a_single_fully_connected_layer_gives_its_input():
    assert parse_method("global:fc", LITE0).sources[0].node == "fc"
    assert parse_method("global:pooled input", LITE0).sources == parse_method("global", LITE0).sources
    squeezenet = architecture("squeezenet1_0")
    (scores,) = fully_connected_layers(squeezenet.layout())
    assert parse_method("global", squeezenet).sources[0].node == scores.node


# --- sources


PAIR = LITE0.pair(LAST)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cl@128", maps_of(PAIR, 128)),
        ("cl-f", maps_of(PAIR, 448, "tiles")),
        ("cl-f@256", maps_of(PAIR, 256, "tiles")),
        ("cl-f@256/whole", maps_of(PAIR, 256)),
        ("cl-c", maps_of(PAIR, 224) | maps_of(PAIR, 448, "tiles")),
        ("cl-c@256", maps_of(PAIR, 128) | maps_of(PAIR, 256, "tiles")),
        ("cl-c@256/whole/pca8", maps_of(PAIR, 128) | maps_of(PAIR, 256)),
        ("cl@128+cl@128/pca4", maps_of(PAIR, 128)),  # the same maps serve both
        ("cl@128+sum@128", maps_of(PAIR, 128)),
        ("scfv@128", {Source(INPUT, 128, "regions", "squash")}),
        ("scfv@128/local", {Source(PAIR.lower, 128, "whole", "squash")}),
        ("cl@128+jitter@160", {*maps_of(PAIR, 128), Source(INPUT, 160, "jitter", "squash")}),
    ],
)
def test_sources(name, expected):
    sources = parse_method(name, LITE0).sources
    assert set(sources) == expected
    assert list(sources) == sorted(expected)


@pytest.mark.parametrize(
    ("name", "learns"),
    [
        ("cl", False),
        ("cl/pca8", True),
        ("cl-f/pca8", True),
        ("cl-c/pca8/ternary", True),
        ("global+cl/pca8", True),
        ("cl/ternary+global", None),
        ("global+cl/ternary", False),
        ("pyramid", False),
        ("gem", False),
        ("compact-cl", False),
        ("fv", True),
        ("vlad", True),
        ("dpd", True),
        ("scfv", True),
        ("scfv/local", True),
        ("guided", True),
    ],
)
def test_learns_components_and_codebooks_only(name, learns):
    if learns is None:
        with pytest.raises(SettingError, match="cl takes no option /ternary"):
            parse_method(name, LITE0)
    else:
        assert parse_method(name, LITE0).learns is learns


@pytest.mark.parametrize("name", ["cl-c/pca8", "cl-c/pca8/power0.7/blocks"])
def test_both_parts_of_a_combination_have_its_options(name):
    coarse, fine = parse_method(name, LITE0).parts
    assert [kind for kind, _ in coarse.steps] == [kind for kind, _ in fine.steps]
    for (_, one), (_, other) in zip(coarse.steps[1:], fine.steps[1:], strict=True):
        assert one.get_params() == other.get_params()
    assert coarse.steps[0][1].n_components == fine.steps[0][1].n_components == 8


@pytest.mark.parametrize(
    ("name", "threshold"),
    [("cl/ternary", 1), ("cl/ternary0.5/pca8", 0.5), ("global+cl/ternary2", 2), ("cl", None), ("max/ternary0", 0)],
)
def test_ternary_comes_last_and_is_the_whole_methods(name, threshold):
    quantizer = parse_method(name, LITE0).quantizer
    assert (quantizer and quantizer.threshold) == threshold


# --- the paper's names


@pytest.mark.parametrize(
    ("preset", "means"),
    [
        ("cl-45", "cl:features.10@224/pca500"),
        ("CL-45", "cl:features.10@224/pca500"),
        ("cl-45f", "cl-f:features.10@448/pca500"),
        ("cl-45c", "cl-c:features.10@448/pca500"),
        ("cl-34", "cl:features.8@224/pca500"),
        ("cl-45@448", "cl:features.10@448/pca500"),
        ("cl-45f@512/whole", "cl-f:features.10@512/pca500/whole"),
        ("cl-34/pca64", "cl:features.8/pca64"),
        ("cl-34@192/pca64/power1", "cl:features.8@192/pca64/power1"),
        ("cl-45/blocks", "cl:features.10/pca500/blocks"),
        ("cl-45/ternary", "cl:features.10/pca500/ternary"),
        ("cl-45+global:fc6", "cl:features.10/pca500+global:fc6"),
        ("cl-56", "cl:classifier.1@448/pca500"),
        ("cl-67", "cl:classifier.4@448/pca500"),
    ],
)
def test_presets_stand_for_alexnets_pairs(preset, means):
    short, long = parse_method(preset, ALEXNET), parse_method(means, ALEXNET)
    assert short.sources == long.sources
    assert str(short.parts) == str(long.parts)
    assert str(short.quantizer) == str(long.quantizer)
    assert short.name == preset


def test_preset_pairs_join_the_layers_that_they_are_named_for():
    assert ALEXNET.pair("features.10").label == "conv4 → conv5"
    assert ALEXNET.pair("features.8").label == "conv3 → conv4"
    assert ALEXNET.pair("classifier.1").label == "conv5 → fc6"
    assert ALEXNET.pair("classifier.4").label == "fc6 → fc7"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_belong_to_alexnet(preset):
    with pytest.raises(SettingError, match=f"{preset} is a layer pair of alexnet; say cl:PAIR"):
        parse_method(f"{preset}@448", LITE0)


# --- names that fail


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cll", r"There is no method 'cll'; did you mean cl\?"),
        ("piramid", "did you mean pyramid\\?"),
        ("jiter@128", "did you mean jitter\\?"),
        ("xyzzy", "There is no method 'xyzzy'; there are cl, cl-f, cl-c, global, jitter, cnn-svm,"),
        ("xyzzy", r", parts-rcnn, ft\+METHOD\. If it is a network,"),
        ("fft", r"did you mean ft\+METHOD\?"),
        ("efficientnet_lite1", r"If it is a network, write global\[efficientnet_lite1\]\."),
        ("ResNet18@448", r"If it is a network, write global@448\[ResNet18\]\."),
        ("timm:resnet18.a1_in1k", r"If it is a network, write global\[timm:resnet18.a1_in1k\]\."),
        ("cl/pcs64", r"cl takes no option /pcs \(in cl/pcs64\)"),
        ("cl/whole", "cl takes no option /whole"),
        ("cl/lower", "cl takes no option /lower"),
        ("global/pca8", "global takes no option /pca"),
        ("sum/blocks", "sum takes no option /blocks"),
        ("cl-c/lower", "cl-c takes no option /lower"),
        ("cl/pca8/pca16", "cl/pca8/pca16 gives an option twice"),
        ("cl/pca", "Write a number after /pca, such as /pca64"),
        ("cl/pca6.5", "Write a number after /pca"),
        ("cl/power", "Write a number after /power"),
        ("cl/power1.2.3", "Write a number after /power"),
        ("cl/ternary1.2.3", "Write a number after /ternary"),
        ("cl/blocks3", "Write /blocks without a number"),
        ("cl-f/whole2", "Write /whole without a number"),
        ("max/lower0", "Write /lower without a number"),
        ("cl/pca0", "conv_head have 320 numbers; choose /pca from 1 to that, not 0"),
        ("cl/pca321", "choose /pca from 1 to that, not 321"),
        ("cl/power0", "The exponent of /power is above 0 and at most 1, not 0.0"),
        ("cl/power1.1", "above 0 and at most 1, not 1.1"),
        ("global/power2", "above 0 and at most 1, not 2.0"),
        ("cl@0", "whole number from 128 to 896, not 0"),
        ("cl@127", "whole number from 128 to 896, not 127"),
        ("cl@897", "from 128 to 896, not 897"),
        ("global@0", "from 128 to 896, not 0"),
        ("global@5", "from 128 to 896, not 5"),
        ("jitter@5000", "from 128 to 896, not 5000"),
        ("cl-f@1000", "from 128 to 896, not 1000"),
        ("cl-c@200", "from 128 to 896, not 100"),
        ("cl-f@257", "cl-f@257 cuts the image into 2×2 blocks; choose an even size, not 257"),
        ("cl-c@301", "choose an even size, not 301"),
        ("global:fc9", r"efficientnet_lite0 has no fully-connected layer 'fc9'; it has input, fc \(fc\)"),
        ("cl@", "'cl@' is not a method; write NAME:PAIR@SIZE/OPTION"),
        ("cl:", "'cl:' is not a method"),
        ("cl/", "'cl/' is not a method"),
        ("cl@12a", "is not a method"),
        ("cl@-224", "is not a method"),
        ("cl@" + "1" * 5000, "is not a method"),
        ("cl/pca-3", "is not a method"),
        ("cl+", r"'cl\+' is not a method"),
        ("+", "is not a method"),
        ("", "'' is not a method"),
        ("cl@128@256", "is not a method"),
        ("cl/../../etc", "is not a method"),
    ],
)
def test_names_that_cannot_be_understood(name, sentence):
    with pytest.raises(SettingError, match=sentence):
        parse_method(name, LITE0)


def test_components_of_too_long_features_are_refused():
    """The covariance of those of VGG's fc6, 512 x 7 x 7 numbers, would take 5 GB."""
    with pytest.raises(SettingError, match="have 25,088 numbers, and principal components are found of at most 12,000"):
        parse_method("cl:classifier.0@448/pca64", architecture("vgg16"))


def test_a_preset_with_a_trailing_slash_is_not_a_method():
    with pytest.raises(SettingError, match="'cl-45/' is not a method"):
        parse_method("cl-45/", ALEXNET)


def test_odd_sizes_are_fine_where_nothing_is_cut():
    assert {source.size for source in parse_method("cl-f@257/whole", LITE0).sources} == {257}
    assert {source.size for source in parse_method("cl@225", LITE0).sources} == {225}


@pytest.mark.parametrize("name", ["cl", "cl-f", "cl-c", "sum", "max", "pyramid"])
def test_an_unknown_pair(name):
    with pytest.raises(LayerPairError, match="efficientnet_lite0 has no layer pair 'conv5'; it has"):
        parse_method(f"{name}:conv5", LITE0)


def test_a_depthwise_convolution_is_not_a_pair():
    with pytest.raises(LayerPairError, match=r"blocks\.4\.depthwise_conv of efficientnet_lite0 defines no layer pair"):
        parse_method("cl:blocks.4.depthwise_conv", LITE0)


def test_a_network_without_room_for_tiles():
    inception = architecture("inception_v3")
    with pytest.raises(CrosspoolError, match="64×64 pixels is too small"):
        parse_method("cl-f@128", inception)


# --- parsing needs no network


def test_a_name_is_parsed_once_for_any_number_of_networks():
    spec = MethodSpec.parse("cl@192/pca16+global/ternary0.5")
    assert spec == MethodSpec.parse("cl@192/pca16+global/ternary0.5")
    before = str(spec)
    first, second = spec.on(LITE0), spec.on(ALEXNET)
    assert str(spec) == before
    assert first.name == second.name == spec.name
    assert first.length == 1280 * 16 + 1280
    assert str(spec.on(LITE0).parts) == str(first.parts)


@pytest.mark.parametrize("name", backbone_specs())
def test_a_network_is_not_taken_for_a_method(name):
    with pytest.raises(SettingError, match=rf"write global\[{name}\]\.$"):
        MethodSpec.parse(name)


def test_parsing_a_name_looks_up_no_layer():
    spec = MethodSpec.parse("cl:no.such.layer")
    with pytest.raises(LayerPairError):
        spec.on(LITE0)


def test_every_name_that_can_be_parsed_can_be_built():
    assert METHOD_OPTIONS.keys() - {TUNING} == _BUILDERS.keys()


# --- several methods


def test_methods_are_named_with_commas_between():
    methods = parse_methods(" cl@128, global@128 ,cl@128+global@128,", LITE0, "crop")
    assert [method.name for method in methods] == ["cl@128", "global@128", "cl@128+global@128"]
    assert all(source.framing == "crop" for method in methods for source in method.sources)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Name at least one method: cl, cl-f, cl-c, global"),
        (" , ", "Name at least one method"),
        ("cl, max,cl", "The method cl is named twice; name each once"),
        ("cl, nothing", "There is no method 'nothing'"),
    ],
)
def test_impossible_lists(text, sentence):
    with pytest.raises(SettingError, match=sentence):
        parse_methods(text, LITE0)


# --- encoders


def test_encoders_have_nothing_in_common():
    """So that nothing learned on one split reaches the next."""
    pair = LITE0.pair("blocks.0.project_conv")
    method = parse_method(f"cl:{pair.id}@128/pca2+cl:{pair.id}@128/pca3", LITE0)
    lower, upper = (next(s for s in method.sources if s.node == node) for node in (pair.lower, pair.upper))
    records = [random_record(seed, (lower, upper), channels=(32, 4), side=3) for seed in range(3)]
    first = method.encoder(1).fit(records)
    again, other = method.encoder(1), method.encoder(2)
    pools = [name for name, step in first.get_params().items() if isinstance(step, CrossLayerPooling)]
    assert len(pools) == 2
    for name in pools:
        assert hasattr(first.get_params()[name], "components_")
        assert not hasattr(again.get_params()[name], "components_")
        assert (again.get_params()[name].random_state, other.get_params()[name].random_state) == (1, 2)
    np.testing.assert_array_equal(again.fit(records).transform(records), first.transform(records))


# --- all of them run


RUN = [
    "cl@128",
    "cl@128/pca4",
    "cl@128/blocks/power1",
    "cl:blocks.4.project_conv@128/pca3",
    "cl-f@256",
    "cl-f@256/whole/pca4",
    "cl-c@256/pca4",
    "global@128",
    "global:fc@128/power0.5",
    "jitter@128",
    "cnn-svm@128",
    "cnnaug-svm@128",
    "sum@128",
    "max@128/lower",
    "pyramid@128",
    "gem@128",
    "gem@128/p5/lower",
    "scda@128",
    "bilinear@128",
    "isqrt@128",
    "isqrt@128/upper",
    "compact@128/d512",
    "compact-cl@128/d512",
    "fv@128/gaussians2/pca4",
    "vlad@128/centres3/pca4",
    "guided@128/guides3/pca4",
    "guided@128/guides3/pca4/lower",
    "scfv@128/atoms3/pca4",
    "scfv@128/atoms3/pca4/local",
    "cl@128/pca4+global@128+pyramid@128",
]


@pytest.fixture(scope="module")
def alexnet():
    return load_backbone("alexnet", "untrained", "cpu")


@pytest.fixture(scope="module")
def encoded():
    """The records of two images with all sources of the methods, and the vectors of a method."""
    lite0 = load_backbone(device="cpu")
    methods = {method.name: method for method in parse_methods(",".join(RUN), LITE0)}
    sources = {source for method in methods.values() for source in method.sources}
    records = [compute_record(lite0, sample(name), sources) for name in ("cat", "rocket")]

    def encode(name):
        method = methods.get(name) or parse_method(name, LITE0)
        needed = [{source: record[source] for source in method.sources} for record in records]
        return method.encoder().fit(needed, Lessons(np.arange(len(needed)))).transform(needed)

    return encode


LENGTHS = {
    "cl@128": 1280 * 320,
    "cl@128/pca4": 1280 * 4,
    "cl-f@256": 1280 * 320,
    "cl-c@256/pca4": 2 * 1280 * 4,
    "global@128": 1280,
    "global:fc@128/power0.5": 1000,
    "sum@128": 1280,
    "max@128/lower": 320,
    "pyramid@128": 21 * 1280,
    "gem@128": 1280,
    "gem@128/p5/lower": 320,
    "scda@128": 2 * 1280,
    "bilinear@128": 320 * 320,
    "isqrt@128": 320 * 321 // 2,
    "compact@128/d512": 512,
    "fv@128/gaussians2/pca4": 2 * 2 * 4,
    "vlad@128/centres3/pca4": 3 * 4,
    "guided@128/guides3/pca4": 3 * 4,
    "guided@128/guides3/pca4/lower": 3 * 4,
    "scfv@128/atoms3/pca4": 3 * 4,
    "scfv@128/atoms3/pca4/local": 3 * 4,
    "cl@128/pca4+global@128+pyramid@128": 1280 * (4 + 1 + 21),
}


@pytest.mark.parametrize("name", RUN)
def test_every_method_gives_vectors_of_unit_length(encoded, name):
    vectors = encoded(name)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    assert not np.allclose(vectors[0], vectors[1], atol=1e-4)
    assert vectors.shape[1] == LENGTHS.get(name, vectors.shape[1])
    assert vectors.shape[1] == parse_method(name, LITE0).length


@pytest.mark.parametrize("name", ["cl@128", "cl@128/pca4+global@128+pyramid@128", "global:fc@128/power0.5"])
def test_ternary_methods_give_packed_signs(encoded, name):
    vectors, packed = encoded(name), encoded(f"{name}/ternary0")
    assert packed.dtype == np.uint8
    assert packed.nbytes * 16 == vectors.nbytes
    np.testing.assert_array_equal(unpack_ternary(packed, vectors.shape[1]), np.sign(vectors))


def test_parts_side_by_side_warn_of_nothing_while_another_thread_resets_the_filters(encoded):
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        encoded("cl@128/pca4+global@128+pyramid@128")
    assert not [each for each in caught if "joblib" in str(each.message)]


def test_parts_side_by_side_have_equal_weight(encoded):
    cl, vector = encoded("cl@128/pca4"), encoded("global@128")
    together = np.concatenate([cl, vector], axis=1) / np.sqrt(2)
    np.testing.assert_allclose(encoded("cl@128/pca4+global@128"), together, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(encoded("global@128+cl@128/pca4"), np.roll(together, 1280, axis=1), rtol=1e-4, atol=1e-7)


def test_cnn_svm_is_the_global_vector(encoded):
    np.testing.assert_array_equal(encoded("cnn-svm@128"), encoded("global@128"))


def test_sum_and_max_and_mean_of_one_map_agree(encoded):
    """The mean of a map is its sum but for a factor; a pyramid's first cell of each channel is the maximum."""
    np.testing.assert_allclose(encoded("sum@128/power1"), encoded("global@128"), rtol=1e-3, atol=1e-5)
    top = encoded("pyramid@128").reshape(2, 1280, 21)[:, :, 0]
    np.testing.assert_allclose(Normalizer().transform(top), encoded("max@128"), rtol=1e-3, atol=1e-5)


def test_blocks_have_equal_lengths(encoded):
    norms = np.linalg.norm(encoded("cl@128/blocks/power1").reshape(2, 1280, 320), axis=2)
    for lengths in norms:
        alive = lengths[lengths > 0]
        np.testing.assert_allclose(alive, 1 / np.sqrt(len(alive)), rtol=1e-3)


@pytest.mark.parametrize(
    ("preset", "pair", "length"),
    [
        ("cl-45@128", "features.10", 256 * 500),
        ("cl-34@128", "features.8", 256 * 500),
        ("cl-45c@256", "features.10", 2 * 256 * 500),
        ("cl-67", "classifier.4", 4096 * 500),
    ],
)
def test_the_papers_presets_run(alexnet, preset, pair, length):
    """With random projections, as principal components of such long local features take a while."""
    method = parse_method(preset, alexnet.architecture)
    encoder = method.encoder()
    for pool in encoder.get_params().values():
        if isinstance(pool, CrossLayerPooling):
            size = alexnet.architecture.pair(pair).patch_length
            generator = np.random.default_rng(0)
            pool.components_ = generator.standard_normal((500, size)).astype(np.float32)
            pool.mean_ = generator.standard_normal(size).astype(np.float32)
    (vector,) = encoder.transform([compute_record(alexnet, sample(), method.sources)])
    assert vector.shape == (length,)
    assert np.linalg.norm(vector) == pytest.approx(1, rel=1e-4)


class OnDevice(torch.Tensor):
    """As on a GPU, from where it has to be fetched before NumPy can read it."""

    def cpu(self):  # type: ignore[override]
        return self.as_subclass(torch.Tensor)

    def numpy(self):  # type: ignore[override]
        raise TypeError("can't convert a tensor on a device to numpy; use Tensor.cpu() first")


@pytest.mark.parametrize("name", ["cl@128", "cl@128/pca4/ternary", "global+jitter@128", "global@128+max@128"])
def test_tensors_are_encoded_as_arrays_are(name):
    """As they come from the network, on whatever device it is."""
    method = parse_method(name, LITE0)
    shapes = {
        source: (VIEW_COUNTS[source.views], *LITE0.layout(128).shapes[source.node][1:]) for source in method.sources
    }
    numbers = np.random.default_rng(0)
    records = [{source: numbers.random(shape, np.float32) for source, shape in shapes.items()} for _ in range(2)]
    tensors = [
        {source: torch.from_numpy(array).as_subclass(OnDevice) for source, array in record.items()}
        for record in records
    ]
    expected = method.encoder().fit(records).transform(records)
    np.testing.assert_array_equal(method.encoder().fit(tensors).transform(tensors), expected)
