"""Addresses that no page of the app would write."""

from dataclasses import fields
from functools import cache
from random import Random
from urllib.parse import parse_qsl, urlencode

from benchmarks.harness.fuzzing.base import ACCEPTED, Kind, check_sentence
from crosspool.backbones import architecture, backbone_specs
from crosspool.samples import samples
from crosspool.ui.visit.link import _CHOICES, RIGHT, LinkState, from_params, to_params

NAMES = tuple(field.name for field in fields(LinkState))
STRANGE = (
    "", " ", "-1", "0", "1", "2", "-0", "-0.0", "+1", "1e3", "1e400", "nan", "inf", "-inf", "0x10", "1_000", "１２８",
    "٣", "9" * 5000,
    "1.0000000000000001", "0.1", "1e-320", "128", "896", "897", "224", "3,17", "3,3", ",", "1,", "01", "²",
    "<script>alert(1)</script>", "`**x**`", "[a](javascript:b)", "\0", "\n\n# x", "\u202e", "é" * 3000, "None", "true",
    "../../etc/passwd", "{}", "%", "%00", "🐈", "\ud800", "0,1,2,3,4,5,6,7", "0,1,2,3,4,5,6,7,8", "features.8",
    "tiger cat",
)  # fmt: skip


def link(random: Random) -> bytes:
    """One query string: settings that fit together or do not, values of any kind, and unknown parameters."""
    if random.random() < 0.1:
        return random.choice((random.randbytes(60), b"&" * 5000, b"=" * 50, b"sample", b"a=" + b"x" * 60_000))
    chosen = random.sample(NAMES, random.choice((1, 2, 3, 6, len(NAMES))))
    params = [(name, _value(name, random)) for name in chosen]
    if random.random() < 0.2:
        params += random.choices([*params, ("step", "99"), ("", "x"), ("__class__", "1"), ("classifier", "/file")], k=2)
    text = urlencode(params, errors="surrogatepass")
    if random.random() < 0.1:
        at = random.randrange(len(text) + 1)
        text = text[:at] + random.choice(("%", "%zz", "&", ";", "=", "#", "%ff")) + text[at:]
    return text.encode()


def params_of(query: bytes) -> dict[str, str]:
    """The parameters that a server passes on: the last value of each name."""
    return dict(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10_000))


def _value(name: str, random: Random) -> str:
    return random.choice(STRANGE if random.random() < 0.35 else _sensible(name))


@cache
def _sensible(name: str) -> tuple[str, ...]:
    """Values that are valid for a parameter, at least with some network."""
    name = name.removeprefix(RIGHT)
    if name in _CHOICES:
        return _CHOICES[name]
    network, classes = architecture("efficientnet_lite0"), backbone_specs()["efficientnet_lite0"].classes()[280:290]
    return {
        "sample": tuple(sample.id for sample in samples()),
        "backbone": ("efficientnet_lite0", *list(backbone_specs())[:2]),
        "pair": tuple(pair.id for pair in network.layer_pairs[-4:]),
        "positive": classes,
        "against": classes,
    }.get(name, ("0", "1", "7", "128", "300", "0.5", "3,17"))


def judge(query: bytes) -> str:
    """The first note on what was ignored; the link of the settings that were read leads back to them without a note."""
    settings, notes = from_params(params_of(query))
    assert from_params(to_params(settings)) == (settings, []), f"its own link does not bring back {settings}"
    assert from_params(params_of(urlencode(to_params(settings)).encode())) == (settings, [])
    return next(map(check_sentence, notes), ACCEPTED)


KIND = Kind("urls", link, judge, warm=lambda: [architecture(name).layer_pairs for name in _sensible("backbone")])
