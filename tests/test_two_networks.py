"""Methods that name their network: `cl@448+cl@448[efficientnet_lite1]` puts two networks' vectors side by side."""

from dataclasses import replace

import numpy as np
import pytest

from crosspool.backbones import load_backbone
from crosspool.cache import ArrayCache
from crosspool.classifiers import load_classifier
from crosspool.contributions import explain
from crosspool.errors import BackboneError, ModelError, SettingError
from crosspool.features import Features
from crosspool.methods import parse_method
from crosspool.methods.wording import method_in_words, rivals
from crosspool.records import compute_record
from crosspool.training import train_classifier
from tests.images import tinted, tints

LITE1 = "efficientnet_lite1"
BOTH = f"gem@128+gem@160[{LITE1}]"
IMAGE = tinted(5, 1)


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu", engine="torch")


@pytest.fixture(scope="module")
def lite1():
    return load_backbone(LITE1, device="cpu", engine="torch")


@pytest.fixture(scope="module")
def both(lite0, lite1):
    return lite0.beside([lite1])


@pytest.fixture(scope="module")
def trained(both, tmp_path_factory):
    method, dataset = parse_method(BOTH, both.architecture), tints()
    features = Features(dataset, both, method.sources, ArrayCache(tmp_path_factory.mktemp("cache")))
    return train_classifier(dataset, features, method)


# --- names


def test_a_part_names_its_network_after_its_size(lite0):
    method = parse_method(BOTH, lite0.architecture)
    assert [part.name for part in method.parts] == ["gem@128", f"gem@160[{LITE1}]"]
    assert [source.network for source in method.sources] == ["", LITE1]
    assert method.networks == (LITE1,)
    assert method_in_words(f"cl@160[{LITE1}]/pca8") == f"cross-layer pooling, {LITE1}, 160 px, 8 components"


def test_options_follow_the_network(lite0):
    (part,) = parse_method(f"cl:blocks.4.project_conv@128[{LITE1}]/pca3", lite0.architecture).parts
    assert part.name == f"cl:blocks.4.project_conv@128[{LITE1}]"
    assert part.steps[0][1].n_components == 3


def test_the_network_in_use_may_be_named_as_well(lite0):
    assert parse_method("gem@128[efficientnet_lite0]", lite0.architecture).sources == (
        parse_method("gem@128", lite0.architecture).sources
    )


def test_the_usual_size_is_that_of_the_named_network(lite0):
    (source,) = parse_method(f"gem[{LITE1}]", lite0.architecture).sources
    assert source.size == 240


@pytest.mark.parametrize("name", ["gem@128[", "gem@128]", "gem[]@128", "gem[a]@128", "gem@128/p3[a]", "gem@128[a[b]]"])
def test_brackets_in_other_places_are_refused_with_the_right_place(lite0, name):
    with pytest.raises(
        SettingError, match=r"is not a method; write .*@SIZE\[NETWORK\]/OPTION" if "[" in name else "@SIZE/"
    ):
        parse_method(name, lite0.architecture)


def test_an_unknown_network_is_refused_with_similar_names(lite0):
    with pytest.raises(BackboneError, match="did you mean"):
        parse_method("gem[efficientnet_lite9]", lite0.architecture)


def test_many_networks_are_refused_before_any_is_looked_up(lite0):
    with pytest.raises(SettingError, match="at most 4 networks, not 5"):
        parse_method("+".join(f"gem[network{n}]" for n in range(5)), lite0.architecture)


def test_a_network_that_only_one_kind_has_takes_no_part_in_the_contest():
    one, two = "cl@128", f"cl@128+cl@128[{LITE1}]"
    fully = ["global@128", f"global@128[{LITE1}]", "global@128[resnet18]"]
    assert rivals([one, two, fully[0]]) == {"cross-layer": [one], "fully-connected": fully[:1]}
    both = f"global@128+global@128[{LITE1}]"
    assert rivals([one, two, both, *fully]) == {"cross-layer": [one, two], "fully-connected": [both, fully[0]]}
    assert rivals([one, f"cl@128[{LITE1}]", both]) == {}
    assert rivals([one, two]) == {"cross-layer": [one, two]}


def test_crops_of_different_sizes_are_refused(lite0):
    """Their positions would be those of different parts of the image."""
    name = "cl@224+cl@224[alexnet]"
    network = lite0.architecture.spec.preprocessing
    assert parse_method(name, lite0.architecture, "squash").networks == ("alexnet",)
    assert parse_method(name, lite0.architecture, "crop").networks == ("alexnet",)  # 0.875, both
    other = type(lite0.architecture)(
        replace(lite0.spec, preprocessing=replace(network, crop_fraction=0.9)), len(lite0.classes)
    )
    with pytest.raises(SettingError, match="frame whole images"):
        parse_method("cl@224+cl@224[alexnet]", other, "crop")


# --- maps


def test_maps_are_those_of_each_network_alone(lite0, lite1, both):
    method = parse_method(BOTH, both.architecture)
    ours, theirs = method.sources
    record = compute_record(both, IMAGE, method.sources)
    np.testing.assert_array_equal(record[ours], compute_record(lite0, IMAGE, [ours])[ours])
    alone = replace(theirs, network="")
    np.testing.assert_array_equal(record[theirs], compute_record(lite1, IMAGE, [alone])[alone])


def test_the_vector_is_both_vectors_side_by_side(lite0, lite1, both):
    method = parse_method(BOTH, both.architecture)
    vector = method.encoder().transform([compute_record(both, IMAGE, method.sources)])[0]
    parts = [
        each.encoder().transform([compute_record(network, IMAGE, each.sources)])[0]
        for network, each in (
            (lite0, parse_method("gem@128", lite0.architecture)),
            (lite1, parse_method("gem@160", lite1.architecture)),
        )
    ]
    np.testing.assert_allclose(vector, np.concatenate(parts) / np.sqrt(2), atol=1e-6)


def test_a_network_that_is_not_there_is_named(lite0):
    method = parse_method(BOTH, lite0.architecture)
    with pytest.raises(BackboneError, match=f"{LITE1} is not loaded beside efficientnet_lite0"):
        compute_record(lite0, IMAGE, method.sources)


def test_networks_side_by_side_share_everything_with_each_alone(lite0, lite1, both):
    assert both.of("") is both
    assert both.model is lite0.model
    assert both.sessions is lite0.sessions
    assert both.of(LITE1) is lite1
    assert both.title == "EfficientNet-Lite0 and EfficientNet-Lite1"


def test_what_is_cached_of_a_network_serves_it_beside_others(lite0, lite1, both, tmp_path, monkeypatch):
    dataset, cache = tints(), ArrayCache(tmp_path)
    for network, name in ((lite0, "gem@128"), (lite1, "gem@160")):
        Features(dataset, network, parse_method(name, network.architecture).sources, cache).compute()
    together = Features(dataset, both, parse_method(BOTH, both.architecture).sources, cache)
    monkeypatch.setattr(type(lite0), "outputs", None)  # nothing is computed again
    assert together.compute() == {}


def test_other_weights_beside_the_network_are_other_vectors(lite0, lite1, tmp_path):
    method = parse_method("gem@128[efficientnet_lite1]+gem@128", lite0.architecture)
    untrained = load_backbone(LITE1, "untrained", "cpu")
    keys = [
        Features(tints(), lite0.beside([other]), (), ArrayCache(tmp_path), [method])._key(0, method)
        for other in (lite1, untrained)
    ]
    assert keys[0] != keys[1]


# --- classifiers


def test_a_classifier_of_both_is_saved_and_loads_both(trained, both, tmp_path):
    path = tmp_path / "both.safetensors"
    trained.save(path)
    again = load_classifier(path)
    assert again.settings.others == {LITE1: both.of(LITE1).fingerprint}
    loaded = again.load_backbone(device="cpu", engine="torch")
    assert [other.spec.name for other in loaded.others] == [LITE1]
    np.testing.assert_array_equal(again.scores([IMAGE], loaded), trained.scores([IMAGE], both))


def test_a_file_states_the_networks_that_its_method_names(trained, tmp_path):
    path = tmp_path / "both.safetensors"
    replace(trained, settings=trained.settings.model_copy(update={"others": {}})).save(path)
    with pytest.raises(ModelError, match=f"needs the networks beside it {LITE1}, and it states none"):
        load_classifier(path)


def test_a_classifier_refuses_to_work_without_the_other_network(trained, lite0):
    with pytest.raises(ModelError, match=rf"was trained on {LITE1}, too; load both with"):
        trained.scores([IMAGE], lite0)


def test_a_classifier_refuses_other_weights_of_the_other_network(trained, lite0):
    with pytest.raises(ModelError, match=f"was trained on another {LITE1}"):
        trained.scores([IMAGE], lite0.beside([load_backbone(LITE1, "untrained", "cpu")]))


def test_a_score_is_split_by_the_channels_and_places_of_both(trained, both):
    explanation = explain(trained, both, IMAGE)
    contributions = explanation.contributions()
    assert [part.name for part in contributions.parts] == ["gem@128", f"gem@160[{LITE1}]"]
    assert contributions.check.holds
    assert contributions.positions is not None
