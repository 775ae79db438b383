"""Methods are chosen within training images alone, and what is chosen is tested on images that had no part in it."""

from dataclasses import replace

import numpy as np
import pytest

from crosspool.backbones.structure import architecture_of
from crosspool.datasets import Split
from crosspool.encoding import LearnedStep
from crosspool.evaluation.choice import choices_of, inner_count, inner_splits, needing_choice, recommended
from crosspool.evaluation.findings import AccuracyFindings
from crosspool.evaluation.protocol import Protocol
from crosspool.evaluation.report import Outcome, summarised
from crosspool.evaluation.run import evaluate_methods, report_of
from crosspool.evaluation.splits import stratified_splits
from crosspool.evaluation.tables import accuracy_sections
from crosspool.features import Features
from crosspool.methods import parse_methods
from tests.images import dataset_of, noise, png, tints
from tests.networks import small_network, spec_for

TINTS = tints(each=8)
PROTOCOL = Protocol(stratified_splits(TINTS.targets, 3, 15, 0), official=False)
KEYS = [str(index) for index in range(len(TINTS))]


def evaluated(tiny, cache, names, dataset=TINTS, **options):
    methods = parse_methods(names, tiny.architecture)
    sources = sorted({source for method in methods for source in method.sources})
    return evaluate_methods(methods, Features(dataset, tiny, sources, cache), PROTOCOL, **options)


def judged(method):
    """Its measure within the training images of each split."""
    values = [outcome.inner for outcome in method.outcomes if outcome.inner is not None]
    assert len(values) == len(method.outcomes)
    return values


def result(name, inner, rights, length=10):
    """A method that gets every test image right or wrong, in each of three splits."""
    outcomes = []
    for split, judged, right in zip(PROTOCOL.splits, inner, rights, strict=True):
        scores = np.eye(3)[TINTS.targets[split.test] if right else (TINTS.targets[split.test] + 1) % 3]
        outcomes.append(Outcome(split, scores, judged))
    return summarised(TINTS, name, outcomes, length, 4 * length, 0.1 * length, 0)


# --- splits of a split


def test_inner_splits_hold_training_images_only_and_each_class_on_either_side():
    (split, *_) = PROTOCOL.splits
    inner = inner_splits(TINTS, split, 0, KEYS)
    assert len(inner) == 10
    for each in inner:
        assert sorted([*each.train, *each.test]) == list(split.train)
        for side in (each.train, each.test):
            assert set(TINTS.targets[side]) == {0, 1, 2}
        assert len(each.train) == 11  # three quarters


def test_copies_stay_on_one_side_of_inner_splits():
    (split, *_) = PROTOCOL.splits
    keys = [str(index // 2) for index in range(len(TINTS))]  # pairs of equal images
    for each in inner_splits(TINTS, split, 0, keys):
        assert not {keys[index] for index in each.train} & {keys[index] for index in each.test}


def test_a_class_with_a_single_training_image_allows_no_choice():
    targets = TINTS.targets
    one_of_the_last = [*np.flatnonzero(targets == 0)[:3], *np.flatnonzero(targets == 1)[:3], np.argmax(targets == 2)]
    split = Split(np.array(one_of_the_last), np.setdiff1d(np.arange(len(TINTS)), one_of_the_last))
    assert inner_splits(TINTS, split, 0, KEYS) == []


# --- choices


def test_each_split_has_the_method_that_is_best_within_its_training_images():
    """Also where that is the worse one on the test images."""
    first = result("global@128", (0.9, 0.2, 0.9), (True, True, False))
    second = result("global@160", (0.5, 0.6, 0.5), (True, False, True))
    (choice,) = choices_of(TINTS, [first, second], 0)
    assert choice.picks == ("global@128", "global@160", "global@128")
    assert choice.counts == [("global@128", 2), ("global@160", 1)]
    assert choice.result.name == "best fully-connected"
    assert choice.result.measures["accuracy"].by_split == (1.0, 0.0, 0.0)
    assert choice.result.dimensions == 10


def test_of_equally_good_methods_the_shorter_one_is_chosen():
    long, short = (result(f"global@{n}", (0.5,) * 3, (True,) * 3, n) for n in (256, 128))
    (choice,) = choices_of(TINTS, [long, short], 0)
    assert set(choice.picks) == {"global@128"}
    assert recommended([long, short]) == "global@128"


def test_a_kind_of_a_single_method_stands_beside_the_choice():
    results = [
        result("cl@128", (None,) * 3, (True,) * 3),
        *(result(f"global@{n}", (0.5,) * 3, (False,) * 3, n) for n in (128, 160)),
    ]
    choices = list(choices_of(TINTS, results, 0))
    assert [(choice.kind, choice.favourite) for choice in choices] == [
        ("cross-layer", "cl@128"), ("fully-connected", "global@128")
    ]  # fmt: skip
    assert list(choices_of(TINTS, results[:2], 0)) == []
    assert needing_choice([each.name for each in results]) == ["global@128", "global@160"]


def test_of_all_methods_one_is_recommended(tiny, cache):
    report = evaluated(tiny, cache, "cl,sum,global", recommend=True)
    every, cross_layer, vector = report.choices
    assert every.candidates == ("cl", "sum", "global")
    assert (cross_layer.candidates, vector.candidates) == (("cl",), ("global",))
    assert report.recommended in every.candidates
    inner = {each.name: np.mean(judged(each)) for each in report.methods}
    assert inner[report.recommended] == max(inner.values())
    assert {pair.baseline for pair in report.chosen_paired} == {"best fully-connected"}


def test_all_are_judged_on_the_same_inner_splits():
    methods = parse_methods("cl,global,guided", architecture_of(spec_for(small_network), 2))
    assert [inner_count(some) for some in (methods[:2], methods)] == [10, 1]


def test_without_inner_splits_none_is_recommended():
    results = [result(f"global@{n}", (None,) * 3, (True,) * 3, n) for n in (128, 160)]
    assert recommended(results) is None
    assert list(choices_of(TINTS, results, 0, of_all=True)) == []


def test_nothing_is_judged_unless_there_is_a_choice(tiny, cache):
    report = evaluated(tiny, cache, "cl,sum,global")
    assert report.choices == ()
    assert report.recommended is None
    assert {outcome.inner for each in report.methods for outcome in each.outcomes} == {None}


# --- leaks


def test_test_images_have_no_part_in_a_choice(tiny, cache):
    """With noise in place of each split's test images, every method is judged to be just as good."""
    (split, *_) = PROTOCOL.splits
    files = [sample.read() for sample in TINTS.samples]
    for index in split.test:
        files[index] = png(noise(1000 + index))
    names = "cl,cl/pca3,global@128,global@160"
    reports = [evaluated(tiny, cache, names, data) for data in (TINTS, dataset_of(files, TINTS.targets))]
    ours, others = ([judged(each)[0] for each in report.methods] for report in reports)
    assert ours == others
    tested = [[each.outcomes[0].scores.tolist() for each in report.methods] for report in reports]
    assert tested[0] != tested[1]


class Memory(LearnedStep):
    """Remembers the classes of the images that it was taught, and knows nothing else."""

    is_taught = True

    def __init__(self, source):
        self.source = source

    def fit(self, X, y=None):
        self.known_ = {record[self.source].tobytes(): label for record, label in zip(X, y.targets, strict=True)}
        return self

    def transform(self, X):
        classes = [self.known_.get(record[self.source].tobytes(), 3) for record in X]
        return np.eye(4, dtype=np.float32)[classes]


@pytest.mark.parametrize("is_taught", [True, False])
def test_what_knows_its_images_classes_is_taught_anew_to_be_judged(tiny, cache, monkeypatch, is_taught):
    """Judged by what it learned from all training images it would be perfect, as it is where it does not own up."""
    monkeypatch.setattr(Memory, "is_taught", is_taught)
    (method,) = parse_methods("cl", tiny.architecture)
    (part,) = method.parts
    memory = replace(method, parts=(replace(part, steps=(("memory", Memory(part.sources[0])),)),))
    assert memory.is_taught is is_taught
    features = Features(TINTS, tiny, memory.sources, cache)
    report = evaluate_methods([memory, replace(memory, name="cl@128")], features, PROTOCOL)
    assert (min(judged(report.methods[0])) == 1) is not is_taught


def test_methods_of_parts_are_set_against_the_best_pooling_that_needs_none():
    results = [
        result("cl@128", (0.5,) * 3, (True, False, False)),
        result("cl@160", (0.9,) * 3, (True, True, False)),
        result("parts-rcnn@128", (None,) * 3, (True,) * 3),
    ]
    report = report_of(TINTS, results, PROTOCOL)
    (pair,) = [each for each in report.chosen_paired if each.method == "parts-rcnn@128"]
    assert pair.baseline == "best cross-layer"
    assert pair.difference == pytest.approx(1 / 3)


def test_what_parts_are_worth_is_printed_where_nothing_was_chosen():
    """Against the best of several pooling methods that were not judged within training images."""
    results = [
        result("cl@128", (None,) * 3, (True, False, False)),
        result("cl@160", (None,) * 3, (True, True, False)),
        result("parts-rcnn@128", (None,) * 3, (True,) * 3),
    ]
    report = report_of(TINTS, results, PROTOCOL)
    findings = AccuracyFindings(report, "tiny", "Tiny", "untrained", "squash", 10, (), paper=False)
    *_, section = accuracy_sections(findings)
    assert (section.title, report.choices) == ("What annotated parts are worth", ())
    cells = {column.title: list(column.cells) for column in section.columns}
    assert (cells["method"], cells["against"], cells["points"]) == (["parts-rcnn@128"], ["cl@160"], ["+33.3"])
