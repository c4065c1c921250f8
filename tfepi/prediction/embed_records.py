"""The values of a layer for every record of a data folder, for heads that are trained on them."""

import logging
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from tfepi.prediction.embedding import HEAD, embedding
from tfepi.predictors import KerasPredictor
from tfepi.spec import Predictor, check_shifts, shift_sequence
from tfrecords_tools.data import Data
from tfrecords_tools.embeddings import PRECISIONS, Embeddings, Variant, first_sequence
from tfrecords_tools.errors import ConfigError, UnfinishedError, unknown
from tfrecords_tools.files import read_json, remove_parts, write_json
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_room, claim_folder, run_record, shown_size
from tfrecords_tools.progress import progress

_STATE = "state.json"
_log = logging.getLogger(__name__)


def variants(rc: bool, shifts: Sequence[int]) -> tuple[Variant, ...]:
    """Return each shift on the forward strand and, with rc, on the other; 0 comes first."""
    ordered = sorted(set(shifts), key=lambda s: (s != 0, abs(s), s))
    return tuple(Variant(s, r) for r in ((False, True) if rc else (False,)) for s in ordered)


def embed_records(
    predictor: Predictor,
    data: Data,
    out: str | Path,
    *,
    layer: str | None = None,
    labels: Sequence[str] = (),
    rc: bool = False,
    shifts: Sequence[int] = (0,),
    precision: str = "float16",
    model_files: dict[str, str | Path] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write the values of a layer for every record, as `tfrecords_tools.embeddings` reads them.

    A run that was stopped goes on with the first shard that is not there.

    Args:
        predictor: of a Keras model.
        data: the records.
        out: the folder.
        layer: its name; None is the one that the heads read.
        labels: of the records; empty is all.
        rc: also of the other strand.
        shifts: bp that sequences are moved by; one must be 0, which validation reads.
        precision: "float16" or "float32".
        model_files: label → path, for run.json.
        resume, overwrite, quiet: as of every command.

    Raises:
        ConfigError: no Keras model, a layer that is unknown or of another shape, records of
            another length, shifts without 0, values that float16 cannot hold, no room.
        UnfinishedError: the folder has results, or is of other options.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if not isinstance(predictor, KerasPredictor):
        raise ConfigError("layers can be read of a Keras model only: name a run folder or .keras")
    from tfepi.models.trunk import trunk_end, trunk_of, weights_sha256

    _check(predictor, data, shifts)
    name = trunk_end(predictor.model, layer).name
    inside = embedding(predictor, name)
    spec = inside.spec
    labels = tuple(labels or data.labels)
    made = Embeddings(
        Path(out),
        name,
        (spec.target_length, len(spec.head(HEAD).targets)),
        precision,
        variants(rc, shifts),
        {label: data.counts[label] for label in labels},
        {x.stem: first_sequence(data, x) for label in labels for x in data.shards(label)},
        weights_sha256(trunk_of(predictor.model, name)),
    )
    records = sum(made.counts.values())
    need = records * len(made.variants) * int(np.prod(made.shape)) * np.dtype(precision).itemsize
    files = [(s, v) for label in labels for s in data.shards(label) for v in made.variants]
    inputs = dict(model_files or {}) | {"data": data.folder / "statistics.json"}
    folder = claim_folder(out, resume, overwrite, inputs)
    remove_parts(folder)
    _check_state(folder, made)
    left = [file for file in files if not made.path(*file).exists()]
    check_room(folder, need * len(left) / len(files))
    _log.info(
        "%s × %s of layer %s, %d × %d: %s",
        *(number_of(records, "record"), number_of(len(made.variants), "variant")),
        *(name, *made.shape, shown_size(need)),
    )
    with (
        run_record(folder, inputs, data_sha256=data.manifest_sha256),
        progress(total=records * len(made.variants), unit="record", quiet=quiet) as bar,
    ):
        for shard, variant in files:
            if (shard, variant) not in left:
                bar.update(sum(1 for _ in made.read_shard(shard, variant)))  # whole, or it raises
                continue
            made.write_shard(shard, variant, _values(inside, data, shard, variant, bar))
        made.write()
    return folder


def _check(predictor: KerasPredictor, data: Data, shifts: Sequence[int]) -> None:
    check_shifts(predictor.spec, tuple(shifts))
    if 0 not in shifts:
        raise ConfigError(f"shifts {', '.join(map(str, shifts))} lack 0, which validation reads")
    if set(predictor.spec.inputs) != {"sequence"}:
        raise ConfigError(
            f"the model takes {', '.join(predictor.spec.inputs)}: records can be embedded by a "
            "model of the sequence alone"
        )
    if data.seq_length != predictor.spec.seq_length:
        raise ConfigError(
            f"the records of {data.folder} have {data.seq_length} bp, the model takes "
            f"{predictor.spec.seq_length}: make them longer with tfepi_records.py extend, or "
            "shorter with rewindow"
        )


def _check_state(folder: Path, made: Embeddings) -> None:
    """Keep what the embeddings are of, or compare it with what a stopped run kept."""
    key = {
        "layer": made.layer,
        "shape": " × ".join(map(str, made.shape)),
        "precision": made.precision,
        "variants": ", ".join(v.name for v in made.variants),
        "labels": ", ".join(f"{label} ({count})" for label, count in made.counts.items()),
        "trunk_sha256": made.trunk_sha256,
        "first_sequences": made.first_sequences,
    }
    if not (folder / _STATE).exists():
        write_json(folder / _STATE, key)
        return
    kept = read_json(folder / _STATE)
    for name, value in key.items():
        if kept.get(name) != value:
            differs = f"{name} {kept.get(name)}, now it is {value}"
            if isinstance(value, dict):
                differs = "other sequences"
            raise UnfinishedError(
                f"{folder} was begun with {differs}: resume with the same, or use --overwrite"
            )


def _values(
    inside: KerasPredictor, data: Data, shard: Path, variant: Variant, bar
) -> Iterator[np.ndarray]:
    """Yield a layer's values of each record of a shard."""
    left = data.shard_sequences(shard)
    while records := list(islice(left, inside.batch_size)):
        sequences = shift_sequence(np.stack(records), variant.shift, variant.rc)
        if variant.rc and data.strand_step:
            sequences = shift_sequence(sequences, data.strand_step)
        yield from inside.predict({"sequence": sequences})[HEAD]
        bar.update(len(records))
