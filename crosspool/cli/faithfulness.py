"""`faithfulness`: whether the things that an explanation calls important are important."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crosspool.cli import labelled as shared
from crosspool.cli.console import print_json, print_results
from crosspool.cli.options import Json, methods_option, option
from crosspool.cli.outputs import checked_folder, write_files
from crosspool.cli.progress import stages_progress
from crosspool.errors import SettingError
from crosspool.evaluation.command import option_words

if TYPE_CHECKING:
    from crosspool.backbones import Architecture
    from crosspool.datasets import Dataset
    from crosspool.datasets.fieldguide.guide import Drawing
    from crosspool.methods import MethodSpec

FRAMING: Literal["squash"] = "squash"
METHOD_HELP = "The method to explain, one of those of crosspool evaluate, such as cl@448, cl/pca64, sum or global."
METHOD = methods_option("METHOD", METHOD_HELP, "--method", "-m", default="cl at twice the network's own size")
BASELINE_HELP = "The method whose map of the evidence is compared with it."
BASELINE = methods_option("METHOD", BASELINE_HELP, default="global at the same size")
CHANNELS = option("PERCENT", "The share of channels to remove, besides a series of shares.")
PIXELS_HELP = "Hide pixels too, on N test images of each split; each takes about 100 passes of the network."
FILL_HELP = "What replaces hidden pixels: the blurred image, or its mean colour."


def faithfulness_command(
    *,
    method: Annotated[str | None, METHOD] = None,
    baseline: Annotated[str | None, BASELINE] = None,
    splits: Annotated[int, option("N", shared.SPLITS_HELP, min=2)] = 5,
    train_size: shared.TrainSize = None,
    channels: Annotated[float, CHANNELS] = 5.0,
    pixels: Annotated[int, option("N", PIXELS_HELP, min=0)] = 0,
    fill: Annotated[Literal["blur", "mean"], typer.Option(help=FILL_HELP)] = "blur",
    labelled: shared.LabelledOptions,
    out: shared.ResultFolder = None,
    json: Json = False,
) -> None:
    """Measure whether what an explanation calls important is important.

    On the test images of random splits, remove the channels that contribute most to the predicted class, and leave out
    the positions where its evidence lies, against other orders; then predict again. For fieldguide, also measure how
    much of the evidence lies in the parts that define a species. Images are seen whole (squash). Takes
    minutes, and says how many are left.
    """
    if not 0 < channels < 100:
        raise SettingError(f"--channels is a share in percent, above 0 and below 100, not {channels:g}.")
    folder = checked_folder(out)
    from crosspool.backbones import architecture

    structure = architecture(labelled.backbone)  # before what takes seconds to import
    from crosspool.evaluation.protocol import SplitOptions, file_keys
    from crosspool.faithfulness.files import faithfulness_files, faithfulness_json
    from crosspool.faithfulness.study import Question, study
    from crosspool.faithfulness.tables import FaithfulnessFindings, faithfulness_sections, introduction

    def question_for(structure: "Architecture") -> Question:
        explained, beside = (spec.on(structure, FRAMING) for spec in specs)
        return Question(explained, beside, channels / 100, pixels, fill, labelled.seed)

    specs = chosen_methods(method, baseline, structure)
    named = question_for(structure)  # raises before anything is loaded
    size = shared.parsed_train_size(train_size)
    options = SplitOptions(splits, size, labelled.seed, False, labelled.on_problem)
    dataset = options.check(labelled.open_dataset())
    network = labelled.load_backbone([named.method, named.baseline])
    question = question_for(network.architecture)
    with shared.resumable():
        features = options.settle(labelled.compute_features(dataset, network, (), question.sources))
        dataset = features.dataset
        random_splits = options.protocol(dataset, file_keys(features)).splits
        masks = drawings(labelled.dataset, dataset)
        with stages_progress() as progress, shared.room_for_vectors(labelled.cache_folder) as scratch:
            answer = study(dataset, question, features, random_splits, masks, scratch=scratch, progress=progress)
    words = option_words(method=specs[0].name, baseline=specs[1].name, splits=splits, train_size=train_size)
    words += option_words(channels=f"{channels:g}", pixels=pixels or None, fill=fill if pixels else None)
    command = ("crosspool", "faithfulness", labelled.dataset, *words, *labelled.spelled_out(framing=None))
    weights = Path(network.weights).name
    findings = FaithfulnessFindings(answer, labelled.backbone, network.title, weights, command, dataset.layout)
    written = write_files(folder, faithfulness_files(findings))
    if json:
        print_json(faithfulness_json(findings))
        return
    print_results(introduction(findings), faithfulness_sections(findings), dataset.problems, folder, written)


def chosen_methods(method: str | None, baseline: str | None, structure: "Architecture") -> "list[MethodSpec]":
    """The method and the baseline, by default at the size of the method."""
    from crosspool.framing import MAX_SIZE
    from crosspool.methods import MethodSpec

    own = structure.spec.preprocessing.size
    name = method or f"cl@{min(2 * own, MAX_SIZE)}"
    for text, flag in ((name, "--method"), (baseline or "", "--baseline")):
        if "," in text:
            raise SettingError(f"{flag} is one method, not {text}.")
    spec = MethodSpec.parse(name)
    size = max(source.size for source in spec.on(structure, FRAMING).sources)
    return [spec, MethodSpec.parse(baseline or f"global@{size}")]


def drawings(spec: str, dataset: "Dataset") -> "Callable[[int], Drawing] | None":
    """The masks of FieldGuide's samples, by their number in `dataset`; None for other data sets."""
    from crosspool.datasets.catalogue import FIELDGUIDE, fieldguide_numbers
    from crosspool.datasets.fieldguide.guide import fieldguide, image_and_masks

    if spec.partition(":")[0] != FIELDGUIDE:
        return None
    arguments = fieldguide_numbers(spec)
    per_class, seed = arguments.get("per_class", 30), arguments.get("seed", 0)
    numbers_by_name = {sample.name: number for number, sample in enumerate(fieldguide(per_class, seed=seed).samples)}
    return lambda index: image_and_masks(numbers_by_name[dataset.samples[index].name], per_class, seed=seed)
