"""`backbones`, `pairs`, `fetch` and `doctor`: the networks, their layer pairs and weights, and what works here."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crosspool.cli.console import FILE_WIDTH, print_json, print_table, print_wrapped
from crosspool.cli.options import DEFAULT_BACKBONE, BackboneName, Json, Size, option
from crosspool.cli.progress import download_progress
from crosspool.errors import BackboneError
from crosspool.text import Column, parameters_text, plural, size_text

if TYPE_CHECKING:
    from crosspool.backbones import Architecture, BackboneSpec


TIMM_HELP = "List timm's convolutional networks with such a name instead; with a dot, with the tags of their weights."
Timm = Annotated[str | None, option("PATTERN", TIMM_HELP, "--timm")]


def backbones_command(timm: Timm = None, json: Json = False) -> None:
    """List the networks: input size, parameters, licence of the weights, and whether they are here."""
    from crosspool.backbones import backbone_specs

    specs = list(backbone_specs().values()) if timm is None else _timm_specs(timm)
    if json:
        print_json([_spec_json(spec) for spec in specs])
        return
    licences = [spec.weights_licence.partition(" (") for spec in specs]  # some state where their text is
    columns = [
        Column("name", [spec.name for spec in specs]),
        Column("title", [spec.title for spec in specs], optional=1),
        Column("input", [str(spec.preprocessing.size) for spec in specs], right=True),
        Column("params", [parameters_text(spec.parameters).replace(" ", "") for spec in specs], right=True),
        Column("licence", [name for name, _, _ in licences]),
        Column("weights", [_weights_in_short(spec) for spec in specs]),
    ]
    print_table(columns)
    typer.echo()
    for name, url in sorted({(name, rest.rstrip(")")) for name, _, rest in licences if rest}):
        print_wrapped(f"{name}: not for commercial use, see {url}")
    print_wrapped("get: download the pretrained weights once with  crosspool fetch NAME")
    missing = [spec for spec in specs if spec.weights.availability == "needs a package"]
    for command in sorted({spec.weights.how_to_get(spec.name) for spec in missing}):
        print_wrapped(f"needs a package: {command}")


def _timm_specs(pattern: str) -> list["BackboneSpec"]:
    from crosspool.backbones.timm_networks import convolutional_specs

    specs = convolutional_specs(pattern)
    if not specs:
        raise BackboneError(f"timm has no convolutional network {pattern!r}; try a pattern such as 'resnet*'.")
    return specs


def _weights_in_short(spec: "BackboneSpec") -> str:
    state = spec.weights.availability
    return f"get {spec.weights.megabytes:.0f} MB" if state == "needs a download" else state


def _spec_json(spec: "BackboneSpec") -> dict[str, Any]:
    size, weights = spec.preprocessing.size, spec.weights
    network = {"name": spec.name, "title": spec.title, "input_size": size, "parameters": spec.parameters}
    availability = {"availability": weights.availability, "megabytes": round(weights.megabytes, 1)}
    return {**network, "weights_licence": spec.weights_licence, **availability}


def pairs_command(backbone: BackboneName = DEFAULT_BACKBONE, size: Size = None, json: Json = False) -> None:
    """List a network's layer pairs, and the convolutions that are left out. Needs no weights."""
    from crosspool.backbones import architecture
    from crosspool.provenance import pair_as_json

    structure = architecture(backbone)
    pixels = size or structure.spec.preprocessing.size
    offered = [(pair, *structure.map_sizes(pair, pixels)) for pair in structure.layer_pairs_at(pixels)]
    if json:
        print_json([pair_as_json(pair, lower, upper) for pair, lower, upper in offered])
        return
    print_wrapped(f"{structure.spec.title}, input {pixels}×{pixels}: {plural(len(offered), 'layer pair')}")
    typer.echo()
    columns = [
        Column("pair", [pair.id for pair, _, _ in offered]),
        Column("lower → upper layer", [pair.label for pair, _, _ in offered], optional=3),
        Column(
            "channels", [f"{pair.lower_channels:,} → {pair.upper_channels:,}" for pair, _, _ in offered], right=True
        ),
        Column("kernel", [size_text(pair.kernel_size) for pair, _, _ in offered], right=True),
        Column("stride", [_short(pair.stride) for pair, _, _ in offered], right=True, optional=1),
        Column("pad", [_short(pair.padding) for pair, _, _ in offered], right=True, optional=2),
    ]
    if any(pair.dilation != (1, 1) for pair, _, _ in offered):
        columns.append(Column("dilation", [_short(pair.dilation) for pair, _, _ in offered], right=True))
    columns += [
        Column("maps", [f"{size_text(lower)} → {size_text(upper)}" for _, lower, upper in offered], right=True),
        Column("size of P", [f"{pair.feature_length:,}" for pair, _, _ in offered], right=True),
    ]
    print_table(columns)
    typer.echo()
    print_wrapped(_about_default(structure))
    by_reason: dict[str, list[str]] = {}
    for refused in structure.not_offered:
        by_reason.setdefault(refused.reason, []).append(refused.id)
    for reason, ids in by_reason.items():
        typer.echo()
        print_wrapped(f"{plural(len(ids), 'convolution')} not offered. Reason: {reason}.")
        print_wrapped(", ".join(shortened(ids)), indent=2)


def _about_default(structure: "Architecture") -> str:
    last = structure.default_pair.id
    dense = [pair.id for pair in structure.layer_pairs if pair.is_dense]
    if not dense:
        return f"The default is the last one, {last}."
    own = structure.spec.preprocessing.size
    about = f"fully-connected layers applied as convolutions: at {own} pixels their maps have a single position"
    return f"The default is the last convolution's, {last}. {' and '.join(dense)} are {about}."


NetworkName = Annotated[str, typer.Argument(metavar="NAME", help="The network; crosspool backbones lists them.")]


def fetch_command(name: NetworkName) -> None:
    """Download a network's pretrained weights once, and verify their checksum."""
    from crosspool.backbones import spec_of
    from crosspool.backbones.weights import fetch_weights

    weights = spec_of(name).weights
    if weights.is_intact():
        typer.echo(f"The weights of {name} are here and intact: {weights.path}")
        return
    with download_progress() as bar:
        task = bar.add_task(name, total=weights.megabytes * 1e6)
        path = fetch_weights(weights, lambda done, total: bar.update(task, completed=done, total=total))
    verified = ", checksum verified" if weights.checksum else ""
    typer.echo(f"Downloaded the weights of {name} ({weights.megabytes:.0f} MB{verified}): {path}")


def doctor_command(json: Json = False) -> None:
    """Check this machine: versions, device, weights, cache, fonts, image formats; and say what to do.

    Exits with status 1 if something does not work.
    """
    from crosspool.doctor import examine

    checks = examine()
    failed = [check for check in checks if check.state == "fail"]
    if json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        states = [check.state.upper() if check.state == "fail" else check.state for check in checks]
        names, findings = [check.name for check in checks], [check.found for check in checks]
        columns = [Column("state", states), Column("check", names), Column("found", findings)]
        print_table(columns, width_in_file=FILE_WIDTH)
        for check in checks:
            if check.advice:
                typer.echo()
                print_wrapped(f"{check.name}: {check.advice}")
        failures = f"{len(failed)} of {len(checks)} checks failed."
        typer.echo(f"\n{failures if failed else 'Everything that is needed works.'}")
    if failed:
        raise typer.Exit(1)


def shortened(ids: Sequence[str]) -> list[str]:
    """Join names that differ in one consecutive number: blocks.0.conv and blocks.1.conv become blocks.0–1.conv."""
    names = [re.split(r"(\d+)", name) for name in ids]  # texts at even indices, numbers at odd ones
    for place in range(max(map(len, names), default=0) - 2 | 1, 0, -2):
        names = _counted_together(names, place)
    return ["".join(name) for name in names]


def _counted_together(names: list[list[str]], place: int) -> list[list[str]]:
    """Join the names that are equal but for consecutive numbers at the index `place`."""
    merged: list[list[str]] = []
    latest: dict[tuple[str, ...], tuple[list[str], int]] = {}  # by the other parts: the joined name, its last number
    for name in names:
        if place >= len(name):
            merged.append(name)
            continue
        rest, number = (*name[:place], "", *name[place + 1 :]), int(name[place])
        run, last = latest.get(rest, (name, number))
        if number == last + 1:
            run[place] = f"{run[place].split('–')[0]}–{number}"
        else:
            run = name
            merged.append(name)
        latest[rest] = (run, number)
    return merged


def _short(size: tuple[int, int]) -> str:
    return str(size[0]) if size[0] == size[1] else size_text(size)
