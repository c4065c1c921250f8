"""The shards of a data folder: which label each is of, their order, and how many records."""

import logging
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.framing import is_compressed, read_frames
from tfrecords_tools.intervals import bed_rows
from tfrecords_tools.number_text import number_of
from tfrecords_tools.remote_records import shard_paths, shard_size

log = logging.getLogger(__name__)
EMPTY = 8  # bytes of ZLIB's stream of nothing, which other tools write as a last shard
# LABEL-NUMBER.tfr, or LABEL-GENOME-NUMBER.tfr of older data of several genomes.
_NAME = re.compile(r"(.+?)-(\d+(?:-\d+)*)\.tfr")


def find_shards(folder: Path) -> dict[str, list[Path]]:
    """Return the shards that have records, by label, in the order of their numbers.

    Raises:
        InputFileError: there are none, a name without number, a number that is missing or twice,
            a file too short to be a shard.
    """
    found: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for path in shard_paths(folder):
        if path.name.startswith("."):
            continue
        parsed = shard_name(path)
        if parsed is None:
            raise InputFileError(
                f"shard {path} has no number: name it LABEL-NUMBER.tfr, or move it away"
            )
        label, numbers = parsed
        found.setdefault(label, []).append((numbers, path))
    shards = {}
    for label in sorted(found):
        ordered = sorted(found[label])
        _check_numbers(ordered)
        if full := [path for _, path in ordered if not _is_empty(path)]:
            shards[label] = full
    if not shards:
        raise InputFileError(
            f"data folder {folder} has no tfrecords/*.tfr with records: fetch the shards, or build "
            "the data again"
        )
    return shards


def shard_name(path: Path) -> tuple[str, tuple[int, ...]] | None:
    """Return a shard's label and numbers, the last its own; None if its name has none."""
    match = _NAME.fullmatch(path.name)
    return match and (match[1], tuple(map(int, match[2].split("-"))))


def _check_numbers(ordered: Sequence[tuple[tuple[int, ...], Path]]) -> None:
    """Check that the shards of a label, and of a genome, are numbered 0, 1, 2, …"""
    wanted: dict[tuple[int, ...], int] = {}
    for (*genome, number), path in ordered:
        expected = wanted.get(tuple(genome), 0)
        if number > expected:
            start = path.stem.rpartition("-")[0]
            raise InputFileError(
                f"shard {path.with_name(f'{start}-{expected}.tfr')} is missing, {path.name} is "
                "there: fetch it, or number the shards from 0 without a gap"
            )
        if number < expected:
            raise InputFileError(f"shard {path} has the number of another: keep one")
        wanted[tuple(genome)] = expected + 1


def _is_empty(path: Path) -> bool:
    """Tell whether a shard is whole and without records."""
    size = shard_size(path)
    if size > EMPTY:
        return False
    path = existing(path, "TFRecord shard")
    try:
        return not zlib.decompress(path.read_bytes())
    except zlib.error:
        raise InputFileError(
            f"shard {path} is truncated, it has {size} bytes: fetch or write it again"
        ) from None


def all_compressed(shards: Sequence[Path]) -> bool:
    """Tell whether shards are ZLIB-compressed.

    Raises:
        InputFileError: some are and some are not, or one is no TFRecord file.
    """
    plain, packed = [], []
    for path in shards:
        (packed if is_compressed(path) else plain).append(path)
    if plain and packed:
        path, problem = unlike(plain, packed)[0]
        raise InputFileError(f"shard {path} {problem}")
    return bool(packed)


def unlike(plain: Sequence[Path], packed: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return (shard, what is wrong) of the fewer of uncompressed and ZLIB-compressed shards."""
    if len(plain) <= len(packed):
        few, many, words = plain, packed, ("is not compressed", "is")
    else:
        few, many, words = packed, plain, ("is ZLIB-compressed", "is not")
    return [(p, f"{words[0]}, {many[0].name} {words[1]}: write all alike") for p in few if many]


def count_records(
    folder: Path, shards: dict[str, list[Path]], stated: dict[str, int], manifest: dict | None
) -> dict[str, int]:
    """Return the number of records of each label, labels in the order of statistics.json.

    They are what the manifest says; without one, the windows that sequences.bed lists, since
    other tools' statistics.json counts windows that were left out later; else they are counted.

    Args:
        folder: the data folder.
        shards: of each label.
        stated: what statistics.json says.
        manifest: of a folder that was written here.

    Raises:
        InputFileError: more records than statistics.json states, or a damaged shard.
    """
    known: Counter[str] = Counter()
    if manifest is not None:
        for entry in manifest["shards"]:
            known[entry["label"]] += entry["records"]
    elif (folder / "sequences.bed").exists():
        known.update(window.label for window, _ in bed_rows(folder / "sequences.bed"))
    counts = {}
    for label in (n for n in dict.fromkeys((*stated, *shards)) if n in shards):
        if not known[label]:
            log.info("%s lists no windows of label %r: counting its records", folder, label)
            known[label] = sum(1 for shard in shards[label] for _ in read_frames(shard))
        counts[label] = known[label]
    _compare(folder, counts, stated)
    return counts


def _compare(folder: Path, counts: dict[str, int], stated: dict[str, int]) -> None:
    """Refuse more records than are stated, and tell of fewer."""
    for label, number in stated.items():
        if label not in counts:
            if number:
                log.info("%s has no records of label %r, %d are stated", folder, label, number)
        elif counts[label] > number:
            raise InputFileError(
                f"{folder / 'statistics.json'} states {number} records of label {label!r}, but "
                f"there are {counts[label]}: the two are not of the same data"
            )
        elif counts[label] < number:
            log.info(
                "%s lists %s of label %r, statistics.json states %d (other tools count "
                "before they leave out unmappable windows)",
                folder,
                number_of(counts[label], "record"),
                label,
                number,
            )
