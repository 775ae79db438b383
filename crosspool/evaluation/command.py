"""The command line that reproduces an evaluation, and its default baselines."""

from collections.abc import Sequence

DATA_ROOT = "data"
DEFAULT_SPLITS = 20
USUAL_BASELINES = ("global", "jitter", "cnn-svm", "cnnaug-svm")


def usual_baselines(methods: Sequence[str]) -> list[str]:
    """The fully-connected activations among the methods, or else the first method."""
    return [name for name in methods if name.lower().startswith(USUAL_BASELINES)] or list(methods[:1])


def evaluate_command_line(
    dataset: str, methods: Sequence[str], splits: int | None, train_size: int | float | None, baselines: Sequence[str]
) -> list[str]:
    """`crosspool evaluate` up to the options that `train` has too; `splits` is None for the official one."""
    split_options = ["--official"] if splits is None else ["--splits", str(splits)]
    if splits is not None and train_size is not None:
        split_options += ["--train-size", str(train_size)]
    baseline_options = [word for name in baselines for word in ("--baseline", name)]
    return ["crosspool", "evaluate", dataset, "--methods", ",".join(methods), *split_options, *baseline_options]


def spelled_out(
    *,
    seed: int,
    backbone: str,
    framing: str | None,
    weights: str | None,
    device: str = "auto",
    on_problem: str = "skip",
    root: str = DATA_ROOT,
    bounding_box: bool = False,
    cache: str | None = None,
) -> list[str]:
    """The options that repeat a command, with every default spelled out."""
    options = ["--seed", str(seed), "--backbone", backbone]
    options += [] if framing is None else ["--framing", framing]
    options += ["--on-problem", on_problem]
    options += network_options(weights, device)
    options += [] if root == DATA_ROOT else ["--root", root]
    options += ["--bounding-box"] if bounding_box else []
    return options if cache is None else [*options, "--cache", cache]


def network_options(weights: str | None, device: str) -> list[str]:
    """The options for weights and device, if they are not the defaults."""
    options = [] if weights is None else ["--weights", weights]
    return options if device == "auto" else [*options, "--device", device]
