"""statistics.json of a data folder: the sizes of its records."""

from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.files import read_json
from tfrecords_tools.records import ENCODINGS

_NUMBERS = ("num_targets", "seq_length", "pool_width", "crop_bp", "target_length")
_TRACKS = ("num_tracks", "track_width", "track_length")
KINDS = ("coverage", "methylation")  # of data


@dataclass(frozen=True)
class Statistics:
    """What statistics.json says.

    Attributes:
        num_targets: of every record.
        seq_length, pool_width, crop_bp: bp.
        target_length: bins.
        encoding: of the bases: "index", "packed" or "onehot".
        stated: records by label; the original tools count before they leave out unmappable
            windows.
        num_tracks: input tracks of every record, 0 without.
        track_width: bp.
        track_length: bins, centred on the sequence.
        kind: one of `KINDS`.
        coverage: whether every target has the number of its reads beside it.
    """

    num_targets: int
    seq_length: int
    pool_width: int
    crop_bp: int
    target_length: int
    encoding: str
    stated: dict[str, int]
    num_tracks: int = 0
    track_width: int = 0
    track_length: int = 0
    kind: str = KINDS[0]
    coverage: bool = False

    @classmethod
    def read(cls, path: Path) -> "Statistics":
        """Read a data folder's statistics.json.

        Raises:
            InputFileError: missing, no JSON, a number that it lacks or that others contradict,
                or data that are not read here.
            ConfigError: an unknown encoding.
        """
        if not path.exists():
            raise InputFileError(
                f"{path} does not exist: name a data folder, which has it once its build has ended"
            )
        value = read_json(path, "statistics of a data folder")
        if "diagonal_offset" in value:
            raise InputFileError(
                f"{path} has 'diagonal_offset': contact maps (Akita's data) are not read here"
            )
        if lacking := [name for name in _NUMBERS if name not in value]:
            raise InputFileError(
                f"{path} lacks {', '.join(lacking)}: copy it again from the data it belongs to"
            )
        numbers = {n: _whole(path, n, value[n], least=n != "crop_bp") for n in _NUMBERS}
        length, crop, width = (numbers[n] for n in ("seq_length", "crop_bp", "pool_width"))
        bins = (length - 2 * crop) // width
        if numbers["target_length"] != bins:
            raise InputFileError(
                f"{path} has target_length {numbers['target_length']}, but seq_length {length} "
                f"less twice crop_bp {crop} makes {bins} bins of pool_width {width}"
            )
        if any(name in value for name in _TRACKS):
            numbers |= _track_numbers(path, value, length)
        if value.get("seq_depth", 4) != 4:
            raise InputFileError(
                f"{path} has seq_depth {value['seq_depth']!r}: only sequences of 4 bases are read"
            )
        encoding = value.get("encoding", "index" if value.get("seq_1hot") else "onehot")
        if encoding not in ENCODINGS and "encoding" in value:
            raise unknown("encoding", encoding, ENCODINGS, f"in {path}")
        stated = {
            name.removesuffix("_seqs"): _whole(path, name, count, least=0)
            for name, count in value.items()
            if name.endswith("_seqs")
        }
        kind, coverage = value.get("kind", KINDS[0]), value.get("coverage", False)
        if kind not in KINDS:
            raise unknown("kind of data", kind, KINDS, f"in {path}")
        if type(coverage) is not bool:
            raise InputFileError(f"{path} has coverage = {coverage!r}: want true or false")
        return cls(**numbers, encoding=encoding, stated=stated, kind=kind, coverage=coverage)


def _track_numbers(path: Path, value: dict, seq_length: int) -> dict[str, int]:
    """Return the numbers of input tracks, whose bins are to cover the sequence evenly."""
    if lacking := [name for name in _TRACKS if name not in value]:
        raise InputFileError(
            f"{path} lacks {', '.join(lacking)}: copy it again from the data it belongs to"
        )
    numbers = {name: _whole(path, name, value[name], least=1) for name in _TRACKS}
    bins, width = numbers["track_length"], numbers["track_width"]
    context = bins * width - seq_length
    if context < 0 or context % (2 * width):
        raise InputFileError(
            f"{path} has {bins} bins of input tracks of {width} bp, which do not lie evenly around "
            f"a sequence of {seq_length} bp"
        )
    return numbers


def _whole(path: Path, name: str, value: object, least: int) -> int:
    """Return a number that may be written as 128 or 128.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or value < least:
        raise InputFileError(f"{path} has {name} = {value!r}: want a whole number from {least:d}")
    return value
