"""How a build's options divide contigs among labels, and labels that end up without windows."""

from collections.abc import Sequence

from tfrecords_tools import splits
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.intervals import Interval
from tfrecords_tools.windows import Windowing

_SHOWN_LABELS = 6


def _fractions(options: BuildOptions) -> tuple[float, float] | None:
    try:
        shares = float(options.valid), float(options.test)
    except ValueError:
        return None
    return shares if all(0 <= s <= 1 for s in shares) else None


def divide(
    contigs: list[Interval], options: BuildOptions, split_bed: list[Interval] | None
) -> dict[str, list[Interval]]:
    """Return label → contigs, as the options or a BED of labelled regions divide them."""
    if split_bed is not None:
        return splits.split_regions(contigs, split_bed)
    if options.folds is not None:
        return splits.split_folds(contigs, options.folds, options.seed)
    shares = _fractions(options)
    if shares:
        return splits.split_fractions(contigs, *shares, options.seed)
    return splits.split_chroms(contigs, _names(options.valid), _names(options.test))


def _names(text: str) -> list[str]:
    return [] if text in ("", "0", "0.0") else text.split(",")


def wanted_labels(options: BuildOptions, split_bed: list[Interval] | None) -> list[str]:
    """Return the labels that are to have windows."""
    if split_bed is not None:
        return list(dict.fromkeys(i.label for i in split_bed))
    if options.folds is not None:
        return [f"fold{i}" for i in range(options.folds)]
    shares = _fractions(options)
    if shares:
        return ["train"] + [n for n, s in zip(("valid", "test"), shares, strict=True) if s > 0]
    return ["train"] + [n for n in ("valid", "test") if _names(getattr(options, n))]


def check_region_labels(names: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse labels of --regions that the split does not have.

    Beside a train, valid and test may be absent.

    Raises:
        ConfigError: naming the label.
    """
    known = [*wanted, *(("valid", "test") if "train" in wanted else ())]
    for name in names or ("",):
        if name not in known:
            where = (
                f"among the labels that --regions applies to (--region_labels {','.join(names)})"
            )
            raise unknown("label", name, wanted, where)


def _some(labels: list[str]) -> str:
    """Return the first few, and how many there are."""
    if len(labels) <= _SHOWN_LABELS:
        return ", ".join(labels)
    return f"{', '.join(labels[:_SHOWN_LABELS])}, … ({len(labels)} in all)"


def refuse_empty(
    windows: list[Interval], wanted: list[str], options: BuildOptions, windowing: Windowing
) -> None:
    """Refuse labels without windows.

    Raises:
        ConfigError: naming them, with the number of windows of each label.
    """
    counts = {label: sum(w.label == label for w in windows) for label in wanted}
    empty = [label for label, n in counts.items() if n == 0]
    if empty:
        had = _some([f"{label} {n}" for label, n in counts.items()])
        raise ConfigError(
            f"no window for {_some(empty)} (windows of {windowing.window_length} bp: {had}): "
            "use other -v/-t values, more contigs (--break), or a shorter -l; 0 leaves a label out"
        )
