"""The commands, and how they fail: with one sentence on standard error, never a traceback for bad input."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TextIO

import typer

from crosspool import __version__
from crosspool.cli import (
    evaluate,
    explain,
    extract,
    faithfulness,
    inspect,
    localise,
    maps,
    networks,
    predict,
    reproduce,
    search,
    serve,
    train,
    tune,
    visualise,
)
from crosspool.cli.console import complain
from crosspool.cli.options import option_by_option
from crosspool.errors import CrosspoolError, WeightsWarning

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
    """Add a command. Its help ends with examples of its arguments, on lines that \\b keeps apart."""
    name = command.__name__.removesuffix("_command").replace("_", "-")
    lines = [f"  {PROGRAM} {name} {arguments}".rstrip() for arguments in examples]
    epilog = "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *lines])
    app.command(name, short_help=short_help, epilog=epilog)(option_by_option(command))


_add(networks.backbones_command, "List the networks.", "")
_add(networks.pairs_command, "List a network's layer pairs.", "--backbone alexnet --size 448")
_add(
    inspect.inspect_command,
    "Say what is in a data set, a file of weights or an image.",
    "birds.zip",
    "own.pt --backbone resnet18 --json",
    "scan.tif",
)
_add(predict.predict_command, "Name what is in images.", "cat.jpg dog.jpg --top 3", "cat.jpg --backbone alexnet --json")
_add(
    maps.maps_command,
    "Write the weighting maps of an image: a slide, a page, or the numbers.",
    "cat.jpg --out cat.png --size 448",
    "cat.jpg --out cat.pdf --channels 0,5,12-20 --scale layer",
    "cat.jpg --out cat.npz --backbone alexnet --pair features.10",
)
_add(
    maps.pool_command,
    "Pool the features of many images into one file.",
    "photos/*.jpg --out features.npz",
    "a.jpg b.jpg --out features.npz --size 448 --skip-errors",
)
_add(
    visualise.visualise_channels_command,
    "Make images of what channels look for.",
    "--out what-channels-look-for",
    "-b alexnet --channels 0,5,12-20 --out alexnet",
)
_add(localise.localise_command, "Measure how well maps find parts of generated birds.", "--size 448")
_add(
    evaluate.evaluate_command,
    "Compare methods on labelled images.",
    "photos/",
    "fieldguide:20:7 --methods cl@224,global@224",
    "birds.zip --methods cl@448,global@448 --out results",
    "torchvision:flowers102 --download --json",
    "CUB_200_2011 --methods cl@448,cl-c,jitter --paper",
)
_add(
    reproduce.reproduce_command,
    "Run the paper's table on a published data set.",
    "table1 --data CUB_200_2011 --out reproduced",
    "table1 --data CUB_200_2011 --out reproduced --rows CL-45",
)
_add(
    extract.extract_command,
    "Compute the features of very many images into a store.",
    "photos/ --out store",
    "fieldguide --out store --method gem@448",
    "s3://me/photos --out s3://me/store --workers 16 --ray auto",
)
_add(
    search.search_command,
    "Find the images of a store that are most like one.",
    "cat.jpg --features store",
    "cat.jpg --features s3://me/store --top 5 --out alike.png",
)
_add(train.train_command, "Train a classifier on your own images.", "birds.zip --method cl@448 --out birds.safetensors")
_add(
    tune.tune_command,
    "Fine-tune a network on your own images.",
    "birds.zip --out birds-network.safetensors --size 448",
)
_add(
    predict.classify_command,
    "Name what is in images, with your own classifier.",
    "a.jpg b.jpg --model birds.safetensors",
    "*.jpg --model birds.safetensors --skip-errors --json",
)
_add(
    explain.explain_command,
    "Explain what in an image speaks for a class.",
    "cat.jpg --out why.png",
    "cat.jpg --class lynx --against 'tiger cat'",
    "bird.jpg --model birds.safetensors --without 12,40-44",
    "a.jpg --similar-to b.jpg --model birds.safetensors",
)
_add(
    faithfulness.faithfulness_command,
    "Measure whether explanations are true.",
    "birds.zip",
    "fieldguide --method cl@448 --splits 10 --out results",
    "photos/ --pixels 6 --fill mean",
)
_add(
    serve.serve_command,
    "Serve the app in the browser.",
    "",
    "--port 8080 --host 127.0.0.1 --settings class.toml",
    "--features store",
    "--module networks:birds",
)
_add(networks.fetch_command, "Download a network's weights.", "alexnet")
_add(networks.doctor_command, "Check this machine, and say what to do.", "")


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _replace_unprintable(sys.stdout)
    _replace_unprintable(sys.stderr)
    try:
        with _own_warnings_as_sentences():
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
        if error.filename is None:  # standard output, such as a full disk
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


@contextmanager
def _own_warnings_as_sentences() -> Iterator[None]:
    """Print crosspool's own warnings as its errors are; those of other libraries go the way that they went before."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
            line: str | None = None,
        ) -> None:  # fmt: skip
            if issubclass(category, WeightsWarning):
                complain(str(message))
            else:
                others(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", WeightsWarning)
        warnings.showwarning = show
        yield


def _command_of(arguments: Sequence[str] | None) -> str:
    """The command that an error is about, where the error does not say."""
    first = next(iter(sys.argv[1:] if arguments is None else arguments), "")
    return f"{PROGRAM} {first}" if first in {command.name for command in app.registered_commands} else PROGRAM


def _about(error: OSError) -> str:
    """A sentence about what cannot be read or written, such as standard output on a full disk."""
    reason = error.strerror or error
    if error.filename is not None:
        return f"{error.filename} cannot be read or written ({reason})."
    return f"The output cannot be written ({reason}); free some space, or send it elsewhere."


def _replace_unprintable(stream: TextIO) -> None:
    """Write `?` for characters that the terminal's encoding lacks (arrows, other scripts), rather than fail."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace" if "utf" in stream.encoding.lower() else "replace")


def _leave_closed_pipe() -> None:
    """Discard what Python flushes at exit: the reader (`| head`) is gone, or the disk is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
