"""The commands, and what happens when one fails: one sentence on standard error, never a traceback for bad input."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TextIO

import typer

from crosspool import __version__
from crosspool.cli.check import doctor_command
from crosspool.cli.classify import classify_command
from crosspool.cli.console import complain
from crosspool.cli.evaluate import evaluate_command
from crosspool.cli.explain import explain_command
from crosspool.cli.faithfulness import faithfulness_command
from crosspool.cli.localise import localise_command
from crosspool.cli.maps import maps_command
from crosspool.cli.networks import backbones_command, fetch_command, pairs_command
from crosspool.cli.options import option_by_option
from crosspool.cli.pool import pool_command
from crosspool.cli.predict import predict_command
from crosspool.cli.serve import serve_command
from crosspool.cli.train import train_command
from crosspool.errors import CrosspoolError

PROGRAM = "crosspool"
BAD_INPUT = 2
# Typer's usage errors, whether it brings its own copy of Click or uses Click itself.
UsageError: Any = typer.BadParameter.__mro__[1]
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")  # torch has no one error for it

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nStart with:\n  crosspool maps photo.jpg --out maps.png\n  crosspool COMMAND --help",
)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """See the spatial weighting maps of a network on your own images, and pool features under them.

    Cross-convolutional-layer pooling: each channel of one layer's map says where to look in the layer before.
    """
    if version:
        typer.echo(f"{PROGRAM} {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _add(command: Callable[..., None], short_help: str, *examples: str) -> None:
    """Add a command; its help ends with examples, one a line, which \\b keeps apart."""
    epilog = "\n".join(["\b", "Examples:" if len(examples) > 1 else "Example:", *(f"  {line}" for line in examples)])
    name = command.__name__.removesuffix("_command")
    app.command(name, short_help=short_help, epilog=epilog)(option_by_option(command))


_add(backbones_command, "List the networks.", "crosspool backbones")
_add(pairs_command, "List a network's layer pairs.", "crosspool pairs --backbone alexnet --size 448")
_add(
    predict_command,
    "Name what is in images.",
    "crosspool predict cat.jpg dog.jpg --top 3",
    "crosspool predict cat.jpg --backbone alexnet --json",
)
_add(
    maps_command,
    "Write the weighting maps of an image: a slide, a page, or the numbers.",
    "crosspool maps cat.jpg --out cat.png --size 448",
    "crosspool maps cat.jpg --out cat.pdf --channels 0,5,12-20 --scale layer",
    "crosspool maps cat.jpg --out cat.npz --backbone alexnet --pair features.10",
)
_add(
    pool_command,
    "Pool the features of many images into one file.",
    "crosspool pool photos/*.jpg --out features.npz",
    "crosspool pool a.jpg b.jpg --out features.npz --size 448 --skip-errors",
)
_add(localise_command, "Measure how well maps find parts of generated birds.", "crosspool localise --size 448")
_add(
    evaluate_command,
    "Compare methods on labelled images.",
    "crosspool evaluate photos/",
    "crosspool evaluate fieldguide:20:7 --methods cl@224,global@224",
    "crosspool evaluate birds.zip --methods cl@448,global@448 --out results",
    "crosspool evaluate torchvision:flowers102 --download --json",
    "crosspool evaluate CUB_200_2011 --methods cl@448,cl-c,jitter --paper",
)
_add(
    train_command,
    "Train a classifier on your own images.",
    "crosspool train birds.zip --method cl@448 --out birds.safetensors",
)
_add(
    classify_command,
    "Name what is in images, with your own classifier.",
    "crosspool classify a.jpg b.jpg --model birds.safetensors",
    "crosspool classify *.jpg --model birds.safetensors --skip-errors --json",
)
_add(
    explain_command,
    "Explain what in an image speaks for a class.",
    "crosspool explain cat.jpg --out why.png",
    "crosspool explain cat.jpg --class lynx --against 'tiger cat'",
    "crosspool explain bird.jpg --model birds.safetensors --without 12,40-44",
    "crosspool explain a.jpg --similar-to b.jpg --model birds.safetensors",
)
_add(
    faithfulness_command,
    "Measure whether explanations are true.",
    "crosspool faithfulness birds.zip",
    "crosspool faithfulness fieldguide --method cl@448 --splits 10 --train-size 0.5 --out results",
    "crosspool faithfulness photos/ --pixels 6 --fill mean",
)
_add(
    serve_command,
    "Serve the app in the browser.",
    "crosspool serve",
    "crosspool serve --port 8080 --host 127.0.0.1 --settings class.toml",
)
_add(fetch_command, "Download a network's weights.", "crosspool fetch alexnet")
_add(doctor_command, "Check this machine, and say what to do.", "crosspool doctor")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _print_what_the_terminal_can(sys.stdout)
    _print_what_the_terminal_can(sys.stderr)
    try:
        status = app(args=arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
        return int(status or 0)
    except UsageError as error:
        path = error.ctx.command_path if error.ctx else _command_of(arguments)
        reason = error.format_message().rstrip(".")
        complain(f"{reason} (help: {path} --help)")
    except CrosspoolError as error:
        complain(str(error))
    except BrokenPipeError:
        _leave_closed_pipe()
        return 1
    except OSError as error:
        if error.filename is None:
            _leave_closed_pipe()
        complain(_about(error))
    except typer.Abort:
        return 130
    except SystemExit as error:  # rich leaves like this when a pipe is closed
        return error.code if isinstance(error.code, int) else 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in OUT_OF_MEMORY):
            raise
        complain("There is not enough memory for this; choose a smaller --size, a later pair, or --device cpu.")
    return BAD_INPUT


def _command_of(arguments: Sequence[str] | None) -> str:
    """The command that was meant, for errors that do not know theirs."""
    first = next(iter(sys.argv[1:] if arguments is None else arguments), "")
    return f"{PROGRAM} {first}" if first in {command.name for command in app.registered_commands} else PROGRAM


def _about(error: OSError) -> str:
    """What could not be read or written, such as the standard output onto a full disk."""
    reason = error.strerror or error
    if error.filename is not None:
        return f"{error.filename} cannot be read or written ({reason})."
    return f"The output cannot be written ({reason}); free some space, or send it elsewhere."


def _print_what_the_terminal_can(stream: TextIO) -> None:
    """Write `?` for what the terminal's encoding lacks (arrows, other scripts) rather than fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace" if "utf" in stream.encoding.lower() else "replace")


def _leave_closed_pipe() -> None:
    """Let Python's own flush at the end go nowhere: the reader (`| head`) has left, or the disk is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
