"""Attributions of windows in numbered parts, and the file made of them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tfepi.analysis.attribution import Attribution, Lines, along, contributions, local
from tfepi.analysis.attribution_file import NAME, written_attributions
from tfepi.analysis.attribution_gradient import AveragedScalar
from tfepi.analysis.attribution_options import AttributionOptions
from tfepi.analysis.attribution_outputs import Output
from tfepi.spec import Condition, ModelSpec
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site, Span, conditions
from tfepi.variants.numbered import Plan, unreadable_part
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.progress import progress

_ARRAYS = ("hypothetical", "prediction", "baseline", "attributed")


class AttributionParts:
    """The loop over parts: windows to codes to gradients to contributions.

    Args:
        spec: the model's contract.
        sites: the windows.
        span: the part of each that is kept.
        genome: the FASTA.
        outputs: what is attributed.
        options: the options.
        condition: the model's inputs besides the sequence, or None.
        size: windows per part.
    """

    def __init__(
        self,
        spec: ModelSpec,
        sites: Sequence[Site],
        span: Span,
        genome: Genome,
        outputs: Sequence[Output],
        options: AttributionOptions,
        condition: Condition | None,
        size: int,
    ):
        self._spec, self._sites, self._span, self._genome = spec, sites, span, genome
        self._outputs, self._options, self._condition = outputs, options, condition
        self._size = size
        bins = (spec.bin_width, spec.crop, spec.target_length)
        self._window = Window(spec.seq_length, *bins)

    def write_parts(self, plan: Plan, folder: Path, scalar: AveragedScalar, quiet: bool) -> None:
        """Write the parts that are missing.

        Raises:
            InputFileError: a value that is no finite number.
        """
        todo, total = plan.missing(folder), len(self._sites)
        done = total - sum(len(self._numbers(n)) for n in todo)
        with progress(
            total=total, unit="windows", label="attribute", quiet=quiet, initial=done
        ) as bar:
            for number in todo:
                rows = []
                for found, attributions in self._batches(self._numbers(number), scalar):
                    rows += [self._row(*pair) for pair in zip(found, attributions, strict=True)]
                    bar.update(len(found))
                arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
                self._check(arrays, self._numbers(number))
                with atomic_path(plan.part(folder, number)) as path:
                    np.savez(path, **arrays)

    def write_file(self, plan: Plan, folder: Path) -> None:
        """Write attributions.h5 from the parts.

        Raises:
            InputFileError: a part that is missing or damaged.
        """
        arguments = (self._sites, self._span, self._outputs, asdict(self._options))
        with written_attributions(folder / NAME, *arguments) as write:
            for number in range(plan.parts):
                path = plan.part(folder, number)
                try:
                    with np.load(path, allow_pickle=False) as file:
                        arrays = {name: file[name] for name in _ARRAYS}
                except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                    raise unreadable_part(path, error) from None
                numbers = self._numbers(number)
                arrays["seqs"] = one_hot(self._sequences(numbers)[:, self._kept]).astype(bool)
                write(numbers.start, arrays)

    @property
    def _kept(self) -> slice:
        return slice(self._span.start, self._span.start + self._span.length)

    def _numbers(self, part: int) -> range:
        return range(part * self._size, min((part + 1) * self._size, len(self._sites)))

    def _sequences(self, numbers: range) -> np.ndarray:
        return np.stack([self._sites[n].sequence(self._genome, self._window) for n in numbers])

    def _batches(
        self, numbers: range, scalar: AveragedScalar
    ) -> Iterator[tuple[np.ndarray, list[list[Attribution]]]]:
        """Yield sequences and, for each, an attribution per output."""
        options, size = self._options, self._options.batch_size
        step = size if options.lines_from is None else 1
        for low in range(numbers.start, numbers.stop, step):
            batch = range(low, min(low + step, numbers.stop))
            sequences = self._sequences(batch)
            sites = [self._sites[n] for n in batch]
            further = conditions(self._condition, sites, self._spec.seq_length)
            if options.lines_from is None:
                each = [
                    local(sequences, *_asked(scalar, o, further)[1:], options.method == "corrected")
                    for o in self._outputs
                ]
                yield sequences, [list(row) for row in zip(*each, strict=True)]
            else:
                lines = Lines.of(sequences[0], options, low)
                yield (
                    sequences,
                    [[along(lines, *_asked(scalar, o, further), size) for o in self._outputs]],
                )

    def _row(self, sequence: np.ndarray, found: Sequence[Attribution]) -> dict[str, np.ndarray]:
        """Return a window's arrays, with an axis of outputs."""
        own = one_hot(sequence) > 0
        total = [contributions(own, a.hypothetical).sum(dtype=float) for a in found]
        return {
            "hypothetical": np.stack([a.hypothetical[self._kept] for a in found], axis=-1),
            "prediction": np.array([a.prediction for a in found], np.float32),
            "baseline": np.array([a.baseline for a in found], np.float32),
            "attributed": np.array(total, np.float32),
        }

    def _check(self, arrays: dict[str, np.ndarray], numbers: range) -> None:
        names = ["prediction", "attributed", "hypothetical"]
        for name in names + ["baseline"] * (self._options.lines_from is not None):
            values = arrays[name].reshape(len(numbers), -1)
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if len(bad):
                site = self._sites[numbers[int(bad[0])]]
                raise InputFileError(
                    f"the model gives no finite {name} for the window at {site.chrom}:"
                    f"{site.window}: its weights are damaged"
                )


def _asked(scalar: AveragedScalar, output: Output, further: dict[str, np.ndarray]):
    """Return the functions of codes to an output, and to its gradient.

    Further inputs are of each code's window, or of the one window that all codes are of.
    """

    def inputs(codes: np.ndarray) -> dict[str, np.ndarray]:
        return {
            name: v if len(v) == len(codes) else np.repeat(v, len(codes), axis=0)
            for name, v in further.items()
        }

    def value(codes: np.ndarray) -> np.ndarray:
        return scalar.value(codes, output, inputs(codes))

    def gradient(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return scalar.gradient(codes, output, inputs(codes))

    return value, gradient
