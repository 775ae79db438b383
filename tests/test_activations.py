"""The maps of a pair: what a hook would see, computed without hooks, only as far as needed, from any thread."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image
from torch import fx, nn
from torch.nn import functional as F

from crosspool.backbones import Backbone, load, load_backbone, spec_of
from crosspool.backbones import batches as batches_module
from crosspool.backbones.structure import Architecture
from crosspool.errors import LayerPairError, SettingError
from crosspool.framing import frame_image, to_tensor
from crosspool.tracing import subgraph
from tests.networks import Net, sample, spec_for

pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


@pytest.fixture(scope="module")
def alexnet():
    return load_backbone("alexnet", "untrained", "cpu")


def crops(count):
    """Different images: crops of a shipped one."""
    image = sample()
    width, height = image.size
    return [image.crop((i, i, i + width // 2, i + height // 2)) for i in range(count)]


def as_input(backbone, image, size=None):
    preprocessing = backbone.spec.preprocessing
    return to_tensor([frame_image(image, preprocessing, size)], preprocessing).to(memory_format=torch.channels_last)


# --- what they are


def hooked(backbone, pair_id, activation_id, image):
    """What forward hooks on a private copy of the network see of a pair, running all of it."""
    model = copy.deepcopy(backbone.model)
    maps: dict[str, torch.Tensor] = {}
    model.get_submodule(pair_id).register_forward_hook(lambda _, args, output: maps.update(lower=args[0].clone()))
    model.get_submodule(activation_id).register_forward_hook(lambda _, args, output: maps.update(upper=output.clone()))
    with torch.no_grad():
        model(as_input(backbone, image))
    return maps["lower"], maps["upper"]


@pytest.mark.parametrize(
    ("name", "pair_id", "activation_id"),
    [
        ("efficientnet_lite0", "conv_head", "relu"),
        ("alexnet", "features.3", "features.4"),
        ("alexnet", "features.10", "features.11"),
        ("squeezenet1_1", "features.12.expand3x3", "features.12.expand3x3_activation"),
        ("convnext_tiny", "features.6.1", "features.6.1"),
    ],
)
def test_maps_equal_those_that_hooks_on_a_private_copy_see(name, pair_id, activation_id):
    backbone = load_backbone(name, "untrained", "cpu")
    lower, upper = hooked(backbone, pair_id, activation_id, sample())
    maps = backbone.activations(sample(), pair_id, signed=True)
    assert maps.pair.id == pair_id
    assert torch.equal(maps.lower, lower)
    assert torch.equal(maps.upper, upper)


def test_no_hooks_are_set(lite0, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a hook was registered")

    for name in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
        monkeypatch.setattr(nn.Module, name, refuse)
    monkeypatch.setattr(torch.Tensor, "register_hook", refuse)
    lite0.activations(sample())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in lite0.model.modules())


def test_by_hand():
    """An image layer that takes the red channel every 64 pixels, then u = [x, -x]."""
    image, u = nn.Conv2d(3, 1, 1, stride=64, bias=False), nn.Conv2d(1, 2, 1, bias=False)
    image.weight.data = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    u.weight.data = torch.tensor([1.0, -1]).view(2, 1, 1, 1)
    spec = spec_for(lambda: Net(lambda net, x: net.u(net.image(x)), image=image, u=u))
    corner = Image.new("RGB", (128, 128), (0, 255, 0))
    corner.paste((255, 0, 0), (64, 0, 128, 64))  # top right: red
    backbone = load(spec, "untrained", "cpu")
    maps = backbone.activations(corner, "u")
    assert maps.lower.tolist() == [[[[0, 1], [0, 0]]]]
    assert maps.upper.tolist() == [[[[0, 1], [0, 0]], [[0, 0], [0, 0]]]]  # rectified
    signed = backbone.activations(corner, "u", signed=True)
    assert signed.upper.tolist() == [[[[0, 1], [0, 0]], [[0, -1], [0, 0]]]]
    assert torch.equal(signed.lower, maps.lower)
    assert [image.tobytes() for image in maps.framed] == [corner.tobytes()]


def test_size_framing_and_default_pair(lite0):
    maps = lite0.activations(sample(), size=160, framing="squash")
    assert maps.pair == lite0.layer_pairs[-1]
    assert maps.lower.shape == (1, 320, 5, 5)
    assert maps.upper.shape == (1, 1280, 5, 5)
    squashed = frame_image(sample(), lite0.spec.preprocessing, 160, "squash")
    assert [image.tobytes() for image in maps.framed] == [squashed.tobytes()]
    assert torch.equal(maps.upper, lite0.activations([squashed], maps.pair.id, 160, framing="squash").upper)


def test_maps_need_no_gradient_and_the_weights_stay_the_same(lite0):
    before = {name: value.clone() for name, value in lite0.model.state_dict().items()}
    maps = lite0.activations(sample())
    assert not maps.lower.requires_grad
    assert not maps.upper.requires_grad
    assert not any(parameter.requires_grad for parameter in lite0.model.parameters())
    for name, value in lite0.model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_impossible_requests(lite0, alexnet):
    with pytest.raises(SettingError, match="Give at least one image"):
        lite0.activations([])
    with pytest.raises(SettingError, match="number of top classes is at least 1, not 0"):
        lite0.predict(sample(), top=0)
    with pytest.raises(LayerPairError, match=r"no layer pair 'features\.3'"):
        lite0.activations(sample(), alexnet.layer_pairs[0])
    with pytest.raises(LayerPairError, match=r"features\.3 \(conv1 → conv2\) belongs to another network than vgg11"):
        load_architecture_only("vgg11").activations(sample(), alexnet.layer_pairs[0])


def load_architecture_only(name):
    """A backbone that knows its pairs but has no weights to run with."""
    structure = Architecture(spec_of(name))
    model = nn.Identity()
    return Backbone(structure.spec, structure, model, torch.device("cpu"), "none", ())


# --- only as far as needed


class Unreachable(nn.Module):
    def forward(self, x):
        raise AssertionError("a layer behind t+1 was computed")


def test_the_network_runs_only_up_to_the_upper_map(alexnet):
    model = copy.deepcopy(alexnet.model)
    for behind in ("features.5", "features.6", "features.10", "features.12", "avgpool", "classifier.1", "classifier.6"):
        model.set_submodule(behind, Unreachable())
    cut = Backbone(alexnet.spec, alexnet.architecture, model, alexnet.device, "cut", alexnet.classes)
    maps, expected = cut.activations(sample(), "features.3"), alexnet.activations(sample(), "features.3")
    assert torch.equal(maps.upper, expected.upper)
    with pytest.raises(AssertionError, match="behind"):
        cut.predict(sample())


def test_the_pairs_graph_holds_only_what_its_maps_need(alexnet):
    graph = alexnet.architecture.layout().graph
    pair = alexnet.architecture.pair("features.3")
    part = subgraph(graph, (pair.lower, pair.upper))
    called = [str(node.target) for node in part.nodes if node.op == "call_module"]
    assert called == ["features.0", "features.1", "features.2", "features.3", "features.4"]
    assert len(graph.nodes) > len(part.nodes)  # the whole one is as it was


# --- in place


def in_place_networks():
    def module(net, x):
        x = net.image(x)
        return net.v(net.rectify(x) + net.u(x))

    def function(net, x):
        x = net.image(x)
        return net.v(F.relu(x, inplace=True) + net.u(x))

    def method(net, x):
        x = net.image(x)
        return net.v(x.relu_() + net.u(x))

    return [module, function, method]


@pytest.mark.parametrize("join", in_place_networks(), ids=lambda join: join.__name__)
def test_in_place_activations_overwrite_no_map(join):
    """The image layer's map is rectified in place before u reads it; u still gets the map, not what became of it."""

    def build():
        return Net(
            join,
            image=nn.Conv2d(3, 4, 8, stride=8),
            rectify=nn.ReLU(inplace=True),
            u=nn.Conv2d(4, 4, 1),
            v=nn.Conv2d(4, 2, 1),
        )

    backbone = load(spec_for(build), "untrained", "cpu")
    model, x = backbone.model, as_input(backbone, sample())
    with torch.no_grad():
        lower = model.get_submodule("image")(x)
        behind = lower.relu() + model.get_submodule("u")(lower)
    assert lower.min() < 0
    maps = backbone.activations(sample(), "u")
    assert torch.equal(maps.lower, lower)
    torch.testing.assert_close(backbone.activations(sample(), "v").lower, behind)


@pytest.mark.parametrize("name", ["alexnet", "mobilenet_v2", "mobilenet_v3_small", "densenet121"])
def test_nothing_works_in_place_after_loading(name):
    assert any(getattr(module, "inplace", False) for module in spec_of(name).build(1000).modules())
    backbone = load_backbone(name, "untrained", "cpu")
    assert not any(getattr(module, "inplace", False) for module in backbone.model.modules())


# --- batches


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_chunks_give_the_same_maps_as_one_batch(lite0, monkeypatch, at_once):
    images = crops(7)
    single = [lite0.activations(image, size=128) for image in images]
    classes = [lite0.predict(image, 3, size=128)[0] for image in images]
    monkeypatch.setattr(batches_module, "BATCH_PIXELS", at_once * 128 * 128)
    maps = lite0.activations(images, size=128)
    assert len(maps.framed) == 7
    torch.testing.assert_close(maps.lower, torch.cat([one.lower for one in single]), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(maps.upper, torch.cat([one.upper for one in single]), rtol=1e-4, atol=1e-4)
    for predicted, expected in zip(lite0.predict(images, 3, size=128), classes, strict=True):
        assert [label for label, _ in predicted] == [label for label, _ in expected]
        assert [value for _, value in predicted] == pytest.approx([value for _, value in expected], abs=1e-4)


# --- threads

THREADS, IMAGES = 8, 20


def run_threads(backbone, images, pairs):
    """Every thread computes every image, half of them for another pair; returns how many results were wrong."""
    expected = {pair: [backbone.activations(image, pair, 128) for image in images] for pair in pairs}
    start = threading.Barrier(THREADS)

    def work(thread):
        pair = pairs[thread % len(pairs)]
        start.wait()
        wrong = 0
        for place in range(IMAGES):
            index = (place + thread) % IMAGES
            maps = backbone.activations(images[index], pair, 128)
            same = torch.equal(maps.lower, expected[pair][index].lower)
            wrong += not (same and torch.equal(maps.upper, expected[pair][index].upper))
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(work, range(THREADS)))


def test_many_threads_share_one_backbone(lite0):
    assert run_threads(lite0, crops(IMAGES), ("conv_head", "blocks.10.project_conv")) == 0


def test_many_threads_while_another_traces(alexnet):
    """Tracing replaces nn.Module.__call__ for the whole process; other threads' maps must not notice."""
    done = threading.Event()
    traced = []

    def keep_tracing():
        while not done.wait(0.02):  # leave the others some room on a small machine
            traced.append(Architecture(spec_of("squeezenet1_1")).layout(128))

    tracer = threading.Thread(target=keep_tracing)
    tracer.start()
    try:
        wrong = run_threads(alexnet, crops(IMAGES), ("features.3", "features.10"))
    finally:
        done.set()
        tracer.join()
    assert wrong == 0
    assert len(traced) > 1


def test_maps_computed_in_the_middle_of_a_trace(alexnet):
    """The same without chance: while fx traces one network, the maps of another are computed.

    An ordinary interpreter goes through nn.Module.__call__ and so lands in the trace, where it fails.
    """
    expected = alexnet.activations(sample())
    graph, x = alexnet.architecture.layout().graph, as_input(alexnet, sample())
    traced_results = {}

    def join(net, y):
        traced_results["maps"] = alexnet.activations(sample())
        traced_results["classes"] = alexnet.predict(sample())
        with pytest.raises(NameError, match="module is not installed as a submodule"):
            fx.Interpreter(alexnet.model, graph=graph).run(x)
        return net.image(y)

    traced = fx.Tracer().trace(Net(join, image=nn.Conv2d(3, 4, 1)))
    assert [node.name for node in traced.nodes] == ["x", "image", "output"]  # and nothing of AlexNet
    assert torch.equal(traced_results["maps"].lower, expected.lower)
    assert torch.equal(traced_results["maps"].upper, expected.upper)
    assert traced_results["classes"] == alexnet.predict(sample())


def test_two_threads_ask_for_new_sizes_at_once():
    structure = Architecture(spec_of("alexnet"))

    def pairs_and_sizes(size):
        return structure.layer_pairs, structure.map_sizes(structure.default_pair, size)

    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(pairs_and_sizes, [256] * 16))
    assert set(pairs) == {pairs[0]}
    assert pairs[0][1] == ((15, 15), (15, 15))
