"""Networks and their weights: the embedded one is right, own files are checked, downloads are whole or nothing."""

import contextlib
import copy
import dataclasses
import gc
import hashlib
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import crosspool
from crosspool.backbones import architecture, backbone_specs, choose_device, load, load_backbone, spec_of
from crosspool.backbones.checkpoints import read_checkpoint
from crosspool.backbones.structure import MAX_LAYOUTS, Architecture
from crosspool.backbones.weights import WeightsFile, fetch_weights
from crosspool.errors import BackboneError
from crosspool.framing import frame_image, to_tensor
from tests.networks import Net, sample, spec_for

DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


# --- the embedded network


def test_lite0_is_the_published_network(lite0):
    assert lite0.spec.name == "efficientnet_lite0"
    assert lite0.weights == "pretrained"
    assert lite0.spec.weights.availability == "included"
    assert lite0.spec.weights.is_intact()
    model = lite0.spec.build(1000)
    assert sum(parameter.numel() for parameter in model.parameters()) == lite0.spec.parameters == 4_652_008
    state = {lite0.spec.rename(name): value for name, value in read_checkpoint(lite0.spec.weights.path).tensors.items()}
    model.load_state_dict(state, strict=True)
    assert {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)} == {1e-3}


def test_lite0_prepares_images_as_in_its_training(lite0):
    preprocessing = lite0.spec.preprocessing
    assert (preprocessing.size, preprocessing.crop_fraction, preprocessing.interpolation) == (224, 0.875, "bicubic")
    assert preprocessing.mean == preprocessing.std == (0.5, 0.5, 0.5)


def test_folding_and_channels_last_change_nothing(lite0):
    plain = lite0.spec.build(1000).eval()
    state = read_checkpoint(lite0.spec.weights.path).tensors
    plain.load_state_dict({lite0.spec.rename(name): value for name, value in state.items()})
    image = frame_image(sample(), lite0.spec.preprocessing)
    hooked: dict[str, torch.Tensor] = {}
    plain.conv_head.register_forward_hook(lambda _, args, output: hooked.update(lower=args[0]))
    plain.relu.register_forward_hook(lambda _, args, output: hooked.update(upper=output))
    with torch.no_grad():
        scores = plain(to_tensor([image], lite0.spec.preprocessing))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in lite0.model.modules())
    maps = lite0.activations(sample())
    torch.testing.assert_close(maps.lower, hooked["lower"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps.upper, hooked["upper"], rtol=1e-4, atol=1e-4)
    likeliest, probability = lite0.predict(sample(), 1)[0][0]
    assert likeliest == lite0.classes[scores.argmax()]
    assert probability == pytest.approx(scores.softmax(dim=1).max().item(), abs=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "googlenet", "shufflenet_v2_x0_5", "convnext_tiny"])
def test_folding_changes_nothing_in_other_networks(name, tmp_path):
    """BatchNorms that have hooked data, unlike fresh ones, which are nearly the identity."""
    plain = spec_of(name).build(1000)
    generator = torch.Generator().manual_seed(0)
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.get_buffer("running_mean").uniform_(-0.1, 0.1, generator=generator)
            module.get_buffer("running_var").uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator)
            nn.init.uniform_(module.bias, -0.1, 0.1, generator)
    torch.save(plain.state_dict(), tmp_path / "own.pt")
    backbone = load_backbone(name, tmp_path / "own.pt", "cpu")
    image = frame_image(sample(), backbone.spec.preprocessing)
    with torch.no_grad():
        scores = plain.eval()(to_tensor([image], backbone.spec.preprocessing))
    predicted = dict(backbone.predict(sample(), 1000)[0])
    expected = dict(zip(backbone.classes, scores.softmax(dim=1)[0].tolist(), strict=True))
    assert predicted == pytest.approx({label: expected[label] for label in predicted}, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("cat", {"tabby", "tiger cat", "Egyptian cat"}),
        ("espresso", {"espresso", "cup", "coffee mug"}),
        ("cameraman", {"tripod"}),
        ("rocket", {"missile", "projectile"}),
    ],
)
def test_samples_have_labels_that_make_sense(lite0, name, labels):
    predicted = lite0.predict(sample(name), 3)[0]
    assert predicted[0][0] in labels
    assert [value for _, value in predicted] == sorted((value for _, value in predicted), reverse=True)
    assert all(0 < value < 1 for _, value in predicted)


def count_albatrosses(backbone, images):
    return sum(best[0][0] == "albatross" for best in backbone.predict(images, 1))


@pytest.mark.parametrize(
    "folder", ["001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross"], ids=lambda name: name[4:]
)
def test_albatrosses_are_recognised_with_the_right_mean_and_std_only(lite0, folder):
    files = sorted((DATASETS / "birds10" / folder).glob("*.jpg"))[::2]
    if not files:
        pytest.skip("needs the photos of birds10, which lie beside the project where it is developed")
    images = [crosspool.load_image(file) for file in files]
    albatrosses = count_albatrosses(lite0, images)
    assert albatrosses > 0.8 * len(files)
    imagenet = dataclasses.replace(lite0.spec.preprocessing, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    usual = dataclasses.replace(lite0, spec=dataclasses.replace(lite0.spec, preprocessing=imagenet))
    assert count_albatrosses(usual, images) < albatrosses


# --- structures


def test_layouts_share_one_graph_and_are_forgotten_beyond_a_bound():
    network = Architecture(spec_for(lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 4, 3))), 4)
    first = network.layout(64)
    assert network.layout(65).graph is first.graph
    assert network.subgraph(("_0",), 64) is network.subgraph(("_0",), 65)
    assert network.is_traced(64)
    del first
    for size in range(100, 100 + MAX_LAYOUTS):
        network.layout(size)
    gc.collect()
    assert not network.is_traced(64)
    assert network.is_traced(100)
    assert network.map_sizes(network.default_pair, 64) == ((62, 62), (60, 60))


def test_the_numbers_held_at_a_time_are_those_of_the_maps_that_are_still_read():
    def join(net, x):
        a = net.a(x)
        return net.c(torch.cat([net.b(a), a], 1))

    parts = {"a": nn.Conv2d(3, 10, 1), "b": nn.Conv2d(10, 1, 1), "c": nn.Conv2d(11, 5, 1)}
    network = Architecture(spec_for(lambda: Net(join, **parts)), 4)
    assert network.peak_numbers(("b",), 10) == (100 * (3 + 10), 0)  # the input, and what is made of it
    assert network.peak_numbers(("a", "b"), 10) == (100 * (3 + 10), 0)
    assert network.peak_numbers(("c",), 10) == (100 * (10 + 1 + 11), 100 * 11)  # both, and their concatenation
    assert network.peak_numbers(("a", "c"), 10) == (100 * (10 + 11 + 5), 100 * 11)  # what is asked for stays
    assert network.peak_numbers(("c",), 20) == (400 * (10 + 1 + 11), 400 * 11)


# --- untrained weights


def test_untrained_weights_are_the_same_each_time_and_disturb_no_random_numbers():
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    first = load_backbone("resnet18", "untrained", "cpu")
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(321)
    second = load_backbone("resnet18", "untrained", "cpu")
    assert first.weights == second.weights == "untrained"
    for name, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[name]), name


def test_untrained_weights_are_the_same_when_threads_ask_at_once():
    with ThreadPoolExecutor(4) as pool:
        models = [b.model for b in pool.map(lambda _: load_backbone("squeezenet1_1", "untrained", "cpu"), range(8))]
    expected = load_backbone("squeezenet1_1", "untrained", "cpu").model.state_dict()
    for model in models:
        assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


# --- one's own weights


@pytest.fixture(scope="module")
def trained():
    """A small network's state dict that is not the untrained one, and what a backbone with it should say."""
    torch.manual_seed(7)
    return spec_of("squeezenet1_1").build(1000).state_dict()


def says(backbone):
    return dict(backbone.predict(sample(), 1000, size=128)[0])


def save(state, path):
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("file", "wrap"),
    [
        ("own.safetensors", lambda state: state),
        ("own.safetensors", lambda state: {f"module.{name}": value for name, value in state.items()}),
        ("own.pt", lambda state: state),
        ("own.pth", lambda state: {"state_dict": state, "epoch": 3}),
        ("own.ckpt", lambda state: {"model": state}),
        ("own.pt", lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}}),
    ],
    ids=["safetensors", "parallel safetensors", "state dict", "state_dict", "model", "parallel state_dict"],
)
def test_own_weights_in_every_form(tmp_path, trained, file, wrap):
    backbone = load_backbone("squeezenet1_1", save(wrap(trained), tmp_path / file), "cpu")
    assert backbone.weights == str(tmp_path / file)
    for name, value in backbone.model.state_dict().items():
        assert torch.equal(value, trained[name]), name
    assert backbone.classes == tuple(f"class {k}" for k in range(1000))  # of whatever they are, not ImageNet's


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_own_weights_of_another_precision(tmp_path, trained, dtype):
    path = save({name: value.to(dtype) for name, value in trained.items()}, tmp_path / "own.safetensors")
    backbone = load_backbone("squeezenet1_1", str(path), "cpu")
    assert {value.dtype for value in backbone.model.state_dict().values()} == {torch.float32}
    full = load_backbone("squeezenet1_1", save(trained, tmp_path / "full.pt"), "cpu")
    assert says(backbone) == pytest.approx(says(full), rel=0.05)


@pytest.mark.parametrize(
    "name", ["efficientnet_lite0", "squeezenet1_1", "mobilenet_v2", "densenet121", "googlenet", "mnasnet0_5"]
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_own_weights_for_other_classes(tmp_path, name, suffix):
    path = save(spec_of(name).build(7).state_dict(), tmp_path / f"own{suffix}")
    backbone = load_backbone(name, path, "cpu")
    assert backbone.classes == tuple(f"class {k}" for k in range(7))
    classes = backbone.predict(sample(), 10, size=128)[0]
    assert sorted(label for label, _ in classes) == list(backbone.classes)
    assert backbone.activations(sample(), size=128).upper.shape[1] == backbone.layer_pairs[-1].upper_channels


@pytest.mark.parametrize("name", ["mnasnet1_0", "densenet121", "inception_v3", "regnet_y_400mf", "shufflenet_v2_x0_5"])
def test_pretrained_files_of_every_age_fit(tmp_path, name, monkeypatch):
    """As torchvision's files are: some with auxiliary heads, some from before BatchNorm counted its batches."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    spec = spec_of(name)
    state = spec.build(1000).state_dict()
    if name == "densenet121":
        pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")
        state = {pattern.sub(r"\1.\2", old): value for old, value in state.items()}
        assert "features.denseblock1.denselayer1.norm.1.weight" in state
        state = {old: value for old, value in state.items() if not old.endswith("num_batches_tracked")}
    if name == "inception_v3":
        state["AuxLogits.fc.weight"] = torch.zeros(1000, 768)
    spec.weights.path.parent.mkdir(parents=True)
    torch.save(state, spec.weights.path)
    assert spec.weights.availability == "cached"
    backbone = load_backbone(name, device="cpu")
    assert backbone.weights == "pretrained"
    assert backbone.classes == spec.classes()
    assert len(backbone.predict(sample(), size=128)[0]) == 5


def test_googlenet_comes_without_its_auxiliary_heads(tmp_path):
    state = spec_of("googlenet").build(1000).state_dict()
    assert not [name for name in state if name.startswith("aux")]
    extra = {"aux1.fc2.weight": torch.zeros(1000, 1024), "aux2.conv.bn.bias": torch.zeros(128)}
    backbone = load_backbone("googlenet", save({**state, **extra}, tmp_path / "own.pt"), "cpu")
    assert not [name for name in backbone.model.state_dict() if name.startswith("aux")]


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_refused_and_not_run(tmp_path):
    ran = tmp_path / "ran"
    torch.save({"weight": Malicious(ran)}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"weight": Malicious(ran)}))
    for file in ("zip.pt", "plain.pt"):
        with pytest.raises(
            BackboneError, match=rf"{file} is not a file of weights, or holds more than tensors; save model"
        ):
            load_backbone("squeezenet1_1", tmp_path / file, "cpu")
    assert not ran.exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("left", [0, 10, 1000, -100])
def test_a_truncated_file_is_damaged(tmp_path, suffix, left):
    path = save({"weight": torch.ones(100, 100)}, tmp_path / f"own{suffix}")
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(BackboneError, match=rf"own{suffix} (cannot be read as weights|is not a file of weights)"):
        read_checkpoint(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_bytes_raise_nothing_else(tmp_path, zipped):
    """Whatever a flipped byte makes of the file, the reader says so, or it reads other numbers."""
    path = tmp_path / "own.pt"
    torch.save({"weight": torch.ones(3)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with contextlib.suppress(BackboneError):
            read_checkpoint(path)


@pytest.mark.parametrize(
    "content", [[torch.ones(2)], {"weight": 3}, {0: torch.ones(2)}, {"state_dict": {"weight": [1.0]}}, torch.ones(2)]
)
def test_a_file_without_a_state_dict(tmp_path, content):
    torch.save(content, tmp_path / "own.pt")
    with pytest.raises(BackboneError, match=r"own\.pt does not hold a state dict"):
        read_checkpoint(tmp_path / "own.pt")


def test_weights_of_another_architecture(tmp_path, trained):
    path = save(trained, tmp_path / "own.pt")
    for name in ("alexnet", "squeezenet1_0", "efficientnet_lite0", "mnasnet0_5"):
        with pytest.raises(BackboneError, match=rf"own\.pt does not fit {name}: names or shapes differ"):
            load_backbone(name, path, "cpu")
    with pytest.raises(BackboneError, match=r"own\.pt does not hold a state dict"):
        load_backbone("squeezenet1_1", save({}, path), "cpu")


def test_a_weights_file_that_is_not_there(tmp_path):
    for path, sentence in (
        (tmp_path / "none.pt", "was not found; check the name and the folder"),
        (tmp_path, "folder"),
    ):
        with pytest.raises(BackboneError, match=sentence):
            load_backbone("alexnet", path, "cpu")


# --- names and devices


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("alexnet", "AlexNet"),
        ("convnext_tiny", "ConvNeXt-Tiny"),
        ("densenet201", "DenseNet-201"),
        ("efficientnet_b7", "EfficientNet-B7"),
        ("efficientnet_v2_s", "EfficientNetV2-S"),
        ("inception_v3", "Inception-v3"),
        ("mnasnet0_75", "MNASNet 0.75"),
        ("mobilenet_v2", "MobileNetV2"),
        ("mobilenet_v3_large", "MobileNetV3-Large"),
        ("regnet_x_400mf", "RegNetX-400MF"),
        ("regnet_y_1_6gf", "RegNetY-1.6GF"),
        ("resnext101_32x8d", "ResNeXt-101 32x8d"),
        ("shufflenet_v2_x0_5", "ShuffleNetV2 x0.5"),
        ("squeezenet1_1", "SqueezeNet 1.1"),
        ("vgg16_bn", "VGG-16-BN"),
        ("wide_resnet50_2", "Wide ResNet-50-2"),
    ],
)
def test_titles_are_those_of_the_papers(name, title):
    assert backbone_specs()[name].title == title


def test_the_list_of_backbones():
    specs = backbone_specs()
    assert next(iter(specs)) == crosspool.backbones.DEFAULT == "efficientnet_lite0"
    for name, spec in specs.items():
        assert spec.name == name
        assert spec.title
        assert "_" not in spec.title
        assert spec.parameters > 1e6
        assert spec.weights_licence
        assert spec.weights.megabytes > 2
        assert re.fullmatch(r"[0-9a-f]{8,10}", spec.weights.checksum), name
        assert spec.weights.filename.rsplit(".", 1)[0].endswith(spec.weights.checksum)
        if spec.weights.url is None:
            assert spec.weights.path.stat().st_size == pytest.approx(spec.weights.megabytes * 1e6, rel=0.01)
        else:
            assert spec.weights.url.startswith("https://")
    assert specs["alexnet"].parameters == 61_100_840
    assert specs["alexnet"].weights.megabytes == pytest.approx(244.4, abs=0.1)
    assert specs["regnet_y_16gf"].weights_licence == "BSD-3-Clause"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("alexnte", r"did you mean alexnet\?"),
        ("efficientnet-lite0", r"did you mean efficientnet_lite0 or "),
        ("resnet_18", "did you mean resnet18"),
        ("nonsense!", "see them all with: crosspool backbones"),
    ],
)
def test_an_unknown_name(name, hint):
    with pytest.raises(BackboneError, match=f"There is no backbone '{name}'; .*{hint}"):
        load_backbone(name)
    with pytest.raises(BackboneError, match="There is no backbone"):
        architecture(name)


def test_structure_is_shared():
    assert architecture("alexnet") is architecture("alexnet")


def test_auto_is_a_device_that_works():
    device = choose_device("auto")
    assert torch.ones(2, device=device).sum().item() == 2
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("device", ["nonsense", "", "cuda:99", "meta", "hpu"])
def test_a_device_that_cannot_be_used(device):
    with pytest.raises(
        BackboneError, match=f"The device '{device}' cannot be used here; choose auto, cpu, cuda or mps"
    ):
        load_backbone(device=device)


# --- torch's cache, and downloads

CONTENT = bytes(range(256)) * 12_000  # 3 MB


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT, and the ways in which it can go wrong."""

    def do_GET(self):
        kind = self.path.strip("/")
        body = CONTENT[:-1] + b"?" if kind == "damaged" else CONTENT
        if kind == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        if kind != "lengthless":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "dropped" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The address of a server on this machine, and torch's cache in an empty folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def weights_at(url, content=CONTENT):
    checksum = hashlib.sha256(content).hexdigest()[:8]
    return WeightsFile(url=url, filename=f"tiny-{checksum}.pth", megabytes=len(content) / 1e6, checksum=checksum)


def cached(tmp_path):
    folder = tmp_path / "hub" / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("kind", ["whole", "lengthless"])
def test_fetch(server, tmp_path, kind):
    weights = weights_at(f"{server}/{kind}")
    assert weights.availability == "needs a download"
    steps = []
    path = fetch_weights(weights, lambda done, total: steps.append((done, total)))
    assert path == weights.path == tmp_path / "hub" / "checkpoints" / weights.filename
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert weights.availability == "cached"
    assert cached(tmp_path) == [weights.filename]
    assert len(steps) > 1
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert {total for _, total in steps} == {len(CONTENT)}
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_intact_weights_are_not_fetched_again(server, tmp_path):
    weights = weights_at(f"{server}/missing")
    weights.path.parent.mkdir(parents=True)
    weights.path.write_bytes(CONTENT)
    assert fetch_weights(weights, lambda done, total: pytest.fail("nothing was to be downloaded")) == weights.path


def test_damaged_weights_are_fetched_again(server, tmp_path):
    weights = weights_at(f"{server}/whole")
    weights.path.parent.mkdir(parents=True)
    weights.path.write_bytes(b"half of it")
    assert weights.availability == "cached"
    assert not weights.is_intact()
    assert fetch_weights(weights).read_bytes() == CONTENT
    assert cached(tmp_path) == [weights.filename]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("damaged", r"The download of tiny-\w+\.pth arrived damaged \(wrong checksum\); try again\."),
        (
            "missing",
            r"Could not download tiny-\w+\.pth \(3 MB\): Not Found\W+(?i:check) the network connection, or copy",
        ),
        ("dropped", r"Could not download .*: the connection broke off after 1536000 of 3072000 bytes"),
    ],
)
@pytest.mark.parametrize("before", [None, b"an older, damaged file"])
def test_a_download_that_fails_leaves_no_partial_file(server, tmp_path, kind, sentence, before):
    weights = weights_at(f"{server}/{kind}")
    if before:
        weights.path.parent.mkdir(parents=True)
        weights.path.write_bytes(before)
    with pytest.raises(BackboneError, match=sentence):
        fetch_weights(weights)
    assert cached(tmp_path) == ([weights.filename] if before else [])
    assert before is None or weights.path.read_bytes() == before


def test_without_a_network(server, tmp_path):
    closed = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    port = closed.server_port
    closed.server_close()
    with pytest.raises(BackboneError, match=r"Could not download .*: .*refused.*(?i:check) the network connection"):
        fetch_weights(weights_at(f"http://127.0.0.1:{port}/whole"))
    with pytest.raises(BackboneError, match=r"Could not download .*(?i:check) the network connection"):
        fetch_weights(weights_at("http://no-such-host.invalid/whole"))
    assert cached(tmp_path) == []


def test_an_interrupted_download_leaves_nothing(server, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_weights(weights_at(f"{server}/whole"), interrupt)
    assert cached(tmp_path) == []


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(BackboneError, match=r"Cannot write to the cache folder .*; set TORCH_HOME to"):
        fetch_weights(weights_at(f"{server}/whole"))


def test_a_damaged_embedded_file_asks_for_a_reinstallation(tmp_path):
    weights = WeightsFile(url=None, filename=str(tmp_path / "gone.pth"), megabytes=1, checksum="00000000")
    with pytest.raises(BackboneError, match=r"gone\.pth comes with a package, and is missing or damaged; install"):
        fetch_weights(weights)


def test_weights_that_are_not_here_are_never_downloaded_by_loading(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackboneError, match=r"alexnet \(244 MB\) are not here yet; .*: crosspool fetch alexnet"):
        load_backbone("alexnet")
    assert cached(tmp_path) == []


def build_tiny():
    return Net(lambda net, x: net.u(net.image(x)).mean((2, 3)), image=nn.Conv2d(3, 4, 8, 8), u=nn.Conv2d(4, 2, 1))


def test_from_the_cache_to_a_prediction(tmp_path, monkeypatch):
    """The whole way with a file whose checksum is right, and then with one that is cut short."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.save(build_tiny().state_dict(), tmp_path / "file.pth")
    content = (tmp_path / "file.pth").read_bytes()
    spec = spec_for(build_tiny, weights=weights_at("http://unused.invalid", content))
    spec.weights.path.parent.mkdir(parents=True)
    spec.weights.path.write_bytes(content)
    assert spec.weights.is_intact()
    backbone = load(spec, None, "cpu")
    assert sorted(label for label, _ in backbone.predict(sample())[0]) == ["first", "second"]
    spec.weights.path.write_bytes(content[:-500])
    assert not spec.weights.is_intact()
    with pytest.raises(BackboneError, match=r"The weights file .* is damaged; get it again with: crosspool fetch tiny"):
        load(spec, None, "cpu")


def test_threads_share_one_set_of_sessions():
    """Each backbone has its own, however many threads ask first."""
    backbone = load_backbone("squeezenet1_1", "untrained", "cpu")
    for fresh in (backbone, dataclasses.replace(backbone, engine="onnxruntime")):
        at_once = threading.Barrier(4)

        def asked(_, at_once=at_once, fresh=fresh):
            at_once.wait(60)
            return id(fresh.sessions)

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(asked, range(4)))) == 1
    assert dataclasses.replace(backbone, engine="onnxruntime").sessions is not backbone.sessions


def test_a_deep_copy_computes_the_same_with_parameters_and_sessions_of_its_own():
    backbone = load_backbone("squeezenet1_1", "untrained", "cpu", engine="torch")
    image = sample()
    maps = backbone.activations(image, size=128)
    copied = copy.deepcopy(backbone)
    assert copied.sessions is not backbone.sessions
    for parameter in backbone.model.parameters():
        parameter.data.zero_()
    assert copied.activations(image, size=128).upper.equal(maps.upper)
    assert copied.engine == "torch"
