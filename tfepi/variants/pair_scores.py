"""Statistics of pairs of alleles: sequences to predictions to scores, window by window."""

from collections.abc import Iterator, Sequence

import numpy as np

from tfepi.spec import AveragedPredictor, Condition, Predictor
from tfepi.variants.alleles import (
    LEFT,
    AllelePair,
    SequenceKey,
    Stretches,
    read_around,
    sequence,
    sequence_keys,
    stitched,
    touched_bins,
)
from tfepi.variants.alternatives import Alternatives, Evaluator, FullEvaluator, References
from tfepi.variants.averaged import averaged
from tfepi.variants.evaluators import make_evaluator
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.manifest import Manifest
from tfepi.variants.pair_windows import WindowGroup, window_groups
from tfepi.variants.scores import score
from tfepi.variants.window_scores import WindowScores
from tfrecords_tools.genome import Genome, one_hot

_GROUP_BYTES = 64 << 20  # predictions of changed sequences at once
_Sides = tuple[tuple[int, ...] | None, tuple[int, ...] | None]


class PairScorer:
    """Predicts the alleles of pairs and compares them.

    Args:
        genome: the FASTA.
        manifest: of the run.
        predictor: the model.
        chosen: the head and the targets.
        condition: the model's inputs besides the sequence, or None.
    """

    def __init__(
        self,
        genome: Genome,
        manifest: Manifest,
        predictor: Predictor,
        chosen: HeadTargets,
        condition: Condition | None = None,
    ):
        self._genome, self._manifest, self._condition = genome, manifest, condition
        self._window, self._stats = manifest.window, manifest.scoring.stats
        self._stitch = manifest.scoring.indel_align == "stitch"
        scoring, size = manifest.scoring, manifest.scoring.batch_size
        if scoring.compat == "basenji":
            whole = _Quarters(AveragedPredictor(predictor, scoring.rc, scoring.shifts))
            self._passes: list[Evaluator] = [
                averaged(lambda c: FullEvaluator(whole, chosen, c, size), predictor.spec, chosen)
            ]
        else:
            self._passes = [
                make_evaluator(
                    predictor,
                    predictor.spec,
                    chosen,
                    scoring.rc,
                    shifts,
                    scoring.incremental,
                    size,
                    manifest.survey.rows,
                )
                for shifts in scoring.passes
            ]
        row_bytes = 4 * self._window.bins * len(manifest.targets) * len(self._passes)
        fit = max(1, _GROUP_BYTES // row_bytes)
        self._changes = min(fit, max(p.changes for p in self._passes))
        self._size = min(p.windows for p in self._passes)

    def scores(self, pairs: Sequence[AllelePair]) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        """Yield statistics of pairs, some at a time, in their order.

        Args:
            pairs: sorted by position.

        Yields:
            Statistic → float32 [pairs, targets] ([pairs, bins, targets] for REF and ALT), and of
            how many pairs predictions are not finite.
        """
        read = read_around(self._genome, self._window, pairs)
        for group in window_groups(pairs, self._window, self._size, read, self._fewest_sharing()):
            inputs = self._inputs(read, group)
            references = [p.references(inputs, group.along()) for p in self._passes]
            low = 0
            while low < len(group.pairs):
                high, keys = self._batch(pairs, group, low)
                numbers = group.pairs[low:high]
                here = [pairs[n] for n in numbers]
                of = np.array(group.of[low:high])
                yield self._scores(read, references, here, of, keys)
                low = high

    def _fewest_sharing(self) -> int:
        """Return how many windows of a stretch share activations; 0 if none do."""
        step = self._window.step
        even = all(p.shared_step and step % p.shared_step == 0 for p in self._passes)
        if not step or self._condition is not None or not even:
            return 0
        return max(p.shared_windows for p in self._passes)

    def _inputs(self, read: Stretches, group: WindowGroup) -> dict[str, np.ndarray]:
        length = self._window.length
        inputs = {"sequence": np.stack([read(c, s, s + length) for c, s in group.windows])}
        if self._condition is not None:
            inputs |= self._condition([(c, s, s + length) for c, s in group.windows])
        return inputs

    def _batch(
        self, pairs: Sequence[AllelePair], group: WindowGroup, low: int
    ) -> tuple[int, dict[SequenceKey, int]]:
        """Return where the pairs end whose changed sequences fit together, and these."""
        keys: dict[SequenceKey, int] = {}
        high = low
        while high < len(group.pairs) and (high == low or len(keys) < self._changes):
            pair = pairs[group.pairs[high]]
            for allele in (pair.ref, pair.alt):
                if allele != pair.host:
                    for key in sequence_keys(pair, allele, self._stitch):
                        keys.setdefault(key, len(keys))
            high += 1
        return high, keys

    def _scores(
        self,
        read: Stretches,
        references: Sequence[References],
        pairs: Sequence[AllelePair],
        of: np.ndarray,
        keys: dict[SequenceKey, int],
    ) -> tuple[dict[str, np.ndarray], int]:
        sides: list[_Sides] = [
            tuple(
                None
                if allele == p.host
                else tuple(keys[k] for k in sequence_keys(p, allele, self._stitch))
                for allele in (p.ref, p.alt)
            )
            for p in pairs
        ]
        window = {}  # of each key: number of its reference, and the pair it belongs to
        for number, (pair, both) in enumerate(zip(pairs, sides, strict=True)):
            for key in (k for side in both if side is not None for k in side):
                window[key] = (of[number], pair)
        sequences = np.stack([sequence(read, self._window, key) for key in keys])
        key_of = np.array([window[k][0] for k in range(len(keys))])
        bins = np.array([self._bins(key, window[k][1]) for key, k in keys.items()])
        each, bad = [], np.zeros(len(pairs), bool)
        for evaluator, kept in zip(self._passes, references, strict=True):
            changed = evaluator.alternatives(kept, key_of, sequences, bins)
            compared = _Compared(kept.predictions, changed, self._window)
            each.append(compared.scores(self._stats, pairs, of, sides))
            bad |= compared.undefined(of, sides)
        scores = each[0]
        if len(each) > 1:
            scores = {
                k: np.mean([s[k] for s in each], axis=0, dtype=np.float64) for k in self._stats
            }
        return {k: v.astype(np.float32, copy=False) for k, v in scores.items()}, int(bad.sum())

    def _bins(self, key: SequenceKey, pair: AllelePair) -> tuple[int, int]:
        """Return the bins of a changed sequence that are used."""
        total = self._window.bins
        if not self._stitch or len(key.allele) == len(key.host):
            return 0, total
        first, last = touched_bins(self._window, pair.position, len(pair.host))
        return (0, min(last, total)) if key.register == LEFT else (first, total)


class _Compared:
    """Predictions of one pass, compared pair by pair."""

    def __init__(self, own: np.ndarray, changed: Alternatives, window):
        self._own, self._changed, self._window = own, changed, window

    def scores(
        self,
        names: Sequence[str],
        pairs: Sequence[AllelePair],
        of: np.ndarray,
        sides: Sequence[_Sides],
    ) -> dict[str, np.ndarray]:
        """Return statistics of pairs, in their order."""
        plain = np.array([ref is None and alt is not None and len(alt) == 1 for ref, alt in sides])
        centers = np.array([self._window.center_of(p.position) for p in pairs])
        if "REF_RATIO" not in names:
            centers[:] = centers[0]
        found: dict[str, np.ndarray] = {}
        for center in np.unique(centers).tolist():
            here = np.flatnonzero(plain & (centers == center))
            if len(here):
                at = np.array([sides[n][1][0] for n in here])
                c = self._changed
                some = Alternatives(of[here], c.starts[at], c.values[at])
                self._put(found, here, WindowScores(self._own, center).score(names, some), pairs)
        for n in np.flatnonzero(~plain):
            ref, alt = (self._whole(pairs[n], of[n], side) for side in sides[n])
            values = score(names, ref[None], alt[None], int(centers[n]))
            self._put(found, np.array([n]), values, pairs)
        return found

    @staticmethod
    def _put(found: dict, rows: np.ndarray, values: dict, pairs: Sequence[AllelePair]) -> None:
        for name, scores in values.items():
            if name not in found:
                found[name] = np.empty((len(pairs), *scores.shape[1:]), np.float32)
            found[name][rows] = scores

    def _whole(self, pair: AllelePair, of: int, side: tuple[int, ...] | None) -> np.ndarray:
        """Return an allele's predictions in all bins: float32 [bins, targets]."""
        if side is None:
            return self._own[of]
        filled = [self._filled(of, n) for n in side]
        if len(filled) == 1:
            return filled[0]
        return stitched(*filled, self._window, pair.position, len(pair.host))

    def _filled(self, of: int, number: int) -> np.ndarray:
        values, start = self._changed.values[number], self._changed.starts[number]
        found = self._own[of].copy()
        found[start : start + len(values)] = values
        return found

    def undefined(self, of: np.ndarray, sides: Sequence[_Sides]) -> np.ndarray:
        """Tell of which pairs a prediction is no finite number."""
        own = ~np.isfinite(self._own).all(axis=(1, 2))
        changed = ~np.isfinite(self._changed.values).all(axis=(1, 2))
        return np.array(
            [
                own[o] or any(changed[n] for side in both if side is not None for n in side)
                for o, both in zip(of, sides, strict=True)
            ]
        )


class _Quarters:
    """A Predictor that codes letters other than A, C, G and T as a quarter of each."""

    def __init__(self, predictor: Predictor):
        self.spec = predictor.spec
        self._predictor = predictor

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As `spec.Predictor.predict`, of base indices."""
        return self._predictor.predict(
            inputs | {"sequence": one_hot(inputs["sequence"], unknown=0.25)}
        )
