"""Networks of people's own: their maps against forward hooks on the module, and what is refused."""

import copy
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import crosspool
from crosspool.backbones import Backbone
from crosspool.cache import ArrayCache
from crosspool.classifiers import load_classifier, own_classifier
from crosspool.contributions import explain
from crosspool.errors import BackboneError, LayerPairError, ModelError, SettingError
from crosspool.features import Features
from crosspool.framing import to_tensor
from crosspool.layer_pairs import NotOffered
from crosspool.tracing import trace
from crosspool.training import train_classifier
from crosspool.visualisation import Recipe, channel_means, visualise_channels
from tests.images import tints
from tests.networks import Net, sample
from tests.own_modules import MEAN, SIDE, STD, Branching, Gated, Residual, Shared, Various, own_backbone, seeded

pytestmark = pytest.mark.usefixtures("one_core")
IMAGE_LAYER = "reads the image itself, not a feature map"


def hooked(module, images):
    """What forward hooks on a module see: for each convolution's calls what it read and yielded, by its name."""
    module = copy.deepcopy(module).eval()
    calls: dict[str, list] = {}
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d):
            part.register_forward_hook(
                lambda _, inputs, output, name=name: calls.setdefault(name, []).append(
                    (inputs[0].clone(), output.clone())
                )
            )
    with torch.no_grad():
        scores = module(images)
    return calls, scores


def activated(output, activation):
    if activation is None:
        return output
    return getattr(nn, activation)()(output) if hasattr(nn, activation) else getattr(F, activation)(output)


@pytest.mark.parametrize("build", [Residual, Branching, Shared, Gated, Various])
@pytest.mark.parametrize("size", [SIDE, 128])
def test_maps_are_those_that_forward_hooks_see(build, size):
    module = seeded(build)
    backbone = own_backbone(module)
    images = [sample("cat"), sample("cat").rotate(90, expand=True)]
    for pair in backbone.layer_pairs:
        maps = backbone.activations(images, pair, size, signed=True)
        calls, _ = hooked(module, to_tensor(maps.framed, backbone.spec.preprocessing))
        name, _, call = pair.id.partition("~")
        read, yielded = calls[name][int(call or 1) - 1]
        torch.testing.assert_close(maps.lower, read, rtol=1e-5, atol=1e-5)
        if build is Residual and pair.id.startswith("block.0"):
            continue  # BatchNorm comes between: below
        torch.testing.assert_close(maps.upper, activated(yielded, pair.activation), rtol=1e-5, atol=1e-5)


def test_an_upper_map_lies_behind_batch_norm():
    module = seeded(Residual)
    backbone = own_backbone(module)
    maps = backbone.activations(sample(), "block.0.0", signed=True)
    calls, _ = hooked(module, to_tensor(maps.framed, backbone.spec.preprocessing))
    _, yielded = calls["block.0.0"][0]
    with torch.no_grad():
        expected = module.eval().block[0][1](yielded).relu()
    torch.testing.assert_close(maps.upper, expected, rtol=1e-5, atol=1e-5)


PAIRS = {
    Residual: ["block.0.0", "block.1", "head"],
    Branching: ["b", "c"],
    Shared: ["conv", "conv~2", "conv~3"],
    Gated: ["before", "after"],
    Various: ["left", "right", "last"],
}


@pytest.mark.parametrize("build", list(PAIRS))
def test_the_pairs_that_are_found(build):
    backbone = own_backbone(build)
    assert [pair.id for pair in backbone.layer_pairs] == PAIRS[build]
    assert backbone.not_offered[0].reason == IMAGE_LAYER


def test_the_convolutions_that_define_no_pair_and_why():
    (_, inner) = own_backbone(Gated).not_offered
    assert inner.id == "gate.inner"
    assert inner.reason.startswith("lies in gate, which takes a branch that depends on the values of a map (bool) (own")
    assert own_backbone(Various).not_offered[1:] == (
        NotOffered("up", "is a transposed convolution: its positions read no patch of their own"),
        NotOffered("unused", "is not called"),
    )


@pytest.mark.parametrize("build", [Residual, Branching, Shared, Gated, Various])
def test_scores_are_the_modules_own(build):
    module = seeded(build)
    backbone = own_backbone(module)
    (classes,) = backbone.predict(sample(), top=1)
    image = to_tensor([backbone.activations(sample()).framed[0]], backbone.spec.preprocessing)
    with torch.no_grad():
        scores = module.eval()(image)[0]
    assert classes[0][0] == f"class {int(scores.argmax())}"
    assert classes[0][1] == pytest.approx(float(scores.softmax(0).max()), abs=1e-6)


def test_images_do_not_mix_although_a_module_reads_the_number_of_them():
    """`x.view(batch, ...)` with a batch of one in the graph: several images are run one after the other."""
    backbone = own_backbone(Branching)
    images = [sample("cat"), sample("cat").transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
    together = backbone.predict(images, top=6)
    assert together == [backbone.predict(image, top=6)[0] for image in images]
    assert together[0] != together[1]


def test_the_module_stays_as_it_is():
    module = seeded(Residual).train()
    hook = module.stem.register_forward_hook(lambda *_: None)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    backbone = own_backbone(module)
    backbone.activations(sample())
    assert module.training
    assert all(part.training for part in module.modules())
    assert module.stem[2].inplace
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert hook.id in module.stem._forward_hooks
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items())
    with torch.no_grad():
        module.head.weight.zero_()
    assert backbone.model.head.weight.abs().sum() > 0  # the backbone has numbers of its own


def test_a_forward_hook_is_part_of_the_network():
    module = seeded(Residual)
    plain = own_backbone(module).activations(sample(), "head").lower
    module.relu.register_forward_hook(lambda _, inputs, output: 2 * output)
    torch.testing.assert_close(own_backbone(module).activations(sample(), "head").lower, 2 * plain)


def test_another_way_at_another_size():
    """A name that stands for something else at 128 pixels is not mistaken for what it is at 48."""
    backbone = own_backbone(Branching)
    small, large = (backbone.architecture.layout(size) for size in (SIDE, 128))
    pair = backbone.architecture.pair("b")
    assert small.map_size(pair.upper) == (46, 46)
    assert large.map_size(pair.upper) == (63, 63)
    assert "relu_1" in small.shapes
    assert large.shapes["relu_1"] == (1, 5, 63, 63)  # the map of b, although it is the third ReLU here


def test_a_layer_that_another_size_lacks():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            x = self.b(self.a(x).relu()).relu()
            return self.c(x).relu().mean((2, 3)) if x.size(2) < 100 else x.mean((2, 3))

    backbone = own_backbone(Deep)
    assert [pair.id for pair in backbone.layer_pairs] == ["b", "c"]
    assert backbone.activations(sample(), "b", 128).upper.shape == (1, 4, 124, 124)
    with pytest.raises(
        LayerPairError, match=r"At this input size the network takes another way, .*; choose another size"
    ):
        backbone.activations(sample(), "c", 128)


def test_a_network_that_returns_no_scores_has_maps():
    module = seeded(Residual)
    wrapped = Net(lambda net, x: {"features": net.body.stem(x), "logits": net.body(x)}, body=module)
    backbone = own_backbone(wrapped, name="two")
    assert backbone.activations(sample(), "body.head").upper.shape == (1, 8, 24, 24)
    with pytest.raises(BackboneError, match="returns a dict for one image, and no row of class scores"):
        backbone.predict(sample())
    maps_only = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())
    with pytest.raises(BackboneError, match=r"returns a tensor of the shape \(1, 4, 44, 44\) for one image"):
        own_backbone(maps_only, name="maps").predict(sample())


# --- what is refused


def chain(*behind):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *behind)


def with_nan():
    module = seeded(Residual)
    with torch.no_grad():
        module.head.bias[3] = float("nan")
    return module


def with_buffer(value):
    module = chain(nn.Conv2d(4, 4, 3))
    module.register_buffer("extra", value)
    return module


def with_attribute(value):
    module = chain(nn.Conv2d(4, 4, 3))
    module.extra = value
    return module


def two_inputs():
    class TwoInputs(nn.Module):
        def forward(self, image, mask):
            return image * mask

    return TwoInputs()


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = chain(nn.Conv2d(4, 4, 3))

    def forward(self, x):
        return self.conv(x) + torch.rand(1)


class Deciding(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = chain(nn.Conv2d(4, 4, 3))

    def forward(self, x):
        if x.max().item() > 1:
            x = x / 2
        return self.conv(x)


REFUSED = {
    "no module": (lambda: torch.zeros(3), "A network of your own is a torch.nn.Module, not a Tensor"),
    "a class": (lambda: Residual, "not a class: make one of it first"),
    "no convolution": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 2)), "has no torch.nn.Conv2d"),
    "one dimension": (lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3)), "has no torch.nn.Conv2d"),
    "NaN": (with_nan, "its tensor head.bias holds NaN"),
    "half": (lambda: chain(nn.Conv2d(4, 4, 3)).half(), r"its tensor 0.weight holds float16; give module.float\(\)"),
    "double": (lambda: chain(nn.Conv2d(4, 4, 3)).double(), "holds float64"),
    "no numbers": (lambda: chain(nn.Conv2d(4, 4, 3)).to("meta"), "is a sparse, empty, quantised or complex one"),
    "lazy": (lambda: chain(nn.LazyConv2d(4, 3)), "has lazy layers without numbers; call it once"),
    "complex": (lambda: with_buffer(torch.ones(2, dtype=torch.complex64)), "extra is a sparse, .* complex one"),
    "sparse": (lambda: with_buffer(torch.eye(2).to_sparse()), "its tensor extra is a sparse"),
    "infinite": (lambda: with_buffer(torch.tensor(float("inf"))), "its tensor extra holds numbers that are infinite"),
    "no deep copy": (lambda: with_attribute(threading.Lock()), r"mine cannot be copied \(cannot pickle"),
    "two inputs": (two_inputs, "forward takes image, mask; wrap it in one that takes a batch of images alone"),
    "four channels": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)), "images of 4 channels, and"),
    "one channel": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)),
        "mine takes images of 1 channel, and crosspool gives red, green and blue; wrap it in a module that first makes "
        "one of these three.$",
    ),
    "one channel, in code": (
        lambda: Net(lambda net, x: net.b(net.a(x)), a=nn.Conv2d(1, 4, 3), b=nn.Conv2d(4, 4, 3)),
        r"mine takes images of 1 channel \(test_own_modules.py, line \d+\), and crosspool gives",
    ),
    "channels within": (
        lambda: chain(nn.Conv2d(5, 4, 3)),
        r"mine cannot compute a 3×48×48 image: .* to have 5 channels, but got 4 channels instead; choose another size",
    ),
    "TorchScript": (lambda: torch.jit.trace(chain(nn.Conv2d(4, 4, 3)), torch.rand(1, 3, 9, 9)), "A TorchScript module"),
    "wrapped": (lambda: nn.DataParallel(chain(nn.Conv2d(4, 4, 3))), "give its attribute .module"),
    "random": (Noisy, "gives different numbers when it is run again, first at"),
    "decides": (
        Deciding,
        r"mine cannot be followed from layer to layer: it turns the values of a map into plain numbers \(item\) "
        r"\(test_own_modules.py, line \d+\); move that into a module of its own",
    ),
    "only the image": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), "None of .* 0 reads the image itself"),
    "depthwise alone": (lambda: chain(nn.Conv2d(4, 4, 3, groups=4)), "2 depthwise convolution"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_used_is_refused_in_a_sentence(case):
    build, sentence = REFUSED[case]
    with pytest.raises((BackboneError, LayerPairError), match=sentence) as caught:
        own_backbone_of(build())
    assert "\n" not in str(caught.value)


def own_backbone_of(module):
    return Backbone.from_module(module, size=SIDE, mean=MEAN, std=STD, name="mine")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 4}, "from 8 to 896, not 4"),
        ({"size": 48.0}, "must be a whole number"),
        ({"mean": (0.5, 0.5)}, "mean must be three numbers"),
        ({"mean": 0.5}, "mean must be three numbers"),
        ({"std": (1, 1, float("nan"))}, "std must be three numbers"),
        ({"std": (1, 1, 0)}, "must be above 0"),
        ({"classes": ["a", "b"]}, "has 3 outputs, but 2 names were given"),
        ({"classes": ["a", "b", "a"]}, "'a' is the name of several classes of Residual; give each a name of its own"),
        ({"mean": (123, 117, 104)}, r"mean must be for images whose .* not \(123, 117, 104\); divide by 255 what is"),
        ({"mean": (0.5, 0.5, -0.5)}, "mean must be for images whose values are from 0 to 1"),
        ({"std": (58, 57, 57)}, r"std must be for images whose values are from 0 to 1, not \(58, 57, 57\); divide by"),
        ({"classes": "abc"}, "must be a list of names"),
        ({"name": "alexnet"}, "alexnet is the name of a network of crosspool; give another"),
        ({"name": "VGG16"}, "VGG16 is the name of a network of crosspool"),
        ({"name": "a b"}, "has up to 60 letters, .* and begins with a letter or digit; 'a b' does not"),
    ],
)
def test_settings_that_are_impossible(options, sentence):
    with pytest.raises(SettingError, match=sentence):
        Backbone.from_module(seeded(Residual), **({"size": SIDE, "mean": MEAN, "std": STD} | options))


@pytest.mark.parametrize(("mean", "std"), [((0, 0, 0), (1, 1, 1)), ((1, 1, 1), (256 / 255,) * 3)])
def test_means_and_deviations_that_are_unusual(mean, std):
    preprocessing = Backbone.from_module(seeded(Residual), size=SIDE, mean=mean, std=std).spec.preprocessing
    assert (preprocessing.mean, preprocessing.std) == (mean, std)


# --- as a backbone


def test_its_name_classes_and_parameters():
    backbone = own_backbone(Residual, classes=["ant", "bee", "cow"])
    assert (backbone.spec.name, backbone.title, backbone.weights) == ("Residual", "Residual", "own module")
    assert backbone.classes == backbone.spec.classes() == ("ant", "bee", "cow")
    assert backbone.spec.parameters == sum(value.numel() for value in seeded(Residual).parameters()) + 6 * 4 + 2
    assert backbone.spec.preprocessing.size == SIDE


def test_the_fingerprint_tells_networks_apart():
    backbone = own_backbone(Residual)
    assert backbone.fingerprint == own_backbone(Residual).fingerprint
    assert backbone.fingerprint != own_backbone(seeded(Residual, 1)).fingerprint
    other = seeded(Residual)
    other.relu = nn.ReLU6(inplace=True)  # the same numbers, put together in another way
    assert backbone.fingerprint != own_backbone(other).fingerprint


def test_the_fingerprint_tells_code_apart():
    """The same parameters in modules of the same names, which compute other things."""
    parts = {"a": nn.Conv2d(3, 4, 3), "b": nn.Conv2d(4, 4, 3)}
    doubled, tripled = (
        own_backbone_of(Net(lambda net, x, factor=factor: net.b(factor * net.a(x)), **parts)) for factor in (2.0, 3.0)
    )
    assert doubled.fingerprint != tripled.fingerprint


def test_its_own_classes_are_explained():
    backbone = own_backbone(Residual)
    classifier = own_classifier(backbone)
    (scores,) = classifier.scores([sample()], backbone)
    (predicted,) = backbone.predict(sample(), top=1)
    assert classifier.classes[int(scores.argmax())] == predicted[0][0]
    explanation = explain(classifier, backbone, sample())
    assert explanation.contributions().check.holds
    positions = explanation.contributions().positions
    assert positions is not None
    assert positions.shape == (24, 24)
    classes = crosspool.channel_classes(backbone)
    np.testing.assert_array_equal(classes.weights, backbone.model.fc.weight.numpy())


def test_a_mean_over_other_axes_is_no_mean_of_a_map():
    def forward(net, x):
        return net.fc(net.b(net.a(x)).permute(0, 2, 3, 1).mean((1, 2)))

    backbone = own_backbone_of(Net(forward, a=nn.Conv2d(3, 4, 3), b=nn.Conv2d(4, 5, 3), fc=nn.Linear(5, 2)))
    with pytest.raises(ModelError, match="cannot be split by position"):
        own_classifier(backbone)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A backbone, a classifier that was trained on it, and its file."""
    backbone = own_backbone(Residual)
    method = crosspool.parse_method("cl:block.1@128/pca5+global", backbone.architecture)
    features = Features(tints(), backbone, method.sources, ArrayCache(tmp_path_factory.mktemp("cache")))
    classifier = train_classifier(tints(), features, method)
    path = tmp_path_factory.mktemp("files") / "own.safetensors"
    classifier.save(path)
    return backbone, classifier, path


def test_a_saved_classifier_with_its_network(trained):
    backbone, classifier, path = trained
    loaded = load_classifier(path, own_backbone(Residual))  # as in another session
    images = [sample("cat")]
    np.testing.assert_allclose(
        loaded.scores(images, backbone), classifier.scores(images, backbone), rtol=1e-5, atol=1e-6
    )
    assert explain(loaded, backbone, sample()).contributions().check.holds


def test_a_saved_classifier_without_its_network_or_with_another(trained):
    _, classifier, path = trained
    with pytest.raises(
        ModelError, match="was trained on a module of your own, Residual; give that network: load_class"
    ):
        load_classifier(path)
    with pytest.raises(
        ModelError, match="was trained on Residual with own module weights, not on the Residual with own"
    ):
        load_classifier(path, own_backbone(seeded(Residual, 1)))
    with pytest.raises(ModelError, match="module of your own, Residual, which no file names; hand over the network"):
        classifier.load_backbone()


def test_methods_are_compared_on_it():
    backbone = own_backbone(Residual)
    methods = [
        crosspool.parse_method(name, backbone.architecture) for name in ("cl", "global", "max:block.1", "cl-f@128")
    ]
    assert [method.length for method in methods] == [8 * 6, 8, 6, 8 * 6]


def test_a_gallery_of_its_maps():
    maps = own_backbone(Residual).activations(sample())
    page = crosspool.show(maps, name="cat").page
    assert "cat · Residual · relu → head (6 → 8, 1×1)" in page


def test_what_its_channels_look_for():
    backbone = own_backbone(Branching, size=64)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pair = backbone.architecture.pair("b")
    both = channel_means(backbone, pair, images)
    torch.testing.assert_close(both[1:], channel_means(backbone, pair, images[1:]))
    pictures = visualise_channels(backbone, pair, [0, 3], Recipe(size=64, steps=2))
    assert [np.asarray(picture).shape for picture in pictures] == [(64, 64, 3)] * 2


# --- what looks the same, and is not


class Handing(nn.Module):
    """Yields what it was given, or twice that, by its numbers."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = self.drop(x)
        return 2 * x if x.mean() > 0.4 else x


def test_a_part_that_hands_on_its_input_is_not_its_input():
    """With another image it yields something else, and what reads the input itself must not read that."""
    module = seeded(
        lambda: Net(
            lambda net, x: net.b((y := net.a(x).relu()) + net.part(y)),
            a=nn.Conv2d(3, 4, 1),
            part=Handing(),
            b=nn.Conv2d(4, 4, 1),
        )
    )
    with torch.no_grad():
        module.a.bias.fill_(0)
        module.a.weight.fill_(0.1)
    backbone = own_backbone_of(module)
    factors = set()
    for image in (Image.new("RGB", (SIDE, SIDE), colour) for colour in ("#969696", "white")):
        maps = backbone.activations(image)
        calls, _ = hooked(module, to_tensor(maps.framed, backbone.spec.preprocessing))
        torch.testing.assert_close(maps.lower, calls["b"][0][0])
        factors.add(round(float(maps.lower.max() / calls["a"][0][1].max())))
    assert factors == {2, 3}  # both ways were taken


class Counting(nn.Module):
    """Keeps how often it was called."""

    def __init__(self):
        super().__init__()
        self.conv, self.count = chain(nn.Conv2d(4, 4, 3)), 0

    def forward(self, x):
        self.count += 1
        return self.conv(x * self.count)


class Remembering(nn.Module):
    """Adds the image before."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = chain(nn.Conv2d(4, 4, 3)), None

    def forward(self, x):
        x, self.last = x if self.last is None else x + self.last, x
        return self.conv(x)


@pytest.mark.parametrize("build", [Counting, Remembering])
def test_what_is_kept_between_two_images_is_noticed(build):
    with pytest.raises(BackboneError, match=r"does other things with another image, or another time, .* or is kept"):
        own_backbone_of(build())


def with_factor(factor):
    module = chain(nn.Conv2d(4, 4, 3))
    module.register_buffer("factor", torch.tensor(factor), persistent=False)
    module.register_forward_pre_hook(lambda module, inputs: (inputs[0] * module.factor,))
    return Net(lambda net, x: net.body(x), body=module)


class Scaled(nn.Module):
    """A step that no graph can hold, with a setting."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x * self.factor if x.mean() < 100 else x


ALIKE = {
    "a buffer that is not saved": with_factor,
    "an attribute": lambda factor: chain(Scaled(factor), nn.Conv2d(4, 4, 3)),
    "a tensor": lambda factor: chain(Scaled(torch.tensor(factor)), nn.Conv2d(4, 4, 3)),
    "corners": lambda factor: chain(
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=factor > 2), nn.Conv2d(4, 4, 3)
    ),
    "padding": lambda factor: chain(nn.AvgPool2d(3, 1, 1, count_include_pad=factor > 2), nn.Conv2d(4, 4, 3)),
}


@pytest.mark.parametrize("case", list(ALIKE))
def test_the_fingerprint_tells_settings_apart_that_no_text_shows(case):
    one, other, again = (own_backbone_of(seeded(lambda f=factor: ALIKE[case](f))) for factor in (2.0, 3.0, 2.0))
    assert str(one.model) == str(other.model)
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == again.fingerprint


def test_the_fingerprint_tells_preprocessing_apart():
    backbone = own_backbone(Residual)
    other = Backbone.from_module(seeded(Residual), size=SIDE, mean=(0, 0, 0), std=STD)
    assert backbone.fingerprint != other.fingerprint


def behind_softmax(last):
    return seeded(
        lambda: Net(
            lambda net, x: last(20 * net.fc(net.b(net.a(x)).mean((2, 3)))),
            a=nn.Conv2d(3, 4, 3),
            b=nn.Conv2d(4, 5, 3),
            fc=nn.Linear(5, 3),
        )
    )


@pytest.mark.parametrize(
    "last", [lambda x: F.softmax(x, dim=1), lambda x: x.softmax(-1), lambda x: torch.log_softmax(x, 1)]
)
def test_a_network_that_ends_in_a_softmax_gets_no_second_one(last):
    module = behind_softmax(last)
    backbone = own_backbone_of(module)
    (classes,) = backbone.predict(sample(), top=3)
    with torch.no_grad():
        row = module.eval()(to_tensor(backbone.activations(sample()).framed, backbone.spec.preprocessing))[0]
    shares = sorted((row.exp() if row.max() < 0 else row).tolist(), reverse=True)
    assert [share for _, share in classes] == pytest.approx(shares, abs=1e-6)
    assert shares[0] > 0.6


def test_of_one_output_a_network_may_yield_the_sigmoid():
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1), nn.Sigmoid())
    module = seeded(lambda: chain(nn.Conv2d(4, 4, 3), *pooled))
    backbone = own_backbone_of(module)
    (((_, share),),) = backbone.predict(sample())
    with torch.no_grad():
        expected = module.eval()(to_tensor(backbone.activations(sample()).framed, backbone.spec.preprocessing))
    assert share == pytest.approx(float(expected), abs=1e-6)


def test_a_module_is_recorded_and_run_while_another_network_is_traced():
    """torch.fx replaces the calls of modules in all threads: a part that calls others would fail."""
    errors: list[Exception] = []

    def recorded_and_run():
        try:
            for _ in range(4):
                own_backbone(Gated).activations(sample(), "after")
        except Exception as error:
            errors.append(error)
        finally:
            is_over.set()

    is_over = threading.Event()
    thread = threading.Thread(target=recorded_and_run)
    thread.start()
    while not is_over.is_set():
        trace(crosspool.architecture("resnet18").layout().model)
    thread.join()
    assert not errors
