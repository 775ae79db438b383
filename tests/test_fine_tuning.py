"""Fine-tuning by identities, against slow references, and over interruptions; only training images teach it."""

import io
import itertools

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from crosspool import tail_training
from crosspool.backbones import UNTRAINED, architecture, load, load_backbone
from crosspool.cache import ArrayCache
from crosspool.classifiers import load_classifier
from crosspool.contributions import explain
from crosspool.datasets import UNKNOWN
from crosspool.encoding import LOGIT_SCALE, ROOT_FLOOR, Lessons, class_loss
from crosspool.errors import SettingError
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.run import evaluate_methods
from crosspool.evaluation.splits import stratified_splits
from crosspool.features import Features
from crosspool.fine_tuning import FineTuning
from crosspool.framing import frame_image
from crosspool.methods import parse_method
from crosspool.parts.rcnn import TRUE_BOXES
from crosspool.records import compute_record
from crosspool.tail_training import TRIALS, Trial, Tuning, best_of, has_stopped, held_out_part
from crosspool.tails import joints, tail_of, weights_of
from crosspool.tracing import subgraph
from crosspool.training import train_classifier
from crosspool.tuned_networks import fitted_tuning, last_layer, tuned_state, write_weights
from tests.images import tinted, tints
from tests.networks import sample, small_network, spec_for

TINTS = tints(each=6)
EVERYTHING = np.arange(len(TINTS))
NONE = EVERYTHING[:0]


@pytest.fixture(scope="module")
def tiny():
    return load(spec_for(small_network), UNTRAINED, "cpu", None)


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(device="cpu")


@pytest.fixture
def features(tiny, tmp_path):
    return Features(TINTS, tiny, [], ArrayCache(tmp_path))


def tuning_of(features, name, progress=lambda done, total: None, seed=0):
    """The fitted step that tunes the network, for a method that is learned from all images."""
    method = parse_method(name, features.backbone.architecture)
    records = features.records_of(EVERYTHING, method.sources_to_fit)
    encoder = method.encoder(seed)
    return encoder.fit(records, features.lessons(method, EVERYTHING, progress))[0]


# --- the tail


@pytest.mark.parametrize("network", ["efficientnet_lite0", "resnet18", "densenet121", "inception_v3"])
def test_the_untuned_tail_yields_what_the_network_does(network):
    backbone = load_backbone(network, "untrained", "cpu", engine="torch")
    method = parse_method("cl@160", backbone.architecture)
    for share in (0.05, 0.3, 1.0):
        tail = tail_of(backbone.architecture, [method.sources], share)
        names = (tail.start, *tail.nodes, tail.vector)
        start, *expected = backbone.outputs([sample().resize((160, 160))], names)
        with torch.no_grad():
            yielded = tail.run(tail.of(backbone.model), start, 160)
        for one, other in zip(yielded, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_joints_of_a_network_are_where_it_could_be_cut():
    """Inside a residual block, two ways lead past each other."""
    places = dict(joints(architecture("resnet18").layout(224), ("flatten",)))
    assert {"x", "maxpool", "layer4_0_relu_1", "layer4_1_relu_1"} <= places.keys()
    assert not {"layer4_1_conv1", "layer4_1_relu", "layer4_0_downsample_0"} & places.keys()
    assert places["x"] == 1
    assert places["layer4_1_relu_1"] == 0
    block, whole = 2 * 512 * 512 * 9 * 7 * 7, 1_813_561_344  # without the last layer
    assert places["layer4_0_relu_1"] == pytest.approx(block / whole, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("ft+cl@448", "add_18"),
        ("ft/share0.06+cl@448", "blocks_15_bn2"),
        ("ft/share0.001+global@448", "blocks_15_bn2"),  # at least one layer
        ("ft/share0.2+global@448", "add_17"),
        ("ft/share1+cl@448", "pad"),  # all of it, from the padded image
        ("ft+cl:blocks.8.project_conv@448", "blocks_8_relu_1"),  # before the maps that are pooled
    ],
)
def test_the_share_decides_what_is_tuned(name, start):
    tuning = parse_method(name, architecture("efficientnet_lite0")).tuning
    assert tuning is not None
    assert tuning.tail.start == start


@pytest.mark.parametrize(
    "name", ["cl", "gem", "sum/lower", "global", "global:fc8", "parts-rcnn", "gem+global", "cl-56", "cl-67"]
)
@pytest.mark.parametrize("network", ["alexnet", "efficientnet_lite0", "convnext_tiny"])
def test_every_part_is_tuned(network, name):
    """AlexNet's tail is mostly after the maps that are pooled: without care, they would stay as they are.

    The lower map of a pair may stay.
    """
    structure = architecture(network)
    if network != "alexnet" and name in ("global:fc8", "cl-56", "cl-67"):
        pytest.skip("a layer of AlexNet")
    method = parse_method(f"ft+{name}", structure)
    assert method.tuning is not None
    tail = method.tuning.tail
    layout = structure.layout(tail.size)
    for part in method.parts:
        nodes = {source.node for source in part.sources} - {tail.start}
        assert any(weights_of(layout.model, subgraph(layout.graph, (node,), tail.start)) for node in nodes)


def test_half_of_the_layers_are_of_those_that_are_pooled():
    """AlexNet's fc7 is after the activations of fc6, which are pooled: tuning it alone would change nothing."""
    backbone = load_backbone("alexnet", "untrained", "cpu", engine="torch")
    method = parse_method("ft+global", backbone.architecture)
    assert method.tuning is not None
    tuning = method.tuning.training([], Lessons(np.array([0, 1]), network=backbone.model))
    assert tuning.tuned_names(0.5) == ["classifier.1.weight", "classifier.4.weight"]
    assert tuning.trials == list(TRIALS[:2])  # the third tunes the same as the second


def test_a_network_without_a_fully_connected_layer_is_refused():
    with pytest.raises(SettingError, match="has no fully-connected layer"):
        parse_method("ft+cl", architecture("squeezenet1_1"))


# --- names


@pytest.mark.parametrize("name", ["ft", "cl+ft", "ft+ft+cl", "ft@448+cl", "ft:conv_head+cl", "ft/epochs1001+cl"])
def test_names_that_mean_nothing(name):
    with pytest.raises(SettingError, match=r"ft|epochs"):
        parse_method(name, architecture("efficientnet_lite0"))


def test_one_network_is_tuned():
    with pytest.raises(SettingError, match="tunes one network"):
        parse_method("ft+cl+cl[resnet18]", architecture("efficientnet_lite0"))


# --- learning


@pytest.mark.parametrize("name", ["cl", "global", "cl/pca2", "cl+global", "cl-f@256/ternary", "sum/lower"])
def test_without_epochs_it_is_the_frozen_method(features, tiny, name):
    tuned, frozen = (parse_method(each, tiny.architecture) for each in (f"ft/epochs0/share1+{name}", name))
    vectors = [
        method.encoder(3)
        .fit(features.records_of(EVERYTHING, method.sources_to_fit), features.lessons(method, EVERYTHING))
        .transform(features.records_of(EVERYTHING, method.sources))
        for method in (tuned, frozen)
    ]
    np.testing.assert_allclose(vectors[0], vectors[1], rtol=1e-4, atol=1e-5)


def test_it_learns_its_training_images(features, monkeypatch):
    """The loss falls below that of a new layer that knows nothing."""
    monkeypatch.setattr(tail_training, "HEAD_RATE", 0.1)
    monkeypatch.setattr(Tuning, "_train_head", lambda self, images, done: None)
    method = parse_method("ft/epochs30+global", features.backbone.architecture)
    records = features.records_of(EVERYTHING, method.sources_to_fit)
    assert method.tuning is not None
    tuning = method.tuning.training(records, features.lessons(method, EVERYTHING))
    tuning._trained(Trial(0.01, 1), EVERYTHING, NONE, 30, 0)
    assert tuning.loss(EVERYTHING) < np.log(3) - 0.1  # two of the tints look alike to it


def test_the_tail_alone_is_tuned_and_the_network_stays_as_it_was(features, tiny):
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    step = tuning_of(features, "ft+cl")
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in tiny.model.parameters())
    assert {name.split(".")[0] for name, _ in step.layers.named_parameters()} == {"second"}
    assert not torch.equal(step.layers.second.weight, before["second.weight"])
    assert torch.equal(step.layers.second.bias, before["second.bias"])


def test_a_step_is_that_of_a_slow_reference(monkeypatch):
    """AdamW by hand, with slopes from small differences, for two epochs of a batch, of a convolution of two numbers."""
    monkeypatch.setattr(Tuning, "_train_head", lambda self, images, done: None)

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 2, 1)
            self.second = nn.Conv2d(2, 2, 1, bias=False)
            self.last = nn.Linear(2, 2)

        def forward(self, x):
            return self.last(self.second(self.first(x).relu()).relu().mean((2, 3)))

    backbone = load(spec_for(Two), UNTRAINED, "cpu", None)
    tail = tail_of(backbone.architecture, [parse_method("cl", backbone.architecture).sources], 0.5)
    step = FineTuning(tail, parse_method("cl", backbone.architecture).sources, epochs=2)
    x, targets = np.array([[1.0, 0.5], [0.3, 2.0], [0.5, 0.6]]), np.array([0, 1, 1])
    views = [dict.fromkeys(step.lesson_views, np.float32(row).reshape(1, 2, 1, 1)) for row in x]
    start = np.array([[2.0, 0.5], [1.0, 1.5]])
    backbone.model.get_parameter("second.weight").copy_(torch.from_numpy(start)[..., None, None])
    tuning = step.training(views, Lessons(targets, network=backbone.model))
    tuning._trained(TRIALS[0], np.arange(3), NONE, 2, 0)

    def loss(w, head, bias):
        pooled = np.maximum(x @ w.T, 0)
        rooted = pooled / np.sqrt(np.abs(pooled) + ROOT_FLOOR)
        scores = LOGIT_SCALE * rooted / np.linalg.norm(rooted, axis=1, keepdims=True) @ head.T + bias
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        return -np.log(shares[np.arange(3), targets]).mean()

    def slopes(numbers, name):
        slope = np.zeros_like(numbers[name])
        for place in np.ndindex(slope.shape):
            ends = []
            for small in (1e-6, -1e-6):
                moved = {key: value.copy() for key, value in numbers.items()}
                moved[name][place] += small
                ends.append(loss(**moved))
            slope[place] = (ends[0] - ends[1]) / 2e-6
        return slope

    numbers = {"w": start, "head": np.zeros((2, 2)), "bias": np.zeros(2)}
    rates = dict.fromkeys(numbers, tail_training.HEAD_RATE)
    rates["w"] = np.sqrt(np.square(start).mean()) * TRIALS[0].rate
    moments = {name: (np.zeros_like(value), np.zeros_like(value)) for name, value in numbers.items()}
    for number in range(2):
        gradients = {name: slopes(numbers, name) for name in numbers}
        for name, gradient in gradients.items():
            rate = rates[name] * (1 + np.cos(np.pi * number / 2)) / 2
            first, second = moments[name]
            first, second = moments[name] = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            move = first / (1 - 0.9 ** (number + 1)) / (np.sqrt(second / (1 - 0.999 ** (number + 1))) + 1e-8)
            numbers[name] = numbers[name] * (1 - rate * tail_training.WEIGHT_DECAY) - rate * move
    tuned = tuning.layers.get_parameter("second.weight").detach()
    np.testing.assert_allclose(tuned[..., 0, 0], numbers["w"], rtol=1e-4)
    np.testing.assert_allclose(tuning.head.weight.detach(), numbers["head"], rtol=1e-3)
    np.testing.assert_allclose(tuning.head.bias.detach(), numbers["bias"], atol=1e-4)


def test_labels_that_are_not_known_do_not_count():
    scores, targets = torch.tensor([[2.0, -1.0], [0.5, 3.0]]), torch.tensor([[1, UNKNOWN], [0, 1]])
    expected = -np.log([1 / (1 + np.exp(-2.0)), 1 - 1 / (1 + np.exp(-0.5)), 1 / (1 + np.exp(-3.0))]).mean()
    assert float(class_loss(scores, targets)) == pytest.approx(expected, rel=1e-6)
    assert float(class_loss(scores, torch.full((2, 2), UNKNOWN))) == 0
    assert float(class_loss(scores, torch.tensor([0, 1]))) == pytest.approx(
        float(F.cross_entropy(scores, torch.arange(2)))
    )


# --- what is chosen on held-out training images


@pytest.mark.parametrize(
    ("losses", "stopped"),
    [([], False), ([3, 2], False), ([3, 4, 5], False), ([3, 4, 5, 4], True), ([3, 4, 4, 2.9], False),
     ([3, 2, 2.5, 2.1, 2], True), ([3, 2, 2.5, 2.1, 1.9, 1.8], False)],
)  # fmt: skip
def test_training_stops_when_the_loss_has_not_fallen_for_three_epochs(losses, stopped):
    assert has_stopped(losses) == stopped


def test_the_trial_and_epoch_of_the_lowest_loss_are_taken():
    first, second = Trial(0.1, 1), Trial(0.2, 0.5)
    assert best_of({first: [3.0, 2.0, 2.5], second: [float("nan"), 2.0, 1.5]}) == (second, 2)
    assert best_of({first: [2.0, 2.0], second: [2.0]}) == (first, 0)
    with pytest.raises(SettingError, match="not finite"):
        best_of({first: [float("nan")], second: [float("inf")]})


@pytest.mark.parametrize(
    ("share", "tuned"), [(1, {"third", "fourth", "fifth"}), (0.5, {"fifth"}), (0.7, {"fourth", "fifth"})]
)
def test_a_share_of_the_layers_is_tuned_the_last_ones(share, tuned, tmp_path):
    """Half of three layers is one, rounded down."""

    class Five(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(3, 4, 1)
            self.second = nn.Conv2d(4, 64, 8, stride=8)
            self.third = nn.Conv2d(64, 4, 1)
            self.fourth = nn.Conv2d(4, 4, 1)
            self.fifth = nn.Conv2d(4, 4, 1)
            self.last = nn.Linear(4, 2)

        def forward(self, x):
            for layer in (self.first, self.second, self.third, self.fourth, self.fifth):
                x = layer(x).relu()
            return self.last(x.mean((2, 3)))

    backbone = load(spec_for(Five), UNTRAINED, "cpu", None)
    features = Features(TINTS, backbone, [], ArrayCache(tmp_path))
    method = parse_method("ft/share0.15+global", backbone.architecture)
    assert method.tuning is not None
    records = features.records_of(EVERYTHING, method.sources_to_fit)
    tuning = method.tuning.training(records, features.lessons(method, EVERYTHING))
    tuning.begin(Trial(0.01, share))
    assert {name.split(".")[0] for name, each in tuning.layers.named_parameters() if each.requires_grad} == tuned


def test_a_quarter_of_each_class_is_held_out():
    targets = np.array([0] * 8 + [1] * 4 + [2])
    held_out = held_out_part(targets, 0)
    assert np.bincount(targets[held_out], minlength=3).tolist() == [2, 1, 0]
    assert not np.array_equal(held_out, held_out_part(targets, 1))
    assert len(held_out_part(np.zeros((8, 2), np.intp), 0)) == 2


def test_early_stopping_sets_the_number_of_epochs(features, tiny, monkeypatch):
    """With losses by hand: of the trials, the second is lower, after its second epoch."""
    losses, epochs = iter([2.5, 2.5, 4.0, 5.0, 2.5, 3.0, 2.0, 2.5, 2.5, 2.5]), []
    monkeypatch.setattr(Tuning, "loss", lambda self, images: next(losses))
    epoch = Tuning._epoch

    def counted(self, optimizer, images, number, done):
        epochs.append((optimizer.param_groups[0]["highest"] / scale, len(images)))
        epoch(self, optimizer, images, number, done)

    monkeypatch.setattr(Tuning, "_epoch", counted)
    scale = float(tiny.model.get_parameter("second.weight").square().mean().sqrt())
    step = tuning_of(features, "ft+cl")
    first, second, _ = (trial.rate for trial in TRIALS)  # with a single layer, the third is the second
    kept = len(TINTS) - len(held_out_part(TINTS.targets, 0))
    wanted = [*[(first, kept)] * 3, *[(second, kept)] * 5, *[(second, len(TINTS))] * 2]
    np.testing.assert_allclose(epochs, wanted, rtol=1e-6)
    assert step.epochs_ == 2


def test_a_network_that_no_tuning_helps_stays_as_it_is(features, tiny, monkeypatch):
    """With losses by hand that never fall."""
    monkeypatch.setattr(Tuning, "loss", lambda self, images: 2.0)
    step = tuning_of(features, "ft+cl")
    assert step.epochs_ == 0
    assert torch.equal(step.layers.second.weight, tiny.model.get_parameter("second.weight"))


def test_without_held_out_images_the_network_stays_as_it_is(features, tiny, monkeypatch):
    monkeypatch.setattr(tail_training, "HELD_OUT", 0.0)
    step = tuning_of(features, "ft+cl", lambda done, total: pytest.fail("it was trained"))
    assert step.epochs_ == 0
    assert torch.equal(step.layers.second.weight, tiny.model.get_parameter("second.weight"))


def test_the_new_layer_starts_from_logistic_regression(features):
    """Of images and mirror images, on the network as it is: the probabilities are those of scikit-learn's."""
    method = parse_method("ft+global", features.backbone.architecture)
    records = features.records_of(EVERYTHING, method.sources_to_fit)
    assert method.tuning is not None
    tuning = method.tuning.training(records, features.lessons(method, EVERYTHING))
    before = [parameter.clone() for parameter in tuning.layers.parameters()]
    tuning._train_head(EVERYTHING, 0)
    assert all(torch.equal(*each) for each in zip(before, tuning.layers.parameters(), strict=True))
    with torch.no_grad():
        plain, mirrored = (tuning._vectors(EVERYTHING, np.full(len(TINTS), view)) for view in (0, 1))
        shares = tuning.head(plain).softmax(dim=1)
    vectors, targets = torch.cat([plain, mirrored]).numpy(), np.tile(TINTS.targets, 2)
    regression = LogisticRegression(C=tail_training.HEAD_C, tol=1e-8, max_iter=1000).fit(vectors, targets)
    np.testing.assert_allclose(shares, regression.predict_proba(plain.numpy()), atol=1e-3)


def test_the_new_layer_is_trained_alone_once_for_all_trials(features, monkeypatch):
    method = parse_method("ft+global", features.backbone.architecture)
    records = features.records_of(EVERYTHING, method.sources_to_fit)
    assert method.tuning is not None
    tuning = method.tuning.training(records, features.lessons(method, EVERYTHING))
    tuning._train_head(EVERYTHING, 0)
    first = tuning.head.weight.detach().clone()
    tuning.begin(TRIALS[1])
    monkeypatch.setattr(Tuning, "_vectors", lambda self, images, mirrored: pytest.fail("it was trained again"))
    tuning._train_head(EVERYTHING, 0)
    assert torch.equal(tuning.head.weight, first)


def test_an_evaluation_says_where_the_network_stayed_as_it_was(features, monkeypatch):
    """With losses by hand that make tuning help in the second of two splits alone."""
    method = parse_method("ft/epochs1+global", features.backbone.architecture)
    never, helps = [2.0, 2.0], [2.0, 1.0]
    losses = iter([*never, *never, *never, *helps])
    monkeypatch.setattr(Tuning, "loss", lambda self, images: next(losses))
    protocol = Protocol(stratified_splits(TINTS.targets, 2, 12, 0), official=False)
    report = evaluate_methods([method], features, protocol)
    (result,) = report.methods
    assert result.untuned == 1
    (problem,) = report.problems
    assert problem.startswith(f"{method.name} is global in 1 of 2 splits: ")


# --- interruptions


def weights_after(features, stop_at=None):
    def progress(done, total):
        if stop_at is not None and done >= stop_at:
            raise KeyboardInterrupt

    return tuning_of(features, "ft/epochs3+cl", progress).weights_


def test_the_same_is_learned_after_an_interruption_anywhere(tiny, tmp_path, one_core):
    expected = weights_after(Features(TINTS, tiny, [], ArrayCache(tmp_path / "whole")))
    for stop_at in (9, 40, 100):
        features = Features(TINTS, tiny, [], ArrayCache(tmp_path / str(stop_at)))
        with pytest.raises(KeyboardInterrupt):
            weights_after(features, stop_at)
        np.testing.assert_array_equal(weights_after(features), expected)


def test_what_is_finished_is_not_learned_again(features, monkeypatch):
    expected = weights_after(features)
    monkeypatch.setattr(Tuning, "_epoch", lambda *args: pytest.fail("it was trained again"))
    np.testing.assert_array_equal(weights_after(features), expected)
    with pytest.raises(BaseException, match="trained again"):
        tuning_of(features, "ft/epochs3+cl", seed=1)


def test_of_finished_trials_only_the_losses_are_kept(features):
    """The layers themselves are kept of the last training alone, for the next time."""
    kept = {}
    put = features.cache.put
    features.cache.put = lambda key, array: (kept.update({key: array}), put(key, array))
    tuning_of(features, "ft/epochs3+cl")
    contents = [
        torch.load(io.BytesIO(each.tobytes()), weights_only=True) for each in kept.values() if each.dtype == np.uint8
    ]
    assert [len(content) for content in contents] == [1, 1, 4]


def saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"nothing", saved([[1.0], {}, {}]), saved([[1.0], {}, {}, {}]), saved(3)])
def test_what_is_kept_of_something_else_counts_as_absent(features, monkeypatch, content):
    expected = weights_after(features)
    get, other = ArrayCache.get, np.frombuffer(content, np.uint8)

    def replaced(self, key):
        kept = get(self, key)
        return other if kept is not None and kept.dtype == np.uint8 else kept

    monkeypatch.setattr(ArrayCache, "get", replaced)
    np.testing.assert_array_equal(weights_after(features), expected)


def test_what_a_record_has_besides_maps_is_passed_through(features):
    tuning = tuning_of(features, "ft/epochs0+cl")
    (record,) = features.records_of(EVERYTHING[:1], tuning.inputs)
    (tuned,) = tuning.transform([{**record, TRUE_BOXES: {"head": (0, 0, 1, 1)}}])
    assert tuned[TRUE_BOXES] == {"head": (0, 0, 1, 1)}
    assert tuned.keys() == {TRUE_BOXES, *tuning.sources}


def test_progress_counts_images_of_at_most_so_many(features):
    seen = []
    tuning_of(features, "ft/epochs2+cl", lambda done, total: seen.append((done, total)))
    kept = len(TINTS) - len(held_out_part(TINTS.targets, 0))
    total = (2 + 2) * (2 * kept + len(TINTS))  # two epochs after two views for the new layer
    assert {whole for _, whole in seen} == {total}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] <= total


@pytest.mark.parametrize(("held_out", "images"), [(0.25, (2 + 2) * (2 * 12 + 18)), (0.0, 0)])
def test_the_time_is_foreseen_from_the_second_batch(features, monkeypatch, held_out, images):
    """By a clock that counts its readings: 1 for the batch of 16. Two trials differ in the single layer.

    Without held-out images, nothing is tuned.
    """
    monkeypatch.setattr(tail_training, "HELD_OUT", held_out)
    monkeypatch.setattr("time.perf_counter", itertools.count().__next__)
    method = parse_method("ft/epochs2+cl", features.backbone.architecture)
    records, lessons = features.records_of(EVERYTHING, method.sources_to_fit), features.lessons(method, EVERYTHING)
    step = method.tuning_step()
    assert step is not None
    assert step.foreseen_seconds(records, lessons) == images / 16


# --- classifiers


@pytest.mark.parametrize("name", ["ft/epochs1+cl", "ft/epochs1+cl/pca2+global", "ft/epochs1+cl/ternary"])
def test_a_classifier_is_the_same_when_it_is_read_again(name, lite0, tmp_path):
    name = name.replace("cl", "cl:blocks.14.project_conv@128").replace("global", "global@128")
    method = parse_method(name, lite0.architecture)
    features = Features(tints(), lite0, method.sources_to_fit, ArrayCache(tmp_path / "cache"))
    classifier = train_classifier(tints(), features, method)
    classifier.save(tmp_path / "tints.safetensors")
    again = load_classifier(tmp_path / "tints.safetensors")
    image = tinted(50, 1)
    np.testing.assert_array_equal(again.scores([image], lite0), classifier.scores([image], lite0))
    for explanation in (explain(each, lite0, image) for each in (classifier, again)):
        contributions = explanation.contributions()
        assert contributions.check.holds
        assert contributions.positions is not None
        np.testing.assert_allclose(explanation.scores, classifier.scores([image], lite0)[0], rtol=1e-5)


def test_the_parts_of_an_explanation_are_those_of_the_tuned_maps(lite0, tmp_path):
    method = parse_method("ft/epochs1+global@128", lite0.architecture)
    features = Features(tints(), lite0, method.sources_to_fit, ArrayCache(tmp_path))
    classifier = train_classifier(tints(), features, method)
    image = tinted(50, 1)
    record = compute_record(lite0, image, method.sources)
    tuned = classifier.encoder[0].tuned(record)
    (part,) = explain(classifier, lite0, image).parts
    (averaged,) = [source for source in tuned if source.node == "relu_1"]
    torch.testing.assert_close(part.map, tuned[averaged].double())
    assert method.sources_to_explain == method.sources


# --- a tuned network's file


@pytest.mark.parametrize("network", ["efficientnet_lite0", "densenet121"])
def test_tuned_weights_load_like_any_others(network, tmp_path):
    """The tuned network gives the scores of the tuned tail and the new layer, under the names of the classes."""
    backbone = load_backbone(network, "untrained", "cpu", engine="torch")
    method = parse_method("ft/epochs1+global@128", backbone.architecture)
    features = Features(tints(), backbone, method.sources_to_fit, ArrayCache(tmp_path / "cache"))
    path = tmp_path / "tuned.safetensors"
    write_weights(path, tuned_state(features, fitted_tuning(features, method)), tints().classes)
    again = load_backbone(network, path, "cpu", engine="torch")
    assert again.classes == ("red", "green", "blue")
    everything = np.arange(len(features.dataset))
    step = clone(method.tuning).fit(
        features.records_of(everything, method.sources_to_fit), features.lessons(method, everything)
    )
    image = frame_image(tinted(50, 1), backbone.spec.preprocessing, 128, "squash")
    (start,) = backbone.outputs([image], (step.tail.start,))
    records = features.records_of(everything, method.sources_to_fit)
    weight, bias = (torch.from_numpy(each) for each in last_layer(step.vectors(records), features.dataset.targets))
    with torch.no_grad():
        expected = step.tail.run(step.layers, start, 128)[-1] @ weight.T + bias
    (scores,) = again.outputs([image], (again.architecture.layout(128).output,))
    torch.testing.assert_close(scores, expected, rtol=1e-3, atol=1e-4)
    assert not torch.equal(scores, backbone.outputs([image], (backbone.architecture.layout(128).output,))[0][:, :3])


@pytest.mark.parametrize("count", [2, 3])
def test_the_last_layer_is_a_logistic_regression(count):
    """Its scores have the probabilities of scikit-learn's, and numbers of any size are learned alike."""
    generator = np.random.default_rng(0)
    targets = np.arange(30) % count
    vectors = (generator.standard_normal((30, 4)) + targets[:, None]).astype(np.float32)
    weight, bias = last_layer(vectors, targets)
    scaled = vectors / vectors.std(axis=0)
    expected = LogisticRegression().fit(scaled, targets).predict_proba(scaled)
    np.testing.assert_allclose(softmax(vectors @ weight.T + bias, axis=1), expected, atol=1e-4)
    larger, same = last_layer(100 * vectors, targets)
    np.testing.assert_allclose(larger, weight / 100, rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(same, bias, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("pair", [(0, 0), (3, 3), (3, np.nextafter(np.float32(3), np.float32(4)))])
def test_what_is_the_same_for_all_images_is_not_magnified(pair):
    """Also where rounding leaves it a spread."""
    vectors = np.random.default_rng(0).standard_normal((12, 3)).astype(np.float32)
    vectors[:, 1] = 6 * pair
    weight, bias = last_layer(vectors, np.arange(12) % 3)
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()
    assert np.abs(weight[:, 1]).max() < 10


def test_a_method_that_tunes_nothing_makes_no_file(features, tiny):
    with pytest.raises(SettingError, match="write ft"):
        fitted_tuning(features, parse_method("global", tiny.architecture))
