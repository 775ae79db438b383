"""What a channel does on each of several images: a table with bars, and one sentence for all of them."""

from collections.abc import Callable, Sequence
from html import escape

from crosspool.text import printable
from crosspool.ui.maps.survey import ImageSummary, SurveyImage
from crosspool.ui.widgets.glossary import term
from crosspool.ui.widgets.text import as_it_is, number

ComputedImage = tuple[SurveyImage, ImageSummary]
COLUMNS: dict[str, Callable[[ImageSummary, int], float]] = {
    "peak": lambda summary, channel: float(summary.peak[channel]),
    "mean": lambda summary, channel: float(summary.mean[channel]),
    "active": lambda summary, channel: float(summary.active[channel]),
    "share of energy": lambda summary, channel: float(summary.energy[channel]),
}
SHARES = ("active", "share of energy")


def summary_sentence(rows: Sequence[ComputedImage], channel: int) -> str:
    """On how many images the channel is active, and where it is strongest; `rows` has the strongest first."""
    active = sum(summary.peak[channel] != 0 for _, summary in rows)
    if not active:
        return f"Zero everywhere on all {len(rows):,} images." if len(rows) > 1 else "Zero everywhere on this image."
    image, summary = rows[0]
    return (
        f"Active on {active:,} of {len(rows):,} {'image' if len(rows) == 1 else 'images'}; strongest on "
        f"{as_it_is(image.title)}, with a {term('peak')} of {number(summary.peak[channel])}."
    )


def table_of_images(rows: Sequence[ComputedImage], channel: int) -> str:
    """A row for each image, with a bar under every number, as HTML."""
    values = {name: [value(summary, channel) for _, summary in rows] for name, value in COLUMNS.items()}
    tops = {name: max(map(abs, column), default=0.0) or 1.0 for name, column in values.items()}
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    lines = []
    for index, (image, summary) in enumerate(rows):
        cells = "".join(_cell(name, values[name][index], tops[name]) for name in COLUMNS)
        picture = f'<img src="{summary.photo}" alt="">'
        lines.append(f'<tr><th scope="row">{picture}<span>{escape(printable(image.title))}</span></th>{cells}</tr>')
    head = f'<thead><tr><th scope="col">image</th>{head}</tr></thead>'
    return f'<div class="channel-images"><table>{head}<tbody>{"".join(lines)}</tbody></table></div>'


def _cell(name: str, value: float, top: float) -> str:
    text = f"{number(100 * value, 2)} %" if name in SHARES else number(value)
    return f'<td>{text}<i style="width: {100 * abs(value) / top:.1f}%"></i></td>'
