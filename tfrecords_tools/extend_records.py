"""Existing records with more bases at both ends, from a FASTA; their targets stay as they are.

Enformer reads 196,608 bp around targets that Basenji's records hold with 131,072 bp (Avsec et al.
2021, Methods). The bases that a record has are compared with the FASTA, so that a wrong genome
build is found before it is trained on.
"""

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter, claim_output, source_files
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.genome import UNKNOWN, Genome
from tfrecords_tools.intervals import Interval
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.record_windows import (
    check_counted,
    check_places,
    chosen_labels,
    placed_records,
    stream_windows,
)
from tfrecords_tools.records import ENCODINGS, check_writing, sequence_features
from tfrecords_tools.windows import Windowing

log = logging.getLogger(__name__)

_ONE_HOT = "onehot"
_ROWS = np.eye(UNKNOWN + 1, UNKNOWN, dtype=np.uint8).view("<u4")[:, 0]  # four bytes each
_COUNTED_BYTES = 1 << 32  # of records as they are read, about ten seconds
_KEPT = ("target", "umap", "tracks", "coverage")  # features, of the targets or centred alike


@dataclass(frozen=True)
class ExtendOptions:
    """How long sequences become, and from what.

    Attributes:
        seq_length: of a new sequence, bp.
        fasta: the genome that the records were made of, plain or bgzip.
        encoding: of the new sequences: "index", "packed", "onehot", or None for the records' own.
        records_per_shard: most records of a new shard.
    """

    seq_length: int
    fasta: str
    encoding: str | None = None
    records_per_shard: int = 256

    def __post_init__(self):
        if self.encoding not in (None, *ENCODINGS, _ONE_HOT):
            raise unknown("encoding", self.encoding, (*ENCODINGS, _ONE_HOT))
        check_writing(ENCODINGS[0], self.records_per_shard)


def longer(data: Data, seq_length: int) -> Windowing:
    """Return the lengths of records whose sequence has as many more bases at either end.

    Args:
        data: the records.
        seq_length: of the new ones, bp.

    Raises:
        ConfigError: a length below the records', one that would move their middle, or one that
            their input tracks do not cover in whole bins.
    """
    more = seq_length - data.seq_length
    if more < 0:
        raise ConfigError(
            f"-l is {seq_length} bp, less than the records' {data.seq_length}: name as much or "
            "more; rewindow makes records shorter"
        )
    if more % 2:
        raise ConfigError(
            f"-l is {seq_length} bp, {more} more than the records' {data.seq_length}: an odd "
            f"number cannot be halved between the ends; use {seq_length - 1} or {seq_length + 1}"
        )
    if data.tracks:
        _check_tracks(data, seq_length)
    return Windowing(seq_length, data.crop_bp + more // 2, data.pool_width)


def _check_tracks(data: Data, seq_length: int) -> None:
    """Check that the input tracks, which stay as they are, cover a longer sequence evenly."""
    width = data.track_width
    covered = data.track_length * width
    if seq_length > covered:
        raise ConfigError(
            f"-l is {seq_length} bp, but the records' input tracks cover {covered} bp and no FASTA "
            f"makes them longer: use at most {covered}, or build the data again from the tracks"
        )
    if (covered - seq_length) % (2 * width):
        raise ConfigError(
            f"-l is {seq_length} bp, at whose ends bins of the records' input tracks would be cut: "
            f"use {covered} less a multiple of {2 * width}"
        )


def extend(
    data: Data,
    out: str | Path,
    options: ExtendOptions,
    labels: list[str] | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Write existing records with longer sequences as a data folder, in their order.

    Args:
        data: the records.
        out: the folder.
        options: how long, from what.
        labels: which; by default all that have records.
        overwrite: remove what is there.
        quiet: no progress bar.

    Returns:
        The new folder's manifest; `source` has the bases that are N in the records alone
        (`masked_bases`, of `masked_records`) and the sequences that reach beyond a chromosome
        (`beyond_ends`).

    Raises:
        ConfigError: as `longer`, a sequence that would mostly be N, or an unknown label.
        InputFileError: records whose places are not known or not in the FASTA, or whose bases
            differ from it; a damaged shard or FASTA.
        UnfinishedError: the folder has results, or holds the FASTA.
    """
    labels = chosen_labels(data, labels or [])
    windowing = longer(data, options.seq_length)
    encoding = options.encoding or data.encoding
    check_folder(out, overwrite=overwrite, inputs={"FASTA": options.fasta})
    with Genome(options.fasta) as genome:
        _check_longest(options.seq_length, genome)
        counts = counted_windows(data, labels, genome)
        check_places(data, labels, counts)
        folder = claim_output(out, data, overwrite)
        inputs = source_files(data) | {"fasta": options.fasta}
        with (
            run_record(folder, inputs, data_sha256=data.manifest_sha256) as record,
            DataWriter.like(
                data,
                folder,
                windowing,
                encoding=encoding,
                records_per_shard=options.records_per_shard,
            ) as writer,
        ):
            found = Counter(masked_bases=0, masked_records=0, beyond_ends=0)
            for label in labels:
                placed = placed_records(data, label)
                bar = progress(placed, total=counts[label], unit="record", label=label, quiet=quiet)
                for window, shard, number, features in bar:
                    own = data.sequence(features, shard, number)
                    try:
                        sequence = extended(own, window, windowing.crop, genome, found)
                    except InputFileError as error:
                        _check_rows(data, label, counts[label])
                        raise InputFileError(f"shard {shard} record {number}: {error}") from None
                    made = _encoded(sequence, encoding)
                    made |= {name: features[name] for name in _KEPT if name in features}
                    writer.write(label, window, made)
            _tell(found, options.fasta)
            how = {"made_by": "extend", "options": asdict(options) | {"labels": labels}}
            source = {"folder": str(data.folder), **found}
            return writer.finish(how | {"inputs": record["inputs"], "source": source})


def _check_rows(data: Data, label: str, windows: int) -> None:
    """Check, of bases that differ, that no missing row of sequences.bed is to blame.

    A row too few moves all that follow. Records of large data are not counted, lest the error
    take minutes.

    Raises:
        InputFileError: a label has another number of records than windows.
    """
    size = data.seq_length + 2 * data.target_length * len(data.targets)
    if data.manifest_sha256 is None and windows * size <= _COUNTED_BYTES:
        check_counted(data, label, windows)


def _check_longest(seq_length: int, genome: Genome) -> None:
    """Check that there is a chromosome of which a sequence is not mostly N."""
    name, length = max(genome.chroms.items(), key=lambda item: item[1])
    if seq_length > 2 * length:
        raise ConfigError(
            f"-l is {seq_length} bp, more than twice {name}, {length} bp, the longest chromosome "
            f"of FASTA {genome.path}: most of every sequence would be N; use a smaller -l"
        )


def counted_windows(data: Data, labels: list[str], genome: Genome) -> Counter[str]:
    """Return the number of windows that sequences.bed lists, by label, after checking their places.

    Args:
        data: the folder.
        labels: to check.
        genome: that is to have the windows; their sequences may reach beyond its ends.

    Raises:
        InputFileError: no sequences.bed, or a window of another length, of a chromosome that the
            FASTA lacks, or beyond its end.
    """
    counts: Counter[str] = Counter()
    for row in stream_windows(data.folder):
        counts[row.label] += 1
        if row.label not in labels:
            continue
        window = data.cropped(row)
        length = genome.length(window.chrom)
        if window.end > length:
            raise InputFileError(
                f"window {window} ends beyond {window.chrom}, which is {length} bp in FASTA "
                f"{genome.path}: is it of another genome build?"
            )
    return counts


def extended(
    own: np.ndarray, window: Interval, crop: int, genome: Genome, found: Counter
) -> np.ndarray:
    """Return a record's bases with more from a genome at both ends.

    The middle is as the record has it. A base that is N there and none in the genome was masked
    when the record was made, which says nothing against the place; a base that is another one in
    the genome, or N, does.

    Args:
        own: uint8 [old length], base indices of the record.
        window: the stretch that its targets are of.
        crop: bp of the new sequence at either end of that.
        genome: which has the window's chromosome.
        found: numbers to which what is met is added: `masked_bases`, `masked_records`,
            `beyond_ends`.

    Returns:
        uint8 [len(window) + 2 * crop]; N beyond the chromosome.

    Raises:
        InputFileError: bases differ, or a damaged FASTA.
    """
    low, high = window.start - crop, window.end + crop
    out = genome.indices(window.chrom, low, high)
    margin = (len(out) - len(own)) // 2
    middle = out[margin : margin + len(own)]
    unlike = own != middle
    if unlike.any():
        masked = own == UNKNOWN
        differing = unlike & ~masked
        if differing.any():
            place = Interval(window.chrom, low + margin, high - margin)
            raise InputFileError(_differ(int(differing.sum()), middle[differing], place, genome))
        found["masked_bases"] += int(unlike.sum())
        found["masked_records"] += 1
        middle[:] = own
    found["beyond_ends"] += low < 0 or high > genome.length(window.chrom)
    return out


def _differ(count: int, bases: np.ndarray, place: Interval, genome: Genome) -> str:
    """Return the message for a record of which so many bases are others in the genome."""
    unknown = int((bases == UNKNOWN).sum())
    of_these = f" ({unknown} of them are N there)" if unknown else ""
    return (
        f"{count} of its {len(place)} bases at {place} "
        f"{'differs' if count == 1 else 'differ'} from FASTA {genome.path}{of_these}: "
        "it is another genome build or a masked one, or sequences.bed is of other records "
        "(tfepi_records.py info counts both); name the FASTA that the records were made of"
    )


def _encoded(indices: np.ndarray, encoding: str) -> dict[str, bytes]:
    """Return the features of a sequence in any encoding that is read."""
    if encoding == _ONE_HOT:
        return {"sequence": _ROWS[indices].tobytes()}
    return sequence_features(indices, encoding)


def _tell(found: Counter, fasta: str) -> None:
    """Tell of what the FASTA and the records do not share."""
    bases, records, beyond = (found[k] for k in ("masked_bases", "masked_records", "beyond_ends"))
    if bases:
        log.warning(
            "%d %s of %d %s %s N there but not in %s: they stay N, while what is added has them; "
            "if the records are of a masked genome, name its FASTA",
            *(bases, "base" if bases == 1 else "bases", records),
            *("record" if records == 1 else "records", "is" if bases == 1 else "are", fasta),
        )
    if beyond:
        log.info(
            "%d %s beyond the ends of their chromosomes: N is there",
            *(beyond, "sequence reaches" if beyond == 1 else "sequences reach"),
        )
