"""The signal and the peaks that a command line names."""

from collections.abc import Sequence
from pathlib import Path

from tfepi.specificity.options_given import split_names
from tfepi.specificity.peaks import read_peaks
from tfepi.specificity.record_signal import RecordSignal
from tfepi.specificity.track_signal import TrackSignal
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.intervals import Regions
from tfrecords_tools.targets import NAN_POLICIES, read_targets, resolve, select


def named_signal(
    path: str | Path,
    names: Sequence[str] | None = None,
    nan: str | None = None,
    quiet: bool = True,
) -> TrackSignal | RecordSignal:
    """Return the signal of a targets table's tracks, or of a data folder's records.

    Args:
        path: of the table or folder.
        names: identifiers or indexes of the cell types that count, each one or several separated
            by commas; None: all.
        nan: of tracks: what becomes of bases without value; None: "zero".
        quiet: no progress bars.

    Raises:
        InputFileError: neither, or what is wrong with it.
        ConfigError: an unknown name or policy.
    """
    path = Path(path)
    nan = "zero" if nan is None else nan
    if nan not in NAN_POLICIES:
        raise unknown("NaN policy", nan, NAN_POLICIES)
    if not path.exists():
        raise InputFileError(f"{path} does not exist: name a targets table or a data folder")
    if path.is_dir():
        data = Data.open(path)
        if data.kind != "coverage":
            raise InputFileError(f"{path} is of {data.kind}: clusters are of coverage in peaks")
        chosen = split_names(names, data.targets)
        return RecordSignal(data, select(data.targets, chosen) if chosen else None, quiet)
    targets = read_targets(path, with_files=True, extra=True)
    chosen = split_names(names, targets)
    if chosen:
        targets = tuple(targets[i] for i in select(targets, chosen, f"in {path}"))
    return TrackSignal(resolve(targets, path), nan, quiet)


def named_peaks(
    given: Sequence[str] | None, source: TrackSignal | RecordSignal
) -> tuple[dict[str, Regions] | Regions | None, dict[str, str]]:
    """Return the peaks of a command line, or of the signal's table, and the files they are in.

    Args:
        given: one BED of all cell types, or NAME=BED of every cell type; None: the column `peaks`
            of the table, where every row has it; else none.
        source: of the signal.

    Returns:
        Peaks by cell type, or of all together, or None; and label → path.

    Raises:
        ConfigError: a name twice or of no cell type, or a cell type without peaks.
        InputFileError: as `read_peaks`.
    """
    cells = source.cell_types
    if not given:
        # records remember the table, but its paths may lead elsewhere by now
        named = [t.peaks for t in source.targets] if isinstance(source, TrackSignal) else []
        if not any(named):
            return None, {}
        pairs = [(c, p) for c, p in zip(cells, named, strict=True) if p]
    else:
        pairs = [_pair(text) for text in given]
    if len(pairs) == 1 and pairs[0][0] is None:
        return read_peaks(pairs[0][1]), {"peaks": pairs[0][1]}
    names = [name for name, _ in pairs]
    for name, path in pairs:
        if name is None:
            raise ConfigError(
                f"--peaks has {len(pairs)} BEDs, and {path} is of no named cell type: give one BED "
                "of all, or NAME=BED of each"
            )
        if name not in cells:
            raise unknown("cell type", name, cells, "in --peaks")
        if names.count(name) > 1:
            raise ConfigError(f"--peaks names {name!r} twice: give each cell type one BED")
    absent = [c for c in cells if c not in names]
    if absent:
        raise ConfigError(
            f"{', '.join(absent[:3])} of {len(cells)} cell types have no peaks: give every one "
            "a BED, or leave it out with -t"
        )
    files = {f"peaks {name}": str(path) for name, path in pairs}
    return {name: read_peaks(path) for name, path in pairs}, files


def _pair(text: str) -> tuple[str | None, str]:
    name, equals, path = text.partition("=")
    return (name, path) if equals and not Path(text).exists() else (None, text)
