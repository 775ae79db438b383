"""The words that a newcomer does not know, each explained in one sentence where it is used and in docs/glossary.md."""

from crosspool.ui.widgets.browser import component

GLOSSARY = {
    "activation map": "What a layer of the network computes for an image: a stack of channels on a grid of positions.",
    "AP": (
        "Average precision: how well a ranking puts what is looked for before everything else; 1 is perfect, and "
        "chance gives the share of what is looked for."
    ),
    "block": "P_k, the part of P that belongs to map k: the sum of all patches, each times the weight of map k there.",
    "channel": "One of the maps that a layer writes: one number at each position, large where it finds its pattern.",
    "cl@448": (
        "A method's name: cl is cross-layer pooling of the last layer pair, 448 the size in pixels at which the "
        "network sees each image."
    ),
    "contribution": "What one channel or one position adds to a score; all of them and the intercept add up to it.",
    "D_t": "The number of channels of the lower layer, t; D_{t+1} is that of the upper layer.",
    "energy": "The squared length of a block of P; its share says how much of P comes from that map.",
    "intercept": "The number at which a score starts, before any channel has added anything to it.",
    "layer pair": (
        "A convolution of the network: the maps that it reads are the lower layer, and the maps that it writes the "
        "upper one."
    ),
    "local feature": "The patch at one position, read as a list of numbers: x_i in Eq. 1.",
    "logit": "A class's score as the network computes it, before softmax turns the scores into shares.",
    "mAP": "The mean of the average precisions (AP) of all classes.",
    "McNemar": (
        "McNemar's test looks at the images that only one of two methods gets right: is one of them ahead more often "
        "than tosses of a coin would be?"
    ),
    "P": "The pooled feature of the whole image: the blocks of all weighting maps, one after another.",
    "patch": "What a convolution reads of the lower layer at one position: all channels of a few neighbouring cells.",
    "peak": "The weight of a map that is farthest from zero, and the position where it stands.",
    "position": "A cell of the map's grid, by row and column from 0: a place where the convolution is applied.",
    "receptive field": "The part of the image that can influence one position of a map.",
    "ReLU6": (
        "An activation function: numbers below 0 become 0 and numbers above 6 become 6, so that no weight exceeds 6."
    ),
    "softmax": "Turns the scores of all classes into shares between 0 and 1 that add up to 1.",
    "sparsity": "The share of a map's positions whose weight is 0.",
    "weighting map": "One channel of the upper layer: the weight with which the patch at each position counts.",
}

_draw = component("ui/widgets/glossary")


def term(name: str, text: str = "") -> str:
    """Markdown for a word of the glossary, or for another form of it, which explains itself to whoever points at it.

    It works where Streamlit shows links: in texts and captions, not on buttons.
    """
    if name not in GLOSSARY:
        raise KeyError(name)
    return f"[{text or name}](#{slug(name)})"


def slug(name: str) -> str:
    """The address of a word, within a page."""
    return "term-" + "".join(character if character.isalnum() else "-" for character in name)


def explain_terms() -> None:
    """Once on a page: what shows the sentence of a word by pointer, focus or touch, and hides it with Escape."""
    _draw({slug(name): [name, sentence] for name, sentence in GLOSSARY.items()}, "glossary")
