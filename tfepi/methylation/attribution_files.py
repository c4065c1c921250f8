"""Files of attributions: attribution.h5, and two tables made of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.attribution import at_own, corrected
from tfepi.methylation import attribution
from tfepi.methylation.cpg_places import Place
from tfepi.variants.hdf5 import written_hdf5
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path

NAME, TABLE, AGREEMENT = "attribution.h5", "attribution.tsv", "agreement.tsv"
FORMAT = "tfepi-attribution"
FORMAT_VERSION = 1
_CHROM, _LABEL = "chrom", "label"
_LETTERS = np.array(list("ACGT"))


@dataclass(frozen=True)
class Attributed:
    """What is known of one CpG.

    Attributes:
        place: the CpG.
        tasks: names.
        own: its window's letters, bool [positions, 4]; the C is in the middle.
        prediction: float32 [tasks].
        gradient: of the prediction, float32 [positions, 4, tasks]; None where not asked for.
        first: index of the first mutated position.
        change: of the prediction to each letter, float32 [mutated, 4, tasks]; None likewise.
    """

    place: Place
    tasks: tuple[str, ...]
    own: np.ndarray
    prediction: np.ndarray
    gradient: np.ndarray | None
    first: int
    change: np.ndarray | None

    @property
    def middle(self) -> int:
        """Index of the C."""
        return len(self.own) // 2

    def agreement(self, task: int) -> attribution.Agreement:
        """Return how far the two methods agree on a task."""
        span = slice(self.first, self.first + len(self.change))
        return attribution.agreement(
            self.gradient[span, :, task],
            self.change[:, :, task],
            self.own[span],
            self.middle - self.first,
        )


@contextmanager
def written_attribution(
    path: Path,
    places: Sequence[Place],
    tasks: Sequence[str],
    length: int,
    first: int,
    mutated: int,
    methods: Sequence[str],
) -> Iterator[Callable[..., None]]:
    """Yield the function that writes consecutive CpGs into a new file.

    Its arguments are the number of the first of them and, by name, arrays of seqs, prediction,
    and of gradient and change as the methods are.

    Args:
        path: of the file.
        places: all CpGs.
        tasks: names.
        length: of a window.
        first: index of the first mutated position.
        mutated: how many there are.
        methods: of gradient, ism.
    """
    count, number = len(places), len(tasks)
    with written_hdf5(path) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["first"] = first
        for name, texts in (
            (_CHROM, [p.chrom for p in places]),
            (_LABEL, [p.label for p in places]),
            ("tasks", tasks),
        ):
            file[name] = np.array([t.encode() for t in texts])
        file["cpg"] = np.array([p.position for p in places], np.int64)
        file.create_dataset("seqs", (count, length, 4), bool)
        file.create_dataset("prediction", (count, number), np.float32)
        if "gradient" in methods:
            shape = (count, length, 4, number)
            file.create_dataset("gradient", shape, np.float32, chunks=(1, *shape[1:]))
        if "ism" in methods:
            shape = (count, mutated, 4, number)
            file.create_dataset("change", shape, np.float32, chunks=(1, *shape[1:]))

        def write(low: int, **arrays: np.ndarray) -> None:
            for name, values in arrays.items():
                file[name][low : low + len(values)] = values
            check()

        yield write


def read_attributions(path: str | Path) -> Iterator[Attributed]:
    """Yield the CpGs of an attribution.h5.

    Raises:
        InputFileError: no such file, or of another format.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise InputFileError(f"{path} is no {FORMAT} file: name one of this command's")
            tasks = tuple(t.decode() for t in file["tasks"][()].tolist())
            for i in range(len(file["cpg"])):
                texts = (file[name][i].decode() for name in (_CHROM, _LABEL))
                chrom, label = texts
                yield Attributed(
                    Place(chrom, int(file["cpg"][i]), label),
                    tasks,
                    file["seqs"][i],
                    file["prediction"][i],
                    file["gradient"][i] if "gradient" in file else None,
                    int(file.attrs["first"]),
                    file["change"][i] if "change" in file else None,
                )
    except OSError as error:
        raise InputFileError(f"cannot read {path} ({error}): make it again") from None


def write_tables(folder: Path, mutated: int) -> dict[str, list[attribution.Agreement]]:
    """Write the tables of an attribution.h5; return agreements by task, a value per CpG.

    Args:
        folder: which holds it.
        mutated: number of positions of the first table.
    """
    columns = ("chrom", "cpg", "pos", "distance", "ref", "task")
    columns += ("gradient_input", "gradient_corrected", "mutagenesis", "largest", "largest_alt")
    found: dict[str, list[attribution.Agreement]] = {}
    header = ("chrom", "cpg", "task", "prediction", "positions")
    header += ("letters_r", "letters_rank_r", "changes_r", "same_sign")
    with (
        atomic_path(folder / TABLE) as long,
        atomic_path(folder / AGREEMENT) as short,
        open(long, "w") as positions,
        open(short, "w") as agreements,
    ):
        positions.write("\t".join(columns) + "\n")
        agreements.write("\t".join(header) + "\n")
        for cpg in read_attributions(folder / NAME):
            for task, name in enumerate(cpg.tasks):
                positions.writelines(_lines(cpg, task, mutated))
                if cpg.gradient is None or cpg.change is None:
                    continue
                value = cpg.agreement(task)
                found.setdefault(name, []).append(value)
                cells = [cpg.place.chrom, str(cpg.place.position + 1), name]
                cells += map(_shown, (float(cpg.prediction[task]), *astuple(value)))
                agreements.write("\t".join(cells) + "\n")
    if not found:
        (folder / AGREEMENT).unlink()
    return found


def _lines(cpg: Attributed, task: int, mutated: int) -> Iterator[str]:
    span = slice(cpg.first, cpg.first + mutated)
    own, empty = cpg.own[span], np.full(mutated, np.nan)
    raw = mean = cost = largest = empty
    letter = np.full(mutated, "NA")
    if cpg.gradient is not None:
        gradient = cpg.gradient[span, :, task : task + 1]
        raw = at_own(gradient, own)[:, 0]
        mean = at_own(corrected(gradient), own)[:, 0]
    if cpg.change is not None:
        change = cpg.change[:, :, task : task + 1]
        cost = attribution.cost(change, own)[:, 0]
        best = np.abs(change[:, :, 0]).argmax(axis=1)
        largest, letter = change[np.arange(mutated), best, 0], _LETTERS[best]
    ref = np.where(own.any(axis=1), _LETTERS[own.argmax(axis=1)], "N")
    for i in range(mutated):
        distance = cpg.first + i - cpg.middle
        position = cpg.place.position + distance + 1
        if position < 1:
            continue  # before the chromosome
        cells = [cpg.place.chrom, str(cpg.place.position + 1), str(position), str(distance)]
        cells += [str(ref[i]), cpg.tasks[task]]
        cells += [_shown(float(values[i])) for values in (raw, mean, cost, largest)]
        yield "\t".join([*cells, str(letter[i])]) + "\n"


def _shown(value: float | int) -> str:
    return "NA" if np.isnan(value) else f"{value:.6g}"
