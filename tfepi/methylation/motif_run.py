"""A run that finds motifs: windows of a data folder or of sites, two readings, the files."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas

from tfepi.analysis.meme import CountedMotif, write_meme
from tfepi.methylation.filters import FirstLayer, first_layer
from tfepi.methylation.motif_windows import RecordWindows, SiteWindows, known_mean
from tfepi.methylation.motifs import (
    Batch,
    Counts,
    Maxima,
    batch_windows,
    count_sites,
    counted,
    effects,
    find_maxima,
)
from tfepi.spec import METHYLATION, ModelSpec
from tfepi.variants.numbered import Plan, unreadable_part
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path, identity
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress

FORMAT = "tfepi-motifs"
TABLE, MEME = "motifs.tsv", "motifs.meme"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MotifOptions:
    """What motifs are found from.

    Attributes:
        share: of a filter's maximum, at which a k-mer counts.
        windows: at most, evenly spaced; None for all.
        batch_size: windows per call of the model, at most.
        layer: name of the convolution, where several look at the sequence.
    """

    share: float = 0.5
    windows: int | None = 20_000
    batch_size: int = 64
    layer: str | None = None

    def __post_init__(self):
        if not 0 < self.share <= 1:
            raise ConfigError(f"share is {self.share}: want a number above 0 and up to 1")
        for name in ("windows", "batch_size"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: want at least 1")


@dataclass(frozen=True)
class Motifs:
    """What a run found.

    Attributes:
        motifs: one of each filter, in order.
        table: motifs.tsv.
    """

    motifs: list[CountedMotif]
    table: pandas.DataFrame


def find_motifs(
    load: Callable[[], object],
    spec: ModelSpec,
    windows: RecordWindows | SiteWindows,
    out: str | Path,
    options: MotifOptions,
    *,
    files: dict[str, str | Path],
    facts: dict[str, object],
    head: str,
    tasks: list[int],
    names: list[str],
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Motifs:
    """Find the motifs of a model's first layer and write them.

    Args:
        load: returns the Keras model.
        spec: its contract.
        windows: the sequences.
        out: output folder.
        options: the options.
        files: label → path of every input, for the record.
        facts: what else decides the results, JSON values.
        head: the model's output.
        tasks: numbers of those of its tasks whose predictions are compared.
        names: of these.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Raises:
        ConfigError: a model whose first layer is no convolution of the sequence, or that takes
            more than the sequence.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    if set(spec.inputs) != {"sequence"}:
        raise ConfigError(
            f"the model takes {' and '.join(spec.inputs)}: want one of the sequence alone"
        )
    inputs = {label: identity(path) for label, path in files.items()}
    plan = Plan(FORMAT, inputs, asdict(options) | facts, 2, ".npz")
    model = load()
    layer = first_layer(model, options.layer)
    plan.claim(folder, resume, overwrite)
    size = batch_windows(layer, options.batch_size)

    def batches(label: str) -> Iterator[Batch]:
        with progress(total=len(windows), unit="windows", label=label, quiet=quiet) as bar:
            for batch in windows.batches(size):
                yield batch
                bar.update(len(batch[0]))

    with run_record(folder, {}, windows=len(windows)) as record:
        record["inputs"] = inputs
        todo = plan.missing(folder)
        both, first = _functions(model, layer, head, tasks) if todo else (None, None)
        if 0 in todo:
            found = find_maxima(batches("maxima"), both, layer, len(tasks))
            _save(plan.part(folder, 0), found)
        maxima = _load(plan.part(folder, 0), Maxima)
        if 1 in todo:
            counts = count_sites(batches("k-mers"), first, layer, maxima.activation, options.share)
            _save(plan.part(folder, 1), counts)
        counts = _load(plan.part(folder, 1), Counts)
        motifs = counted(layer, counts)
        table = _table(motifs, maxima, counts, options, names, spec)
        _told(motifs, maxima, layer)
        with atomic_path(folder / TABLE) as part:
            table.to_csv(part, sep="\t", index=False, float_format="%.6g", na_rep="NA")
        background = maxima.letters / max(1, maxima.letters.sum())
        write_meme(folder / MEME, [m for m in motifs if m.sites], background)
    return Motifs(motifs, table)


def _functions(model, layer: FirstLayer, head: str, tasks: list[int]) -> tuple[Callable, Callable]:
    """Return the functions of base indices to activations and predictions, and to the former."""
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()
    import keras

    inputs = {t.name: t for t in model.inputs}
    output = model.output[head] if isinstance(model.output, dict) else model.output
    two = keras.Model(inputs, {"activation": layer.output, "prediction": output})
    one = keras.Model(inputs, layer.output)

    @tf.function(autograph=False, reduce_retracing=True)
    def call_two(sequence):
        out = two({"sequence": tf.one_hot(sequence, 4)}, training=False)
        values = tf.reduce_mean(tf.cast(out["prediction"], tf.float32), axis=1)
        return tf.cast(out["activation"], tf.float32), tf.gather(values, tasks, axis=-1)

    @tf.function(autograph=False, reduce_retracing=True)
    def call_one(sequence):
        return tf.cast(one({"sequence": tf.one_hot(sequence, 4)}, training=False), tf.float32)

    def both(sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        activation, prediction = call_two(sequence)
        return activation.numpy(), prediction.numpy()

    return both, lambda sequence: call_one(sequence).numpy()


def _table(
    motifs: list[CountedMotif],
    maxima: Maxima,
    counts: Counts,
    options: MotifOptions,
    names: list[str],
    spec: ModelSpec,
) -> pandas.DataFrame:
    """Return a row for each filter."""
    predicted, measured = known_mean(maxima.predicted), known_mean(maxima.measured)
    columns = {
        "filter": range(len(motifs)),
        "motif": [m.name for m in motifs],
        "consensus": [m.also or "NA" for m in motifs],
        "sites": [m.sites for m in motifs],
        "windows": counts.windows,
        "share_of_windows": counts.windows / maxima.windows,
        "maximum": maxima.activation,
        "threshold": options.share * maxima.activation,
        "information": [m.information.sum() if m.sites else np.nan for m in motifs],
        "r_predicted": predicted,
        "effect": effects(predicted, maxima.windows, spec.kind == METHYLATION),
        "r_measured": measured,
    }
    if len(names) > 1:
        columns |= {f"{n}_r": maxima.predicted[:, i] for i, n in enumerate(names)}
    return pandas.DataFrame(columns)


def _told(motifs: list[CountedMotif], maxima: Maxima, layer: FirstLayer) -> None:
    silent = np.flatnonzero(maxima.activation <= 0).tolist()
    if not silent:
        return
    shown = ", ".join(map(str, silent[:8])) + ", …" * (len(silent) > 8)
    _log.warning(
        "%d of %d filters of %s never fire in %d windows: %s; they have no motif",
        len(silent),
        len(motifs),
        layer.name,
        maxima.windows,
        shown,
    )


def _save(path: Path, value: Maxima | Counts) -> None:
    with atomic_path(path) as part:
        np.savez(part, **asdict(value))


def _load(path: Path, kind: type):
    try:
        with np.load(path, allow_pickle=False) as file:
            values = {name: file[name] for name in kind.__dataclass_fields__}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise unreadable_part(path, error) from None
    return kind(**{k: v.item() if v.ndim == 0 else v for k, v in values.items()})
