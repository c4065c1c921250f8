"""The features of a record against the sizes that its data folder states."""

from typing import TYPE_CHECKING

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.records import parse_example, sequence_sizes

if TYPE_CHECKING:
    from tfrecords_tools.data import Data


def checked_features(frame: bytes, data: "Data", where: str) -> dict[str, bytes]:
    """Return a record's features after checking their sizes.

    Args:
        frame: the record's bytes.
        data: the folder, of which lengths, encoding and numbers of tracks count.
        where: the record, for messages.

    Raises:
        InputFileError: no tf.train.Example, a feature that is missing or of another size.
    """
    try:
        features = parse_example(frame)
    except ValueError as error:
        raise InputFileError(
            f"{where} is no tf.train.Example ({error}): the shard is corrupt or another tool's"
        ) from None
    sizes = sequence_sizes(data.encoding, data.seq_length)
    sizes["target"] = 2 * data.target_length * len(data.targets)
    if "umap" in features:
        sizes["umap"] = data.target_length
    if data.tracks:
        sizes["tracks"] = 2 * data.track_length * len(data.tracks)
    if data.has_coverage:
        sizes["coverage"] = sizes["target"]
    for name, wanted in sizes.items():
        if name not in features:
            raise InputFileError(
                f"{where} has no bytes feature {name!r}: it has {', '.join(features) or 'none'}"
            )
        size = len(features[name])
        if size != wanted:
            raise InputFileError(
                f"{where} has a {name} of {size} bytes; statistics.json makes it {wanted} "
                f"({_shape(data, name, size)}): the two are not of the same data"
            )
    return features


def _shape(data: "Data", name: str, size: int) -> str:
    """Return what statistics.json says of a feature, and the usual slip, for a message."""
    if name in ("target", "coverage"):
        return f"{data.target_length} bins of {len(data.targets)} float16 targets"
    if name == "umap":
        return f"{data.target_length} bins"
    if name == "tracks":
        return f"{data.track_length} bins of {len(data.tracks)} float16 input tracks"
    shape = f"{data.seq_length} bp, {data.encoding}-coded"
    if (data.encoding, size) == ("onehot", data.seq_length):
        shape += ' since "seq_1hot" is not true; these bytes would be indices'
    if (data.encoding, size) == ("index", 4 * data.seq_length):
        shape += ' since "seq_1hot" is true; these bytes would be one-hot'
    return shape
