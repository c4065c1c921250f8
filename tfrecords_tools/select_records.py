"""A data folder of some of another's targets and labels, with records set aside by a seed."""

import argparse
import logging
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter, claim_output, source_files
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.intervals import covered_bases, merge_array
from tfrecords_tools.output import run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.record_windows import (
    check_places,
    chosen_labels,
    placed_records,
    stream_windows,
    window_counts,
)
from tfrecords_tools.records import ENCODINGS, check_writing, sequence_features
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target, read_targets, select
from tfrecords_tools.windows import Windowing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HoldOut:
    """Records to set aside.

    Attributes:
        label: the new label they get.
        amount: how many, or, below 1, which share.
        origin: the label they are taken from, after renaming.
    """

    label: str
    amount: float
    origin: str

    def count(self, records: int) -> int:
        """Return how many of so many records are set aside.

        Raises:
            ConfigError: none, or all.
        """
        wanted = round(self.amount * records) if self.amount < 1 else round(self.amount)
        if not 0 < wanted < records:
            raise ConfigError(
                f"--hold_out {self.label}={self.amount:g} is {wanted} of {self.origin}'s {records} "
                f"records: want at least 1, and fewer than there are"
            )
        return wanted


@dataclass(frozen=True)
class SelectOptions:
    """What to select.

    Attributes:
        targets: positions of the targets, in the order wanted.
        labels: to keep; () keeps all that have records.
        relabel: (old label, new label) pairs; several may become one.
        hold_out: records to set aside after renaming, or None.
        encoding: of the sequences, or None to pass them on as they are.
        records_per_shard: most records of a new shard.
        seed: of the records that are set aside.
    """

    targets: tuple[int, ...]
    labels: tuple[str, ...] = ()
    relabel: tuple[tuple[str, str], ...] = ()
    hold_out: HoldOut | None = None
    encoding: str | None = None
    records_per_shard: int = 256
    seed: int = 44

    def __post_init__(self):
        check_writing(self.encoding or ENCODINGS[0], self.records_per_shard)
        olds = [old for old, _ in self.relabel]
        for old in olds:
            if olds.count(old) > 1:
                raise ConfigError(f"label {old!r} is renamed twice: name it once")
        for name in [new for _, new in self.relabel] + [h.label for h in (self.hold_out,) if h]:
            if not name.replace("_", "").isalnum():
                raise ConfigError(f"label {name!r} is no name: use letters, digits and _")


def select_options(data: Data, args: argparse.Namespace) -> SelectOptions:
    """Return the options that parsed arguments ask for.

    Raises:
        ConfigError: a value out of range, or an unknown name.
    """
    return SelectOptions(
        chosen_targets(data, args.targets, args.query),
        tuple(args.labels),
        args.relabel,
        HoldOut(*args.hold_out, args.origin) if args.hold_out else None,
        args.encoding,
        args.records_per_shard,
        args.seed,
    )


def chosen_targets(data: Data, names: str | None, query: str | None = None) -> tuple[int, ...]:
    """Return positions of the targets that a command line names; all of them without names.

    Args:
        data: whose targets.
        names: identifiers or indexes, comma-separated, or a targets table, whose rows are
            found by identifier.
        query: instead of names: what targets match (`target_query`).

    Raises:
        ConfigError: a name that is none, or a target twice; names and a query, or a query that
            matches nothing.
        InputFileError: a table that is none.
    """
    if query is not None:
        if names:
            raise ConfigError(
                f"--targets {names} and --query {query!r} both choose targets: leave one out"
            )
        where = f"data folder {data.folder}"
        return query_targets(data.targets, query, where, "add its targets.txt to the folder")
    if not names:
        return tuple(range(len(data.targets)))
    if _is_file(names):
        where, listed = (
            f"of table {names} ",
            [t.identifier for t in read_targets(names, extra=True)],
        )
    else:
        where, listed = "(nor is there a table of that name) ", names.split(",")
    listed = [name.strip() for name in listed]
    return select(data.targets, listed, f"{where}in data folder {data.folder}")


def _is_file(names: str) -> bool:
    try:
        return Path(names).is_file()
    except OSError:  # a list of names too long for a path
        return False


def check_strands(data: Data, positions: tuple[int, ...]) -> None:
    """Check that targets are chosen with their other strands.

    Raises:
        ConfigError: one is not.
    """
    chosen = {data.targets[p].index for p in positions}
    for position in positions:
        target = data.targets[position]
        if target.strand_pair not in (None, *chosen):
            other = next(t for t in data.targets if t.index == target.strand_pair)
            raise ConfigError(
                f"target {target.identifier!r} is chosen without its other strand "
                f"{other.identifier!r} (index {other.index}): choose both"
            )


def renumbered(targets: tuple[Target, ...], positions: tuple[int, ...]) -> tuple[Target, ...]:
    """Return the targets at some positions, with indexes from 0 as the originals' tools want."""
    new = {targets[p].index: n for n, p in enumerate(positions)}
    return tuple(
        replace(
            targets[p],
            index=n,
            strand_pair=None if targets[p].strand_pair is None else new[targets[p].strand_pair],
        )
        for n, p in enumerate(positions)
    )


def select_records(
    data: Data,
    out: str | Path,
    options: SelectOptions,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Write a data folder of some targets and labels of another.

    Returns:
        The new folder's manifest.

    Raises:
        ConfigError: a label without records, a label to set records aside in that is there
            already, nothing left on one side, or a target without its other strand.
        InputFileError: records whose places are not known, a damaged shard.
        UnfinishedError: the folder has results.
    """
    labels = chosen_labels(data, list(options.labels))
    check_strands(data, options.targets)
    for old, _ in options.relabel:
        if old not in labels:
            raise unknown("label", old, labels, "in --relabel")
    names = dict(options.relabel)
    new_labels = [names.get(label, label) for label in labels]
    counts = window_counts(data.folder)
    check_places(data, labels, counts)
    moved = None
    if options.hold_out:
        _check_hold_out(options.hold_out, new_labels)
        origin = [old for old in labels if names.get(old, old) == options.hold_out.origin]
        moved = _set_aside(options, sum(counts[old] for old in origin))
    encoding = options.encoding or data.encoding
    windowing = Windowing(data.seq_length, data.crop_bp, data.pool_width)
    targets = renumbered(data.targets, options.targets)
    folder = claim_output(out, data, overwrite)
    facts = {"seed": options.seed, "data_sha256": data.manifest_sha256}
    with (
        run_record(folder, source_files(data), **facts) as record,
        DataWriter.like(
            data,
            folder,
            windowing,
            targets=targets,
            encoding=encoding,
            records_per_shard=options.records_per_shard,
        ) as writer,
    ):
        for old, new in zip(labels, new_labels, strict=True):
            placed = placed_records(data, old)
            bar = progress(placed, total=counts[old], unit="record", label=old, quiet=quiet)
            for window, shard, number, features in bar:
                aside = moved is not None and new == options.hold_out.origin and next(moved)
                made = dict(features)
                if encoding != data.encoding:
                    indices = data.sequence(features, shard, number)
                    made = sequence_features(indices, encoding)
                    made |= {n: features[n] for n in ("umap", "tracks") if n in features}
                values = data.target(features, shard, number)
                made["target"] = np.ascontiguousarray(values[:, options.targets]).tobytes()
                if data.has_coverage:
                    reads = data.coverage(features, shard, number)
                    made["coverage"] = np.ascontiguousarray(reads[:, options.targets]).tobytes()
                writer.write(options.hold_out.label if aside else new, window, made)
        how = {"made_by": "select", "options": asdict(options)}
        source = {
            "folder": str(data.folder),
            "indexes": [data.targets[p].index for p in options.targets],
        }
        manifest = writer.finish(how | {"inputs": record["inputs"], "source": source})
    if options.hold_out:
        _warn_overlap(folder, options.hold_out)
    return manifest


def _check_hold_out(hold_out: HoldOut, labels: list[str]) -> None:
    if hold_out.origin not in labels:
        raise unknown("label", hold_out.origin, labels, "in --from")
    if hold_out.label in labels:
        raise ConfigError(
            f"label {hold_out.label!r}, in which records are to be set aside, is there already: "
            "rename it with --relabel, or leave it out with --labels"
        )


def _set_aside(options: SelectOptions, records: int) -> Iterator[bool]:
    """Return whether each record in turn is set aside (Knuth, TAOCP 2, 3.4.2, algorithm S)."""
    wanted = options.hold_out.count(records)
    origin = zlib.crc32(options.hold_out.origin.encode())
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(origin,)))
    return _sampled(rng, wanted, records)


def _sampled(rng: np.random.Generator, wanted: int, records: int) -> Iterator[bool]:
    for left in range(records, 0, -1):
        taken = rng.random() * left < wanted
        wanted -= taken
        yield bool(taken)


def _warn_overlap(folder: Path, hold_out: HoldOut) -> None:
    """Tell of windows set aside that share bases with those they were taken from."""
    found = {hold_out.label: {}, hold_out.origin: {}}  # 16 bytes a window
    for window in stream_windows(folder):
        if window.label in found:
            spans = found[window.label].setdefault(window.chrom, array("q"))
            spans.extend((window.start, window.end))
    aside, rest = (
        {c: np.frombuffer(spans, np.int64).reshape(-1, 2) for c, spans in chroms.items()}
        for chroms in found.values()
    )
    shared = sum(
        int((covered_bases(spans, merge_array(rest[c])) > 0).sum())
        for c, spans in aside.items()
        if c in rest
    )
    if shared:
        count = sum(map(len, aside.values()))
        log.warning(
            "%d of the %d %s set aside in %s %s windows of %s: what is measured there flatters "
            "the model",
            *(shared, count, "window" if count == 1 else "windows", hold_out.label),
            *("overlaps" if shared == 1 else "overlap", hold_out.origin),
        )
