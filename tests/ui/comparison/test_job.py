"""The comparison in the background: its findings, how it ends early, what it leaves behind, and whose turn it is."""

import gc
import hashlib
import math
import threading
import time
import weakref
from collections import Counter

import numpy as np
import pytest

from crosspool.backbones import UNTRAINED, load
from crosspool.cache import CacheError
from crosspool.datasets import Split
from crosspool.errors import DatasetError, SettingError
from crosspool.evaluation.report import MethodResult, Outcome, most_predicted
from crosspool.evaluation.run import evaluate_methods, result_of
from crosspool.features import Features
from crosspool.methods import parse_methods
from crosspool.training import train_classifier
from crosspool.ui.comparison.job import ComparisonWork, Job
from crosspool.ui.comparison.plan import RETRAINED_LIMIT, TEST_BYTES, Plan
from crosspool.ui.comparison.result import train_on
from crosspool.ui.runtime.accounts import Account, charged_to
from crosspool.ui.runtime.background import FullError
from crosspool.ui.runtime.gate import Ticket
from crosspool.ui.runtime.networks import Network, Networks
from crosspool.ui.runtime.quota import Budget
from crosspool.ui.runtime.server import Server, use_server
from crosspool.ui.runtime.settings import ServerSettings
from crosspool.ui.visit.labelled import Collection
from tests.images import png, tinted
from tests.networks import small_network, spec_for

METHODS = "cl@160,global@128"
EACH = 5
LONG = 120  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def backbone():
    return load(spec_for(small_network), UNTRAINED, "cpu")


def collected(each=EACH, channels=3):
    """An image of each tint, then a second, and so on; the first one of the first class twice."""
    collection = Collection("tints")
    for channel, label in zip(range(channels), ("red", "green", "blue"), strict=False):
        for number in range(each):
            assert collection.add(label, png(tinted(10 * number + channel, channel)), f"{number}.png") == ""
    collection.add("red", png(tinted(0, 0)), "copy.png")
    return collection


def planned(backbone, names=METHODS, collection=None):
    labelled = (collection or collected()).labelled()
    return Plan(labelled, named(backbone), tuple(parse_methods(names, backbone.architecture)), 3, 9)


def named(backbone):
    """A network whose backbone is not in any list of names."""
    held = type("Held", (Network,), {"backbone": backbone, "spec": backbone.spec})
    return held(backbone.spec.name, backbone.weights, Networks(1, 2**40, threads=1))


@pytest.fixture(scope="module")
def done(backbone, module_server):
    """A comparison that ran to its end."""
    job = Job(planned(backbone), module_server)
    assert job.wait(LONG)
    assert job.error == ""
    return job


class Computed(list):
    """The computed images with their sources, and the thread of each; at most `limit` of them."""

    def __init__(self):
        super().__init__()
        self.threads, self.limit = [], math.inf


@pytest.fixture
def slow(monkeypatch):
    """The images computed so far; each takes a moment, and may be made to wait."""
    computed = Computed()
    ensure = Features._whole

    def slowly(features, needed):
        time.sleep(0.05)
        until(lambda: len(computed) < computed.limit)
        problem = ensure(features, needed)
        computed.threads.append(threading.get_ident())
        computed.append((needed[0], features.sources))
        return problem

    monkeypatch.setattr(Features, "_whole", slowly)
    return computed


def until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def of_another_visitor(plan, server):
    """A job of a visitor who has no other."""
    with charged_to(Account()):
        return Job(plan, server)


# --- its findings


def test_its_findings_are_those_of_the_library(done, backbone):
    plan, comparison = done.work.plan, done.work.comparison
    sources = sorted({source for method in plan.methods for source in method.sources})
    features = Features(plan.labelled.dataset, backbone, sources, plan.labelled.cache)
    expected = evaluate_methods(plan.methods, features, plan.protocol(), ["global@128"])
    assert [result.name for result in comparison.report.methods] == METHODS.split(",")
    for own_result, result in zip(comparison.report.methods, expected.methods, strict=True):
        assert own_result.measures == result.measures
        assert (own_result.confusion == result.confusion).all()
    assert comparison.report.paired == expected.paired
    assert comparison.report.problems == expected.problems
    assert "there twice: red/1 0.png and red/6 copy.png" in comparison.report.problems[0]


def expect_equal(weights, expected):
    """But for their last digits: on some processors sums are in another order in a job's thread."""
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-10)


def test_its_classifiers_are_trained_on_all_images(done, backbone):
    comparison = done.work.comparison
    for method in done.work.plan.methods:
        features = Features(comparison.dataset, backbone, method.sources, comparison.labelled.cache)
        expected = train_classifier(comparison.dataset, features, method)
        expect_equal(comparison.classifiers[method.name].weights, expected.weights)


def test_progress_ends_at_the_whole(done):
    assert done.work.progress.share == pytest.approx(1)
    assert not done.running
    assert list(done.work.results) == METHODS.split(",")  # in the order of the plan, though the quick one came first


@pytest.mark.parametrize(
    ("names", "is_foreseeable"),
    [("cl@160/pca2,global@128", True), ("guided@128,global@128", False), ("ft+cl@128", False), ("cl+fv@128", False)],
)
def test_no_time_is_promised_where_learning_takes_who_knows_how_long(backbone, names, is_foreseeable):
    assert planned(backbone, names).is_foreseeable == is_foreseeable


def test_what_learns_least_is_tested_first_and_what_learns_without_end_in_sight_last(backbone):
    plan = planned(backbone, "guided@128,cl@128/pca2,cl@160,global@128")
    assert [method.name for method, _ in plan.stages()] == ["global@128", "cl@160", "cl@128/pca2", "guided@128"]
    assert plan.names[0] == "guided@128"  # and is shown first


def test_what_is_learned_is_named_as_soon_as_it_begins(backbone, monkeypatch, server):
    stages = []
    begin = ComparisonWork.begin

    def noted(work, stage, cost, total):
        begin(work, stage, cost, total)
        stages.append((stage, work.progress.share))

    monkeypatch.setattr(ComparisonWork, "begin", noted)
    job = Job(planned(backbone, "cl@128/pca2"), server)
    assert job.wait(LONG)
    assert not job.error
    names, shares = zip(*stages, strict=True)
    on_splits = [
        f"{stage} cl@128/pca2, split {split} of 3"
        for split in (1, 2, 3)
        for stage in ("Learning", "Encoding with", "Training support vector machines on")
    ]
    assert names == (
        "Computing 16 images, 128 px",
        *on_splits,
        "Timing cl@128/pca2",
        "Learning cl@128/pca2 from all images",
        "Encoding all images with cl@128/pca2",
        "Training support vector machines on cl@128/pca2",
    )
    assert list(shares) == sorted(shares)
    assert shares[-1] == pytest.approx(1)


def test_it_says_that_it_waits_for_what_is_being_computed(backbone, server):
    """As after a cancelled one, whose present step has to end."""
    with server.compute.turn():
        job = Job(planned(backbone), server)
        until(lambda: job.work.progress.stage.startswith("Waiting for a computation under way; one that was cancelled"))
        assert job.work.progress.share == 0
    assert job.wait(LONG)
    assert not job.error


def test_progress_grows_and_results_come_one_by_one(backbone, slow, server):
    job = Job(planned(backbone), server)
    shares, stages, firsts = [], [], []
    while not job.wait(0):
        slow.limit = len(slow) + 1
        until(lambda: len(slow) == slow.limit or job.wait(0))
        progress = job.work.progress
        shares.append(progress.share)
        stages.append(progress.stage)
        firsts.append(list(job.work.results))
    assert shares == sorted(shares)
    assert "Computing 16 images, 128 px" in stages
    assert ["global@128"] in firsts  # before the finer one is done
    assert job.work.comparison is not None


def test_the_command_is_spelled_out(backbone):
    assert " ".join(planned(backbone).command) == (
        "crosspool evaluate FOLDER --methods cl@160,global@128 --splits 3 --train-size 9 --baseline global@128 "
        "--seed 0 --backbone tiny --framing squash --on-problem skip --weights untrained"
    )


def test_vectors_without_room_are_refused_before_it_starts(backbone, monkeypatch):
    """180 numbers of `cl` (5 maps over 4 x 3 x 3), 5 of `global`; 3 classes, and 16 images with the copy."""
    plan = planned(backbone)
    plan.check_room()
    images = len(plan.labelled.dataset)
    monkeypatch.setattr("crosspool.ui.comparison.plan.MAX_VECTORS_BYTES", 4 * 180 * images)
    plan.check_room()
    monkeypatch.setattr("crosspool.ui.comparison.plan.MAX_VECTORS_BYTES", 4 * 180 * images - 1)
    with pytest.raises(SettingError, match=rf"cl@160 for {images} images take 11\.5 kB; take fewer"):
        plan.check_room()


def test_classifiers_without_room_are_refused_before_it_starts(backbone, slow, monkeypatch, server):
    """Two classifiers of 3 classes, of 180 and 5 numbers, and two more of the larger method; scores of 3 splits."""
    plan = planned(backbone)
    assert plan.classifiers_bytes == 4 * 3 * (180 + 5 + 2 * 180)
    assert plan.kept_bytes == plan.classifiers_bytes + 2 * 3 * 16 * (8 * 3 + TEST_BYTES)
    budget = Budget("of the test", plan.kept_bytes, plan.kept_bytes)
    monkeypatch.setattr(server, "classifier_memory", budget)
    job = Job(plan, server)
    assert budget.reserved == budget.limit
    with pytest.raises(SettingError, match=r"take 21\.1 kB, .* no room now; try again when others have left"):
        of_another_visitor(plan, server)
    assert len(server.training_jobs) == 1
    job.cancel()
    assert job.wait(LONG)
    until(lambda: gc.collect() >= 0 and budget.reserved == 0)  # although the page still holds the job
    assert job.cancelled
    budget.limit = budget.account_limit = plan.kept_bytes - 1
    with pytest.raises(SettingError, match=r"no room now; take fewer methods"):
        Job(plan, server)


def test_an_impossible_training_size_is_refused_before_it_starts(backbone):
    plan = Plan(collected().labelled(), named(backbone), planned(backbone).methods, 3, 1)
    with pytest.raises(SettingError, match="Train on 3 to 12 of the 15 different images"):
        plan.protocol()


# --- how it ends early


def test_cancelling_ends_it_after_an_image_and_loses_nothing(backbone, slow, server):
    plan, slow.limit = planned(backbone), 5
    job = Job(plan, server)
    until(lambda: len(slow) == 5)
    job.cancel()
    assert not job.running  # the page is free at once
    slow.limit = math.inf
    assert job.wait(LONG)
    assert len(slow) <= 6
    assert (job.work.comparison, job.error) == (None, "")
    computed = len(slow)
    cached = {index for index, _ in slow}
    again = Job(plan, server)
    assert again.wait(LONG)
    assert again.work.comparison is not None
    lacking = [index for index, sources in slow[computed:] if sources == slow[0][1] and index not in cached]
    assert len(lacking) == 16 - len(cached)


def test_a_job_ends_with_its_session_and_gives_its_memory_back(backbone, slow, server):
    plan = planned(backbone)
    folder, labelled = plan.labelled.cache.folder, weakref.ref(plan.labelled)
    slow.limit = 2
    state = {"job": Job(plan, server)}
    del plan
    until(lambda: len(slow) == 2)
    ended = state["job"]._ending.ended
    state.clear()
    gc.collect()
    slow.limit = math.inf
    assert ended.wait(LONG)
    until(lambda: gc.collect() >= 0 and labelled() is None)
    until(lambda: not folder.exists())
    assert len(slow) <= 3


def cache_error(folder):
    error = CacheError(f"Cannot write to the cache folder {folder}")
    error.__cause__ = OSError(30, "Read-only file system")
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DatasetError("There is too little."), "There is too little."),
        (OSError(28, "No space left on device"), "could not store what was computed (No space left on device)"),
        (cache_error("/server/folder"), "could not store what was computed (Read-only file system)"),
        (MemoryError(), "not enough memory"),
        (ValueError("odd"), "The comparison failed (ValueError: odd); this is a bug in crosspool."),
    ],
)
def test_a_failure_is_one_sentence_and_keeps_the_results_so_far(backbone, monkeypatch, error, sentence, server):
    tested = result_of

    def fails(method, *args, **kwargs):
        if method.name.startswith("cl"):
            raise error
        return tested(method, *args, **kwargs)

    monkeypatch.setattr("crosspool.ui.comparison.job.result_of", fails)
    job = Job(planned(backbone), server)
    assert job.wait(LONG)
    assert sentence in job.error
    assert "/server" not in job.error
    assert list(job.work.results) == ["global@128"]
    assert job.work.comparison is None
    with server.compute.turn():  # is free
        pass


def test_other_computations_go_first_between_two_images(backbone, slow, server):
    job = Job(planned(backbone, collection=collected(20)), server)  # more than are computed here
    until(lambda: len(slow) >= 2)
    for _ in range(3):
        with server.compute.turn():
            before = len(slow)
            time.sleep(0.12)
            assert len(slow) <= before + 1  # nothing is computed meanwhile
        time.sleep(0.06)
    assert job.running
    job.cancel()
    assert job.wait(LONG)


def test_two_jobs_take_turns(backbone, slow, server):
    jobs = [of_another_visitor(planned(backbone), server) for _ in range(2)]
    until(lambda: len(set(slow.threads)) == 2)  # one of them began alone
    begun = len(slow)
    until(lambda: len(slow) >= begun + 6)
    turns = Counter(slow.threads[begun : begun + 6])
    assert sorted(turns.values()) in ([2, 4], [3, 3])
    for job in jobs:
        job.cancel()
        assert job.wait(LONG)


def test_a_visitor_trains_once_at_a_time(backbone, slow, server):
    slow.limit = 0
    job, reserved = Job(planned(backbone), server), server.classifier_memory.reserved
    with pytest.raises(FullError, match="You have a training under way, maybe in another tab"):
        Job(planned(backbone), server)
    assert server.classifier_memory.reserved == reserved
    job.cancel()
    slow.limit = math.inf
    assert job.wait(LONG)


def test_beyond_the_queue_a_training_is_refused_before_anything_is_reserved(backbone, slow):
    slow.limit = 0
    with use_server(Server(ServerSettings(trainings=1, trainings_waiting=1))) as server:
        jobs = [of_another_visitor(planned(backbone), server) for _ in range(2)]
        reserved = server.classifier_memory.reserved
        with pytest.raises(FullError, match="The server is full, as it takes 2 trainings; try again in a few minutes"):
            of_another_visitor(planned(backbone), server)
        assert server.classifier_memory.reserved == reserved
        for job in jobs:
            job.cancel()
        slow.limit = math.inf
        assert all(job.wait(LONG) for job in jobs)


def test_a_long_training_lets_others_train_and_says_so(backbone, slow, monkeypatch):
    monkeypatch.setattr("crosspool.ui.comparison.job.SLICE_SECONDS", 0.0)
    slow.limit = 1
    with use_server(Server(ServerSettings(trainings=1))) as server:
        first = of_another_visitor(planned(backbone), server)
        until(lambda: len(slow) == 1)
        second = of_another_visitor(planned(backbone), server)
        until(lambda: server.trainings.waiting == 1)
        slow.limit = 2
        until(lambda: len(slow) == 2)
        until(lambda: first.work.progress.stage == "Place 1 in the queue of trainings")
        assert second.work.progress.stage.startswith("Computing")
        assert (server.trainings.running, server.compute.running, server.compute.waiting) == (1, 1, 0)
        slow.limit = math.inf
        assert first.wait(LONG)
        assert second.wait(LONG)
        assert (first.error, second.error) == ("", "")
        assert len(set(slow.threads)) == 2


def test_only_the_time_in_a_place_counts(backbone, monkeypatch):
    """Another training has the only place for 1,000 seconds; meanwhile there is no turn to compute either."""
    clock, computing = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with use_server(Server(ServerSettings(trainings=1))) as server:
        other, work = Ticket(server.trainings, Account()), ComparisonWork(planned(backbone), server)

        def check():
            if server.trainings.running and other not in server.trainings._waiting and clock[0] == 100:
                computing.append(server.compute.running)
                clock[0] += 1000
                server.trainings.leave(other)

        with work.turn(check):
            clock[0] += 100
            server.trainings.join(other)
            work.step()
            clock[0] += 5
            assert work.seconds == 105
        assert work.seconds == 105
        assert computing == [0]


# --- a classifier trained without an image


def test_without_leaves_out_the_image_and_its_copies(done, backbone):
    comparison = done.work.comparison
    samples = comparison.dataset.samples
    key = hashlib.sha256(samples[0].read()).hexdigest()
    classifier = comparison.without("cl@160", key)
    others = [i for i, sample in enumerate(samples) if hashlib.sha256(sample.read()).hexdigest() != key]
    assert len(others) == len(samples) - 2  # it is there twice
    smaller = comparison.dataset.subset(np.array(others))
    method = comparison.classifiers["cl@160"].method
    expected = train_classifier(smaller, Features(smaller, backbone, method.sources, comparison.labelled.cache), method)
    expect_equal(classifier.weights, expected.weights)
    assert classifier.settings.images == len(others)
    with pytest.raises(AssertionError):
        expect_equal(classifier.weights, comparison.classifiers["cl@160"].weights)


def test_without_recognises_an_image_by_its_file_before_shrinking(backbone, server):
    collection, large = collected(), png(tinted(50, 0).resize((1500, 1500)))
    assert collection.add("red", large, "large.png") == ""
    job = Job(planned(backbone, "global@128", collection), server)
    assert job.wait(LONG)
    comparison = job.work.comparison
    assert comparison is not None
    shrunk = collection.classes["red"][-1].data
    assert shrunk != large
    for data in (large, shrunk):
        classifier = comparison.without("global@128", hashlib.sha256(data).hexdigest())
        assert classifier.settings.images == len(comparison.dataset) - 1


def test_without_an_unlabelled_image_is_the_ordinary_classifier(done):
    assert done.work.comparison.without("cl@160", "f" * 64) is done.work.comparison.classifiers["cl@160"]


def test_without_trains_once_and_keeps_a_limited_number(done, monkeypatch):
    comparison = done.work.comparison
    keys = [comparison.labelled.keys_of(sample).pop() for sample in comparison.dataset.samples[1:4]]
    trained, original = [], train_on

    def noted(*args):
        trained.append(args)
        return original(*args)

    monkeypatch.setattr("crosspool.ui.comparison.result.train_on", noted)
    first = comparison.without("global@128", keys[0])
    assert comparison.without("global@128", keys[0]) is first
    assert len(trained) == 1
    for key in keys[1:4]:
        comparison.without("global@128", key)
    assert len(comparison._retrained) == RETRAINED_LIMIT


# --- the prediction of most splits


def test_most_predicted():
    """Image 0: twice class 1. Image 1: once each, so undecided. Image 2: never tested. Image 3: once class 0."""
    splits = [([0, 1], [1, 0]), ([0, 1], [1, 1]), ([3], [0])]
    outcomes = tuple(Outcome(Split(np.array([2]), np.array(test)), np.eye(2)[answers]) for test, answers in splits)
    result = MethodResult("m", {}, 1, 1, 0.0, None, None, outcomes)
    assert most_predicted(result, 4).tolist() == [1, -1, -1, 0]


def test_no_thread_is_left(done):
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "the comparison"])
