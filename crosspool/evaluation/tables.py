"""The findings of an evaluation as tables with notes, and as a page of Markdown."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from crosspool.evaluation.findings import AccuracyFindings, reads_true_parts, versions_sentence
from crosspool.text import Column, Section, human_bytes, markdown_page, percent, plural, shown_ends, signed_percent

if TYPE_CHECKING:
    from crosspool.evaluation.intervals import Interval
    from crosspool.evaluation.report import MethodResult, Paired, Report

TITLES = {
    "accuracy": "accuracy",
    "mean_class_accuracy": "per class",
    "mean_average_precision": "mAP",
    "mean_average_precision_11": "11-point mAP",
}
LABEL_ACCURACY = "labels right"  # the accuracy where an image has several labels
NO_CLEAR_DIFFERENCE = "no clear difference"
SMALL_P = 0.05
FEW_SPLITS = 5  # with fewer, the t distribution has long tails
RESAMPLED, BOOTSTRAP = "corrected resampled t", "percentile bootstrap"


def accuracy_sections(findings: AccuracyFindings) -> list[Section]:
    """The tables of methods, of paired differences, and of the paper's results if asked for."""
    report = findings.report
    tables = [Section("", _method_columns(report), _notes(report))]
    if report.paired:
        title = "Differences on the same splits, in percentage points"
        tables.append(Section(title, _paired_columns(report.paired), _caution(report)))
    if any(result.localised for result in report.methods):
        tables.append(_parts_found(report))
    if report.choices:
        tables.append(Section("Chosen within training images", _choice_columns(report), _choice_notes(report)))
    elif report.chosen_paired:
        tables.append(Section("What annotated parts are worth", _paired_columns(report.chosen_paired)))
    if findings.paper:
        tables.append(_beside_the_paper(report))
    return tables


def _method_columns(report: "Report") -> tuple[Column, ...]:
    main, *others = report.methods[0].measures
    multi_label = main != "accuracy"
    columns = [
        Column("method", [result.name for result in report.methods], names=True),
        _measure_column(report.methods, main, TITLES[main]),
        Column("95 % interval", [_range(result.measures[main].interval) for result in report.methods], right=True),
    ]
    for rank, measure in enumerate(others, 2):
        title = LABEL_ACCURACY if multi_label and measure == "accuracy" else TITLES[measure]
        columns.append(_measure_column(report.methods, measure, title, rank))
    times = [result.seconds_per_image for result in report.methods if result.seconds_per_image is not None]
    return (
        *columns,
        Column("dimensions", [f"{result.dimensions:,}" for result in report.methods], right=True, optional=1),
        Column("storage", [human_bytes(result.bytes_per_image) for result in report.methods], right=True),
        *([Column("time", [f"{1000 * seconds:.0f} ms" for seconds in times], right=True)] if times else []),
    )


def _measure_column(results: "Sequence[MethodResult]", measure: str, title: str, optional: int = 0) -> Column:
    cells = [f"{percent(result.measures[measure].value)} %" for result in results]
    return Column(title, cells, right=True, optional=optional)


def _parts_found(report: "Report") -> Section:
    detecting = [result for result in report.methods if result.localised]
    names = dict.fromkeys(name for result in detecting for name in result.localised)
    columns = [Column(name, [_share_of(result.localised, name) for result in detecting], right=True) for name in names]
    note = "Of the test images that show a part, those in which the box found for it and the true one overlap by half."
    return Section("Parts found", (Column("method", [each.name for each in detecting], names=True), *columns), (note,))


def _share_of(localised: Mapping[str, float], name: str) -> str:
    return f"{percent(localised[name])} %" if name in localised else "–"


def _choice_columns(report: "Report") -> tuple[Column, ...]:
    chosen = [choice.result for choice in report.choices]
    return (
        Column("choice", [result.name for result in chosen]),
        _measure_column(chosen, report.measure, TITLES[report.measure]),
        Column("95 % interval", [_range(result.measures[report.measure].interval) for result in chosen], right=True),
        Column("chosen", [", ".join(map(_counted, choice.counts)) for choice in report.choices], names=True),
    )


def _counted(pick: tuple[str, int]) -> str:
    return f"{pick[0]} ({pick[1]})"


def _choice_notes(report: "Report") -> tuple[str, ...]:
    notes = [
        "For each split, the method that did best on further splits of its training images; in brackets, how often. "
        "Test images have no part in the choice.",
        *_differences(report),
    ]
    if report.recommended is not None:
        notes.append(f"Recommended, by the training images of all splits: {report.recommended}.")
    return tuple(notes)


def _differences(report: "Report") -> tuple[str, ...]:
    """Those between the choices, and of methods that learn parts."""
    chosen, notes = {choice.result.name for choice in report.choices}, []
    for pair in report.chosen_paired:
        ends = "" if pair.interval is None or pair.interval.is_point else f" ({_range(pair.interval, signed_percent)})"
        name = pair.method.capitalize() if pair.method in chosen else pair.method
        notes.append(f"{name} against {pair.baseline}: {signed_percent(pair.difference)} points{ends}.")
    return tuple(notes)


def _paired_columns(pairs: "Sequence[Paired]") -> tuple[Column, ...]:
    columns = [
        Column("method", [pair.method for pair in pairs], names=True),
        Column("against", [pair.baseline for pair in pairs], names=True),
        Column("points", [signed_percent(pair.difference) for pair in pairs], right=True),
        Column("95 % interval", [_range(pair.interval, signed_percent) for pair in pairs], right=True),
    ]
    tests = [pair.mcnemar for pair in pairs]
    if any(test is not None for test in tests):
        counts = ["–" if test is None else f"{test.only_a} : {test.only_b}" for test in tests]
        columns.append(Column("only right", counts, right=True, optional=1))
        columns.append(Column("p", ["–" if test is None else _p_value(test.p_value) for test in tests], right=True))
    return (*columns, Column("difference", [difference_verdict(pair) for pair in pairs]))


def difference_verdict(pair: "Paired") -> str:
    """The verdict on a difference that its interval allows."""
    if pair.interval is None:
        return "no interval"
    if pair.interval.is_point:
        return NO_CLEAR_DIFFERENCE
    if pair.interval.low > 0:
        return "better"
    return "worse" if pair.interval.high < 0 else NO_CLEAR_DIFFERENCE


def _intervals(report: "Report") -> "list[Interval]":
    intervals = (result.measures[report.measure].interval for result in report.methods)
    return [interval for interval in intervals if interval is not None]


def _on_points(intervals: "Sequence[Interval]") -> tuple[str, ...]:
    """A note on intervals without width, if there are any."""
    points = [interval for interval in intervals if interval.is_point]
    if not points:
        return ()
    units = "images" if points[0].method == BOOTSTRAP else "splits"
    consequence = f"{units} that all agree say nothing about how much others vary; use more {units}"
    return (f"An interval without width shows nothing: {consequence}.",)


def _notes(report: "Report") -> tuple[str, ...]:
    is_timed = report.methods[0].seconds_per_image is not None
    times = " Time: from an image's file to its vector, on this machine." if is_timed else ""
    notes = [f"Storage: of an image's vector.{times}"]
    for result in report.methods:
        if reads_true_parts(result.name):
            notes.append(f"{result.name} reads the true boxes of the parts in test images: an upper bound.")
    intervals = _intervals(report)
    if not intervals:
        return (*notes, "There are no intervals; use more splits.")
    if intervals[0].method == RESAMPLED:
        origin = f"corrected resampled t over the {report.split_count} splits (Nadeau and Bengio, 2003)"
    else:
        kind = "official test images" if report.official else "test images of the one split"
        origin = f"bootstrap over the {report.test_images:,} {kind}, with these training images"
    notes.append(f"Intervals: {100 * intervals[0].level:g} %, {origin}.")
    if any(interval.low < 0 or interval.high > 1 for interval in intervals):
        notes.append("They are shown within 0 and 100 %; the JSON has their ends beyond.")
    points = _on_points(intervals)
    few = intervals[0].method == RESAMPLED and report.split_count < FEW_SPLITS
    if few and not all(interval.is_point for interval in intervals):
        advice = "" if points else "; use more splits"
        notes.append(f"With so few splits they are very wide{advice}.")
    return (*notes, *points)


def _caution(report: "Report") -> tuple[str, ...]:
    notes = []
    intervals = [pair.interval for pair in report.paired if pair.interval is not None]
    if any(interval.low <= 0 <= interval.high for interval in intervals if not interval.is_point):
        notes.append(f"{NO_CLEAR_DIFFERENCE.capitalize()}: the interval includes zero.")
    if any(interval.low < -1 or interval.high > 1 for interval in intervals):
        notes.append("Intervals are shown within 100 points; the JSON has their ends beyond.")
    if not _on_points(_intervals(report)):  # otherwise the first table has this note
        notes += _on_points(intervals)
    if any(pair.mcnemar is not None for pair in report.paired):
        judged = "" if report.split_count == 1 else ", each image judged by most of the splits that tested it"
        notes.append(f"p: McNemar's exact test of how many images only one of the two methods gets right{judged}.")
        if report.split_count > 1 and any(map(_is_small_beside_no_difference, report.paired)):
            notes.append(_two_questions(report.split_count))
    if len(report.paired) > 1:
        notes.append(f"Each of the {len(report.paired)} comparisons is judged on its own.")
    return tuple(notes)


def _is_small_beside_no_difference(pair: "Paired") -> bool:
    is_small = pair.mcnemar is not None and pair.mcnemar.p_value < SMALL_P
    return is_small and difference_verdict(pair) == NO_CLEAR_DIFFERENCE


def _two_questions(splits: int) -> str:
    """Why a small p-value can stand beside no clear difference."""
    few = ""
    if splits < FEW_SPLITS:
        few = f", and with {plural(splits - 1, 'degree')} of freedom, from {splits} splits, a t interval is very wide"
    return (
        f"A small p beside {NO_CLEAR_DIFFERENCE} is no contradiction: p asks about other test images, the interval "
        f"also about other training images{few}."
    )


def _beside_the_paper(report: "Report") -> Section:
    from crosspool.evaluation.paper import CITATION, DATASET, NOTE, counterparts

    by_name = {result.name: result for result in report.methods}
    rows = [(row, name) for row, names in counterparts(list(by_name)) for name in names or ("",)]
    ours = [f"{percent(by_name[name].measures[report.measure].value)} %" if name else "" for _, name in rows]
    columns = (
        Column("in the paper", [row.name for row, _ in rows]),
        Column("its remark", [row.remark for row, _ in rows], optional=1),
        Column(DATASET, [f"{row.accuracy} %" for row, _ in rows], right=True),
        Column("same kind here", [name for _, name in rows], names=True),
        Column(TITLES[report.measure], ours, right=True),
    )
    return Section(f"Beside the paper's Table 1 ({DATASET})", columns, (NOTE, f"{CITATION}."))


def _range(interval: "Interval | None", text: Callable[[float], str] = percent) -> str:
    return "–" if interval is None or interval.is_point else " to ".join(shown_ends(interval.low, interval.high, text))


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def accuracy_markdown(findings: AccuracyFindings) -> str:
    """A page for a project's documentation, with the command that made it."""
    return markdown_page(
        f"{findings.measure.capitalize()} on {findings.report.dataset}",
        findings.command_line,
        "\n".join(findings.introduction),
        accuracy_sections(findings),
        findings.report.problems,
        versions_sentence(),
    )
