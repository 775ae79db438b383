"""timm's networks: maps against hooks on timm's own models, preprocessing against its own, names, files, refusals."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from crosspool.backbones import UNTRAINED, architecture, load, load_backbone, spec_of, timm_networks
from crosspool.backbones.timm_networks import convolutional_specs
from crosspool.backbones.timm_weights import TimmWeights
from crosspool.backbones.weights import fetch_weights
from crosspool.errors import BackboneError, WeightsWarning
from crosspool.framing import frame_image, to_tensor
from crosspool.tracing import run_with_gradients
from tests.networks import sample

timm = pytest.importorskip("timm", reason="needs timm, which pip install -r requirements-dev.txt brings")

# Of 30 families a small one each: BatchNorm with its activation inside, padding by size, squeeze-and-excite, GroupNorm,
# weight standardisation, blur pooling, shuffles, and mixes with attention.
FAMILIES = [
    "cs3darknet_focus_s", "cspnext_tiny", "dla46x_c", "edgenext_xx_small", "efficientvit_b0", "ese_vovnet19b_slim_dw",
    "fasternet_t0", "hardcorenas_a", "hgnetv2_b0", "lcnet_035", "lcnetv2_small", "legacy_seresnet18", "mixnet_s",
    "mobilevit_xxs", "regnetx_002", "repghostnet_050", "resnest14d", "resnetblur18", "resnetv2_18", "skresnet18",
    "starnet_s050", "test_byobnet", "test_convnext", "test_efficientnet", "test_efficientnet_gn", "test_mambaout",
    "test_nfnet", "test_resnet", "tf_mobilenetv3_small_minimal_100", "tinynet_e",
]  # fmt: skip
SIDE = 64


def small_spec(name):
    """The spec of a network at a small input, with two classes."""
    spec = spec_of(f"timm:{name}")
    return replace(spec, preprocessing=replace(spec.preprocessing, size=SIDE), classes=lambda: ("first", "second"))


def lively(model):
    """Give all norms and scales numbers that matter; timm begins many at 0 or 1."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if value.is_floating_point() and value.ndim <= 1:
            low, high = (-0.2, 0.2) if name.endswith(("bias", "mean", "beta")) else (0.6, 1.4)
            value.uniform_(low, high, generator=generator)
    return model.eval()


class Calls:
    """What each module without inner convolutions reads and yields, in order: the tensors, and copies of them.

    The network may change the tensors in place afterwards.
    """

    def __init__(self, model):
        self.calls: list = []
        for name, module in model.named_modules():
            if getattr(module, "inplace", False):
                module.inplace = False
            if not any(isinstance(part, nn.Conv2d) for part in module.modules() if part is not module):
                module.register_forward_hook(partial(self._keep, name))

    def _keep(self, name, module, read, yielded):
        if read and isinstance(read[0], torch.Tensor) and isinstance(yielded, torch.Tensor):
            self.calls.append((name, module, read[0], yielded, read[0].clone(), yielded.clone()))

    def maps_of(self, name):
        """What the module of this name reads; and what it yields, after norms up to the first activation, if any."""
        tensor, lower, upper = next((yielded, *copies) for each, _, _, yielded, *copies in self.calls if each == name)
        for _, module, read, yielded, read_then, copy in self.calls:
            is_follower = read is tensor and torch.equal(read_then, upper)  # nothing was added to it in between
            if is_follower and isinstance(module, (*NORMS, *ACTIVATIONS)):
                tensor, upper = yielded, copy
                if isinstance(module, ACTIVATIONS):
                    break
        return lower, upper


def save_lively(spec, path):
    model = lively(spec.build(2))
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    return model


NORMS = (nn.BatchNorm2d, nn.Identity, nn.Dropout)  # timm's with an activation inside are called after their parts
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.Mish)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("name", FAMILIES)
def test_maps_equal_those_of_timms_own_model(name, tmp_path):
    spec = small_spec(name)
    own = save_lively(spec, tmp_path / "own.safetensors")
    backbone = load(spec, tmp_path / "own.safetensors", "cpu")
    calls = Calls(own)
    image = to_tensor([frame_image(sample(), spec.preprocessing)], spec.preprocessing)
    with torch.no_grad():
        scores = own(image)
    called = [pair for pair in backbone.layer_pairs if "~" not in pair.id]
    pair = called[len(called) // 3]
    maps = backbone.activations(sample(), pair, signed=True)
    lower, upper = calls.maps_of(pair.id)
    edges = [a - b for a, b in zip(maps.lower.shape[2:], lower.shape[2:], strict=True)]  # padded by size: zeros
    lower = F.pad(lower, (edges[1] // 2, edges[1] - edges[1] // 2, edges[0] // 2, edges[0] - edges[0] // 2))
    if pair.activation and hasattr(F, pair.activation):  # called as a function
        upper = getattr(F, pair.activation)(upper)
    for ours, theirs in ((maps.lower, lower), (maps.upper, upper)):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
    (output,) = backbone.outputs([frame_image(sample(), spec.preprocessing)], (backbone.architecture.layout().output,))
    assert (output - scores).abs().max() <= 1e-4 * scores.abs().max().clamp_min(1e-3)
    expect_nothing_outside_the_field(backbone, pair, image)


def expect_nothing_outside_the_field(backbone, pair, image):
    """A position in the middle of the upper map changes with no pixel outside its receptive field."""
    image = image.clone().requires_grad_()
    (upper,) = run_with_gradients(backbone.model, backbone.architecture.subgraph((pair.upper,)), image)
    row, column = (length // 2 for length in upper.shape[2:])
    upper[0, :, row, column].sum().backward()
    box = backbone.receptive_field(pair, row, column)
    slopes = image.grad.abs().sum((0, 1))
    slopes[box.top : box.bottom, box.left : box.right] = 0
    assert not slopes.any()


# --- preprocessing, names and classes


@pytest.mark.parametrize(
    "name",
    [
        "convnext_tiny.fb_in22k_ft_in1k_384", "inception_v3.tf_in1k", "resnet18.a1_in1k", "resnet18.tv_in1k",
        "resnetv2_50x1_bit.goog_in21k", "test_resnet.r160_in1k", "tf_efficientnet_lite2.in1k",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [(500, 333), (120, 640)])
def test_images_are_prepared_as_timm_does(name, size):
    spec = spec_of(f"timm:{name}")
    data = timm.data.resolve_data_config(pretrained_cfg=timm.models.get_pretrained_cfg(name).to_dict())
    image = sample().resize(size)
    expected = timm.data.create_transform(**data, is_training=False)(image)
    squashed = data["crop_mode"] == "squash"
    framed = frame_image(image, spec.preprocessing, framing="squash" if squashed else "crop")
    deviations = torch.tensor(spec.preprocessing.std).view(3, 1, 1)
    levels = 255 * deviations * (to_tensor([framed], spec.preprocessing)[0] - expected).abs()
    assert levels.max() < 2.01  # timm resizes by Pillow, which rounds otherwise
    assert levels.mean() < 0.1


def test_a_network_that_was_shown_squashed_images_says_so():
    entry = timm.models.get_pretrained_cfg("convnext_base.clip_laion2b_augreg_ft_in12k_in1k_384")
    assert entry.crop_mode == "squash"
    spec = spec_of(f"timm:{entry.architecture}.{entry.tag}")
    assert spec.advice.endswith("was trained on whole images, squashed to a square; see them so with framing squash.")
    told = replace(small_spec("test_resnet"), advice="Something to know.")
    with pytest.warns(WeightsWarning, match=r"Something to know\."):
        load(told, UNTRAINED, "cpu")


def test_the_spec_is_what_timm_says():
    spec = spec_of("timm:resnet18")
    assert spec is spec_of("timm:resnet18.a1_in1k")
    assert (spec.name, spec.title) == ("timm:resnet18.a1_in1k", "resnet18.a1_in1k (timm)")
    assert (spec.parameters, spec.weights_licence) == (11_689_512, "apache-2.0")
    assert str(spec.weights.url).endswith("/timm/resnet18.a1_in1k/resolve/main/model.safetensors")
    assert spec.preprocessing.size == 224
    assert spec.preprocessing.interpolation == "bicubic"


@pytest.mark.parametrize(
    ("name", "count", "first"),
    [
        ("resnet18.tv_in1k", 1000, "tench"),
        ("convnext_tiny.in12k", 11821, "benthos"),
        ("test_resnet", 1000, "tench"),
        ("resnet50_clip.openai", 1024, "class 0"),
        ("mobilenetv2_035", 1000, "class 0"),  # never trained
    ],
)
def test_classes_have_names_only_where_it_is_known_what_was_trained(name, count, first):
    classes = spec_of(f"timm:{name}").classes()
    assert (len(classes), classes[0]) == (count, first)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("timm:resnet81", "There is no backbone 'timm:resnet81'; did you mean timm:resnet18"),
        ("timm:???", r"see some of them with: crosspool backbones --timm 'resnet\*'$"),
        ("timm:resnet18.nope", r"timm has no weights 'nope' of resnet18; it has: a1_in1k, a2_in1k, "),
        (
            "timm:test_vit",
            "timm:test_vit.r160_in1k has no layer pair: none of its convolutions reads the map of another",
        ),
    ],
)
def test_what_is_no_convolutional_network_of_timm(name, sentence):
    with pytest.raises(BackboneError, match=sentence):
        architecture(name)


def test_networks_that_convolve_maps_are_listed():
    names = [spec.name for spec in convolutional_specs("test_*")]
    assert {"timm:test_resnet.r160_in1k", "timm:test_byobnet.r160_in1k", "timm:test_convnext.r160_in1k"} <= set(names)
    assert [name for name in names if "vit" in name] == ["timm:test_maxvit.untrained"]
    assert [spec.name for spec in convolutional_specs("timm:test_resnet.*")] == ["timm:test_resnet.r160_in1k"]
    assert convolutional_specs("volo_d4_448") == []  # takes the middle of an image that is smaller


def test_without_timm_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(BackboneError, match=r"^timm is not installed; install it with: .* 'crosspool\[timm\]'$"):
        load_backbone("timm:resnet18")


def test_nothing_of_timm_is_imported_before_it_is_asked_for():
    code = (
        "import json, sys, crosspool; crosspool.architecture('alexnet').layer_pairs; before = 'timm' in sys.modules;"
        "crosspool.architecture('timm:test_resnet'); print(json.dumps([before, 'timm' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    assert json.loads(done.stdout) == [False, True]


# --- weights


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty caches of torch and of the Hugging Face Hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def in_hub(folder, repository, state):
    """Put a file where the hub's own library would."""
    place = folder / "hub" / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    file = place / "snapshots" / ("0" * 40) / "model.safetensors"
    save_file(state, file)
    return file


def test_weights_are_taken_from_the_hubs_cache_and_never_downloaded_by_loading(caches):
    spec = spec_of("timm:test_resnet")
    assert spec.weights.availability == "needs a download"
    with pytest.raises(BackboneError, match=r"not here yet; .*: crosspool fetch timm:test_resnet\.r160_in1k$"):
        load_backbone("timm:test_resnet")
    own = lively(timm.create_model("test_resnet"))
    file = in_hub(caches, "timm/test_resnet.r160_in1k", own.state_dict())
    assert (spec.weights.path, spec.weights.availability) == (file, "cached")
    assert spec.weights.is_intact()
    backbone = load_backbone("timm:test_resnet", device="cpu")
    assert (backbone.weights, backbone.missing, backbone.classes[0]) == ("pretrained", frozenset(), "tench")
    with torch.no_grad():
        scores = own(to_tensor([frame_image(sample(), spec.preprocessing)], spec.preprocessing))[0]
    label, probability = backbone.predict(sample(), 1)[0][0]
    assert label == backbone.classes[scores.argmax()]
    assert probability == pytest.approx(scores.softmax(0).max().item(), rel=1e-3)


def test_what_was_fetched_lies_in_torchs_cache(caches):
    weights = spec_of("timm:test_resnet").weights
    path = caches / "torch" / "hub" / "checkpoints" / "timm-test_resnet.r160_in1k.safetensors"
    assert weights.path == path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut short")
    assert weights.availability == "cached"
    with pytest.raises(BackboneError, match=r"is damaged; get it again with: crosspool fetch timm:test_resnet"):
        load_backbone("timm:test_resnet")


def test_a_checksum_in_a_files_name_is_verified(caches):
    weights = TimmWeights("https://nowhere.invalid/a-12345678.pth", "b.safetensors", 1, "", older="a-12345678.pth")
    path = caches / "torch" / "hub" / "checkpoints" / "a-12345678.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    assert weights.path == path
    assert not weights.is_intact()


def test_weights_without_a_last_layer_have_maps_but_no_classes(caches):
    spec = replace(spec_of("timm:test_resnet"), classes=lambda: ("one",))
    in_hub(caches, "timm/test_resnet.r160_in1k", timm.create_model("test_resnet", num_classes=0).state_dict())
    headless = replace(spec, read=lambda path: timm_networks._pretrained("test_resnet.r160_in1k", 0, path))
    backbone = load(headless, None, "cpu")
    assert backbone.activations(sample()).upper.shape[0] == 1
    with pytest.raises(BackboneError, match="names no classes without fc"):
        backbone.predict(sample())


def test_where_timm_has_no_weights_the_sentence_says_so(caches):
    weights = spec_of("timm:mobilenetv2_035").weights
    assert (weights.availability, weights.is_here) == ("not published", False)
    with pytest.raises(BackboneError, match="There is nothing to download; timm has none"):
        fetch_weights(weights)
    with pytest.raises(
        BackboneError, match="timm has none: choose other weights of that network, a file of your own, or"
    ):
        load_backbone("timm:mobilenetv2_035")
