"""Scores of a VCF's variants by a served model: the files that `score_vcf` writes."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfepi.serving.client import Client
from tfepi.serving.client_batches import Batch
from tfepi.serving.client_predictor import ServedPredictor
from tfepi.variants.alleles import AllelePair, Stretches, Window, read_around
from tfepi.variants.forecast import Forecast
from tfepi.variants.formats import DEFAULT
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.manifest import Manifest
from tfepi.variants.merge import score_results
from tfepi.variants.options import Scoring
from tfepi.variants.pair_scores import PairScorer
from tfepi.variants.part_runs import Place, run_in_parts
from tfepi.variants.scores import PREDICTIONS
from tfepi.variants.scoring import PartLoop, prepared
from tfrecords_tools.genome import Genome, decode, shortened
from tfrecords_tools.number_text import number_of
from tfrecords_tools.sharding import Shard
from tfrecords_tools.targets import Target

_log = logging.getLogger(__name__)


def score_served_vcf(
    client: Client,
    vcf: str | Path,
    fasta: str | Path,
    out: str | Path,
    *,
    stats: Sequence[str] | None = None,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    ref_policy: str = "error",
    formats: Sequence[str] = DEFAULT,
    shard: Shard | None = None,
    chunk_records: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Score every REF and ALT of a VCF by a served model.

    What was decided when the model was exported (strands, indels) comes from its description.

    Args:
        client: of the model.
        vcf: VCF, VCF.gz or BCF, sorted.
        fasta: the genome, plain or bgzip.
        out: output folder; a shard's own is out/shards/i-of-n.
        stats: of those that the model was exported with; None for all.
        head: of the model's, where there are several.
        targets: only these of the head's, by identifier, with these labels.
        ref_policy: what becomes of records that cannot be scored (`checks.REF_POLICIES`).
        formats, shard, chunk_records, resume, overwrite, quiet: as of `score_vcf`.

    Returns:
        The folder written.

    Raises:
        InputFileError: a VCF or FASTA that cannot be used.
        ConfigError: a statistic, head or target that is not served.
        UnfinishedError: results are there, or were made from something else.
        ServerLostError, ServerRefusedError: as `client.Client`.
    """
    place = Place.of(out, shard, resume, overwrite)
    results = replace(score_results(formats), facts={"formats": list(formats)} | _facts(client))
    scoring = scoring_of(client, stats, head, ref_policy)
    spec, targets = client.describe().spec, scored_targets(client, scoring.head, targets)
    of = (spec, vcf, fasta, scoring, model_identity(client), targets, chunk_records)
    with prepared(*of) as (genome, manifest, scored):

        def begin(client: Client) -> PartLoop:
            scorer = ServedScorer(genome, manifest, client, scored)
            return PartLoop(genome, manifest, scorer, place.folder)

        report = Forecast.of(manifest, formats).report
        folder = run_in_parts(place, manifest, results, report, lambda: client, begin, quiet)
    if client.requests.repeated:
        _log.info("%s came to nothing first", number_of(client.requests.repeated, "request"))
    return folder


def served_manifest(
    client: Client,
    vcf: str | Path,
    fasta: str | Path,
    *,
    stats: Sequence[str] | None = None,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    ref_policy: str = "error",
    chunk_records: int | None = None,
) -> Manifest:
    """Return what decides the results of `score_served_vcf`, after the same checks.

    Args:
        client, vcf, fasta, stats, head, targets, ref_policy, chunk_records: as there.

    Raises:
        InputFileError, ConfigError, ServerLostError, ServerRefusedError: as there.
    """
    scoring = scoring_of(client, stats, head, ref_policy)
    spec, targets = client.describe().spec, scored_targets(client, scoring.head, targets)
    of = (spec, vcf, fasta, scoring, model_identity(client), targets, chunk_records)
    with prepared(*of) as (_, manifest, _):
        return manifest


def scoring_of(
    client: Client, stats: Sequence[str] | None, head: str | None, ref_policy: str
) -> Scoring:
    """Return the options that decide the scores of a served model.

    How many rows a request has is none of them: it may change when a run goes on.

    Raises:
        ConfigError: a statistic or a head that is not served.
    """
    found = client.describe()
    found.head(head)
    names = tuple(found.stats if stats is None else stats)
    found.check_stats(names)
    return Scoring(
        stats=names,
        rc=found.rc,
        indel_align=found.indel_align,
        head=found.head(head).name,
        ref_policy=ref_policy,
        incremental="off",
    )


def scored_targets(
    client: Client, head: str | None, targets: Sequence[Target] | None
) -> Sequence[Target] | None:
    """Return the targets to score, None for all of the head's.

    Raises:
        ConfigError: one that the model was not exported to score.
    """
    found = client.describe()
    of_head = found.head(head)
    if targets is None:
        scored = found.scored[of_head.name]
        return None if scored == of_head.targets else scored
    found.columns(of_head, targets)
    return targets


def model_identity(client: Client) -> dict[str, dict]:
    """Return label → identity of the served model, as the manifest holds files'."""
    found, address = client.describe(), client.address
    return {
        "model": {
            "path": str(replace(address, version=None)),
            "sha256": found.sha256,
            "description": found.digest,
        }
    }


def _facts(client: Client) -> dict[str, object]:
    """Return what run.json is to say of how the model was asked."""
    how = client.requests.how
    return {
        "server": str(client.address),
        "requests": {"batch_size": client.batch_size, "in_flight": how.in_flight},
    }


class ServedScorer:
    """Compares the alleles of pairs by a served model: a `scoring.Scorer`.

    Args:
        genome: the FASTA.
        manifest: of the run.
        client: of the model.
        chosen: the head and the targets.
    """

    def __init__(self, genome: Genome, manifest: Manifest, client: Client, chosen: HeadTargets):
        self._genome, self._manifest, self._client = genome, manifest, client
        self._chosen = chosen
        self._about = client.describe()
        self._columns = self._about.columns(self._about.head(chosen.head), chosen.targets)

    def scores(self, pairs: Sequence[AllelePair]) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        """As `pair_scores.PairScorer.scores`; ends with a check that the model was the same."""
        longest = self._about.longest_allele
        for served, group in itertools.groupby(pairs, lambda pair: is_served(pair, longest)):
            yield from (self._served if served else self._predicted)(list(group))
        if pairs:
            self._client.check_same()

    def _served(self, pairs: Sequence[AllelePair]) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        window, stats = self._manifest.window, self._manifest.scoring.stats
        head = self._about.head(self._chosen.head)
        read = read_around(self._genome, window, pairs)
        size = self._client.batch_size
        groups = (pairs[low : low + size] for low in range(0, len(pairs), size))
        for found in self._client.score_batches(batch(read, window, g) for g in groups):
            values = {s: found[self._about.output(head, s)][..., self._columns] for s in stats}
            yield values, undefined(values)

    def _predicted(
        self, pairs: Sequence[AllelePair]
    ) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        """Compare here what the server predicts of each sequence, which has averaged strands."""
        scoring = replace(self._manifest.scoring, rc=False)
        manifest = replace(self._manifest, scoring=scoring)
        predictor = ServedPredictor(self._client)
        return PairScorer(self._genome, manifest, predictor, self._chosen).scores(pairs)


def is_served(pair: AllelePair, longest: int) -> bool:
    """Tell whether `score_alleles` can be asked for a pair.

    It takes REF for what is in the genome; letters of REF are put there if they are as many.

    Args:
        pair: of alleles.
        longest: bp that an allele may have.
    """
    return len(pair.host) == len(pair.ref) and max(len(pair.ref), len(pair.alt)) <= longest


def batch(read: Stretches, window: Window, pairs: Sequence[AllelePair]) -> Batch:
    """Return the request for the scores of pairs.

    Args:
        read: the genome around the pairs.
        window: of the model.
        pairs: consecutive.
    """
    texts, offsets = [], []
    for pair in pairs:
        room = max(0, len(pair.ref) - len(pair.alt))
        start = window.start(pair.position) - room
        behind = pair.position + len(pair.ref)
        end = max(start + window.length + 2 * room, behind)
        text = decode(read(pair.chrom, start, end))
        if pair.host != pair.ref:
            text = text[: pair.position - start] + pair.ref + text[behind - start :]
        texts.append(text)
        offsets.append(pair.position - start)
    inputs = {"window": texts, "offset": np.array(offsets, np.int32)}
    inputs |= {"ref": [p.ref for p in pairs], "alt": [p.alt for p in pairs]}
    return Batch(inputs, len(pairs), _names(pairs))


def _names(pairs: Sequence[AllelePair]) -> str:
    """Return which variants a request is of."""
    first, last = (
        f"{p.chrom}:{p.position + 1} {shortened(p.ref)}>{shortened(p.alt)}"
        for p in (pairs[0], pairs[-1])
    )
    return f"{len(pairs)} variants, {first} to {last}" if len(pairs) > 1 else f"variant {first}"


def undefined(values: dict[str, np.ndarray]) -> int:
    """Return of how many rows a prediction is no finite number, as the scores tell it.

    A statistic alone may be undefined of good predictions (a logarithm of a negative number); if
    the prediction of a target is not finite, all statistics of it are.
    """
    predictions = [v for name, v in values.items() if name in PREDICTIONS]
    others = [~np.isfinite(v) for name, v in values.items() if name not in PREDICTIONS]
    bad = np.logical_and.reduce(others).any(axis=1) if others else False
    for found in predictions:
        bad = bad | ~np.isfinite(found).all(axis=(1, 2))
    return int(np.sum(bad))
