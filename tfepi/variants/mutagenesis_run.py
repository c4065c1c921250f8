"""The loop over parts of saturation mutagenesis: letters to predictions to statistics."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tfepi.spec import Condition, ModelSpec
from tfepi.variants.alleles import Window
from tfepi.variants.alternatives import Alternatives, Evaluator
from tfepi.variants.mutagenesis_output import LETTERS, Layout, PartWriter, written_part
from tfepi.variants.numbered import Plan
from tfepi.variants.reference_groups import Group, group_size, site_groups
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of
from tfrecords_tools.progress import progress

_log = logging.getLogger(__name__)


class MutagenesisRun:
    """Predicts every change of the positions of a layout.

    Args:
        genome: the FASTA.
        layout: what the scores are of.
        spec: the model's contract.
        evaluator: predicts sequences and their changes.
        condition: the model's inputs besides the sequence, or None.
    """

    def __init__(
        self,
        genome: Genome,
        layout: Layout,
        spec: ModelSpec,
        evaluator: Evaluator,
        condition: Condition | None = None,
    ):
        self._genome, self._layout, self._evaluator = genome, layout, evaluator
        self._batch = evaluator.changes
        self._window = Window(spec.seq_length, spec.bin_width, spec.crop, spec.target_length)
        size = group_size((LETTERS - 1) * layout.span.length, evaluator, spec.seq_length)
        self._groups = site_groups(evaluator, genome, self._window, layout.sites, size, condition)

    def write_parts(self, plan: Plan, folder: Path, todo: list[int], quiet: bool) -> int:
        """Write the parts in `todo`; return how many changes have undefined predictions."""
        layout, undefined = self._layout, 0
        done = layout.positions - sum(len(layout.part(n)) for n in todo)
        with progress(
            total=layout.positions, unit="positions", label="mutate", quiet=quiet, initial=done
        ) as bar:
            for number in todo:
                undefined += self._write_part(plan.part(folder, number), number, bar.update)
        if undefined:
            changes = number_of(undefined, "change")
            _log.warning("predictions that are no finite numbers, of %s", changes)
        return undefined

    def _write_part(self, path: Path, number: int, advance: Callable[[int], object]) -> int:
        layout = self._layout
        positions, length = layout.part(number), layout.span.length
        own, asked = self._letters(positions), layout.asked(positions)
        place, letter = np.nonzero((own[:, None] != np.arange(LETTERS)) & asked[:, None])
        rows, site_of = place * LETTERS + letter, (positions.start + place) // length
        undefined, moved, defined = 0, 0, not len(rows)
        with written_part(path, layout, own, asked) as writer:
            for group, batch in self._batches(site_of):
                changed = self._predict(group, site_of[batch], positions.start, rows[batch])
                defined = defined or group.defined or bool(np.isfinite(changed.values).any())
                undefined += group.undefined(changed)
                self._score(writer, group, changed, rows[batch])
                step = int(place[batch][-1]) + 1 - moved
                moved += step
                advance(step)
            if not defined:
                raise InputFileError(
                    f"the model predicts no finite number for positions {positions.start + 1} to "
                    f"{positions.stop}: its weights are damaged"
                )
        advance(len(positions) - moved)
        return undefined

    def _letters(self, positions: range) -> np.ndarray:
        """Return the sequences' own letters at positions, counted through all sequences."""
        span = self._layout.span
        first, last = positions.start // span.length, (positions.stop - 1) // span.length
        inner = [
            site.sequence(self._genome, self._window)[span.start : span.start + span.length]
            for site in self._layout.sites[first : last + 1]
        ]
        low = positions.start - first * span.length
        return np.concatenate(inner)[low : low + len(positions)]

    def _batches(self, site_of: np.ndarray) -> Iterator[tuple[Group, slice]]:
        """Yield the changes of a part in batches, each of sites of one group."""
        groups = site_of // self._groups.size
        low = 0
        while low < len(groups):
            stop = int(np.searchsorted(groups, groups[low], side="right"))
            group = self._groups.group(int(groups[low]))
            for start in range(low, stop, self._batch):
                yield group, slice(start, min(start + self._batch, stop))
            low = stop

    def _predict(
        self, group: Group, site_of: np.ndarray, first: int, rows: np.ndarray
    ) -> Alternatives:
        """Return predictions for changes: row = position in the part * 4 + letter."""
        span, of = self._layout.span, site_of - group.numbers.start
        sequences = group.bases[of]
        index = span.start + first + rows // LETTERS - site_of * span.length
        sequences[np.arange(len(rows)), index] = rows % LETTERS
        return self._evaluator.alternatives(group.references, of, sequences)

    def _score(
        self, writer: PartWriter, group: Group, changed: Alternatives, rows: np.ndarray
    ) -> None:
        writer.write(rows, group.comparison.compare(self._layout.stats, changed))
