"""What a command line gives: names, and options that would do nothing."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tfepi.specificity.record_signal import RecordSignal
from tfepi.specificity.track_signal import TrackSignal
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target


def split_names(given: Sequence[str] | None, targets: Sequence[Target]) -> list[str]:
    """Return names that are separated by spaces or by commas.

    Args:
        given: words of the command line; None: none.
        targets: whose identifiers may themselves have a comma; such a word stays one name, as does
            the path of a file.

    Raises:
        ConfigError: words without a name.
    """
    known = {t.identifier for t in targets}
    found: list[str] = []
    for word in given or ():
        whole = word in known or Path(word).is_file()
        found += [word] if whole else [name for name in word.split(",") if name]
    if given and not found:
        raise ConfigError(f"{' '.join(given)!r} has no name: give names of cell types")
    return found


def refuse_given(args: Namespace, names: Sequence[str], why: str) -> None:
    """Refuse options that would do nothing.

    Args:
        args: parsed arguments; an option that is not given is None or False.
        names: of the options, as "no_rc".
        why: they would do nothing, after "and".

    Raises:
        ConfigError: naming the first that is given.
    """
    for name in names:
        value = getattr(args, name)
        if value is not None and value is not False:
            shown = f"--{name}" if value is True else f"--{name} {value}"
            raise ConfigError(f"{shown} is given, and {why}: leave it out")


def check_called(args: Namespace, source: TrackSignal | RecordSignal, given: bool) -> None:
    """Refuse options of `clusters` that do not apply to its signal or its peaks.

    Args:
        args: of `tfepi_specificity.py clusters`.
        source: of the signal.
        given: whether peaks are given, so that none are called.

    Raises:
        ConfigError: naming the option.
    """
    if given:
        where = "by --peaks" if args.peaks else "by the column peaks of the table"
        why = f"is of peaks that are called, while these are given {where}"
        refuse_given(args, ("quantile", "threshold", "width"), f"it {why}")
    if isinstance(source, RecordSignal):
        width = source.data.pool_width
        if args.width != width:
            why = f"bins of this data folder are of {width} bp"
            refuse_given(args, ("width",), why)
        refuse_given(args, ("nan",), "it is of tracks, while a data folder has its values already")
