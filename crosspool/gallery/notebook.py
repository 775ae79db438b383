"""The gallery in a notebook: the page of `standalone.py` in a frame, as Jupyter, VS Code and Colab display objects."""

import html
from dataclasses import dataclass, field

from crosspool.backbones import OWN, PRETRAINED
from crosspool.backbones.activations import PairActivations
from crosspool.channel_meaning import classes_or_reason
from crosspool.drawing.rendering import SIGNED_COLOUR_MAP, Look
from crosspool.errors import SettingError
from crosspool.gallery.map_files import ChosenMaps
from crosspool.pooling import cross_layer_pool
from crosspool.provenance import Provenance
from crosspool.statistics import channel_statistics, telling_channel
from crosspool.text import printable

# A frame tells its page whether to be light or dark. Notebooks mark that on an element around it: JupyterLab, Colab and
# VS Code in this order. Where none of them does, the page follows the system.
_LIGHT = '[data-jp-theme-light="true"], html[theme="light"], .vscode-light, .vscode-high-contrast-light'
_DARK = '[data-jp-theme-light="false"], html[theme="dark"], .vscode-dark, .vscode-high-contrast'
_STYLE = f"""<style>
.crosspool-gallery {{ display: block; width: 100%; border: 0; color-scheme: light dark; }}
:is({_DARK}) .crosspool-gallery {{ color-scheme: dark; }}
:is({_LIGHT}) .crosspool-gallery {{ color-scheme: light; }}
</style>"""


@dataclass(frozen=True)
class NotebookGallery:
    """The gallery of an image's maps, which a notebook displays where it is the last value of a cell.

    `page` is a whole HTML page that loads nothing; `title` says what it shows, and `height` is in pixels.
    """

    title: str
    height: int
    page: str = field(repr=False)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, whose script reaches neither the notebook nor the network."""
        title, page = html.escape(printable(self.title)), html.escape(self.page)
        frame = f'class="crosspool-gallery" title="{title}" height="{self.height}" sandbox="allow-scripts"'
        return f'{_STYLE}\n<iframe {frame} srcdoc="{page}"></iframe>'


def show(maps: PairActivations, image: int = 0, *, name: str | None = None, height: int = 760) -> NotebookGallery:
    """The gallery of all weighting maps of one image, for a notebook to display.

    It needs no server and no network, and stays in the saved notebook. Shares of energy are those of P with patches
    padded as the network does. Where the network's classes read the maps' means, the gallery names the classes that a
    channel speaks for and against.

    Args:
        maps: The maps of one image or several, from `Backbone.activations`.
        image: Which of the images, from 0.
        name: What to call the image in the gallery; None stands for its number.
        height: The gallery's height in pixels.

    Returns:
        NotebookGallery: Displayed as the last value of a cell, or by `display`.

    Raises:
        SettingError: There is no such image.

    Example:
        >>> import crosspool
        >>> maps = crosspool.load_backbone().activations(crosspool.load_image("assets/samples/cat.jpg"), size=128)
        >>> crosspool.show(maps, name="cat.jpg")
        NotebookGallery(title='1,280 weighting maps of cat.jpg', height=760)
    """
    count = len(maps.framed)
    if not 0 <= image < count:
        numbered = "only image 0" if count == 1 else f"images 0 to {count - 1}"
        raise SettingError(f"There is no image {image}: these maps are of {numbered}.")
    chosen = _chosen_maps(maps, image, f"image {image}" if name is None else name)
    return NotebookGallery(chosen.page_title, height, chosen.file("html").decode())


def _chosen_maps(maps: PairActivations, image: int, name: str) -> ChosenMaps:
    """One image's maps with its most telling one selected."""
    backbone, pair = maps.backbone, maps.pair
    provenance = Provenance(
        architecture=backbone.architecture,
        weights=backbone.weights,
        weights_checksum=(backbone.weights in (PRETRAINED, OWN) and backbone.spec.weights.checksum) or None,
        pair=pair,
        size=maps.framed[image].width,
        framing=maps.framing,
        signed=maps.signed,
        border="zero",
        device=str(backbone.device),
        engine=maps.engine,
    )
    lower, upper = maps.lower[image], maps.upper[image]
    pooled = cross_layer_pool(lower[None], upper[None], **pair.geometry)[0]
    statistics = channel_statistics(upper, pooled)
    weights, signed = upper.cpu().numpy(), provenance.is_signed
    classes = classes_or_reason(backbone, pair)
    return ChosenMaps(
        image={"name": name},
        provenance=provenance,
        framed=maps.framed[image],
        lower=lower.cpu().numpy(),
        upper=weights,
        pooled=pooled.cpu().numpy,
        statistics=statistics,
        channels=[telling_channel(weights, statistics)],
        look=Look(SIGNED_COLOUR_MAP, signed=True) if signed else Look(),
        meaning=None if isinstance(classes, str) else classes,
    )
