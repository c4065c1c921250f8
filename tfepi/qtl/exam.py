"""Variant scores put to fine-mapped QTLs as an exam: which variants are causal, and what they do.

Scores under several names sit the same exam: the same positives, the same negatives.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.qtl.exam_features import PEAK, TSS, FeatureFiles, features_of
from tfepi.qtl.exam_matching import chosen_features, match
from tfepi.qtl.exam_output import write_exam
from tfepi.qtl.exam_result import FORMAT, Exam, exam_blocks, hold_exam
from tfepi.qtl.exam_scores import Choice, common_rows, read_scores
from tfepi.qtl.exam_table import read_qtls
from tfepi.qtl.exam_variants import SCORED, Limits, label_variants
from tfepi.variants.numbered import Plan, remove_all_parts
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import existing, identity, read_json, write_json
from tfrecords_tools.output import check_folder, run_record

NAME = "exam.json"
EDGES = (1_000, 10_000, 100_000)
_NO_FILES = FeatureFiles()


@dataclass(frozen=True)
class Options:
    """How an exam is held.

    Attributes:
        limits: PIPs of positives and negatives.
        match_on: keys of `exam_matching.FEATURE_NAMES`; None for all there are.
        controls: most negatives of each positive.
        bins: of each feature; None: as many as leave negatives to the positives.
        edges: distances between groups, bp.
        effect_floor: smallest effect whose sign counts.
        columns: OURS=THEIRS of the QTL table.
        only: COLUMN=VALUE of its rows that are read.
        base: what its first base is counted as, 1 or 0.
        bootstrap: resamples over blocks of the genome (`rank_resamples`).

    Raises:
        ConfigError: a value out of range.
    """

    limits: Limits = field(default_factory=Limits)
    match_on: tuple[str, ...] | None = None
    controls: int = 4
    bins: int | None = None
    edges: tuple[int, ...] = EDGES
    effect_floor: float = 0.0
    columns: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    base: int = 1
    bootstrap: Bootstrap = field(default_factory=Bootstrap)

    def __post_init__(self):
        for name in ("controls", "bins"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"--{name} is {value}: want 1 or more")
        if not 0 <= self.effect_floor < np.inf:
            raise ConfigError(f"--effect_floor is {self.effect_floor:g}: want 0 or more")


def exam(
    table: str | Path,
    scores: Mapping[str, tuple[str | Path, Choice]],
    out: str | Path,
    options: Options = Options(),
    files: FeatureFiles = _NO_FILES,
    background: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    draw: Callable[[Exam, Path], object] | None = None,
) -> dict:
    """Write exam.json, exam.tsv, balance.tsv, variants.tsv.gz and, of several targets, targets.tsv.

    Args:
        table: fine-mapped QTLs.
        scores: name → folder of `tfepi_variants.py` or a table, and what of it.
        out: output folder.
        options: how.
        files: of start sites, peaks and LD scores.
        background: further candidate negatives (`label_variants`).
        resume: keep a finished run of the same; one that was stopped starts again.
        overwrite: remove results first.
        quiet: no progress bar.
        draw: called with the exam and the folder before exam.json is written.

    Returns:
        The value of exam.json.

    Raises:
        InputFileError: a file that cannot be used, or no positive with a score.
        ConfigError: an option that does not fit the data.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    inputs = {"qtls": existing(table, "QTL table")} | files.files()
    if background not in (None, SCORED):
        inputs["background"] = existing(background, "background")
    read = [read_scores(name, *of) for name, of in scores.items()]
    inputs |= {f"scores {s.name}": s.path for s in read}
    facts = asdict(options) | {"background": SCORED if background == SCORED else None}
    facts["choices"] = {s.name: asdict(s.choice) for s in read}
    plan = Plan(FORMAT, {k: identity(p) for k, p in inputs.items()}, facts, 0, "")
    if resume and (folder / NAME).exists():
        plan.check_same(folder)
        return read_json(folder / NAME)
    qtls = read_qtls(table, options.columns, options.only, options.base)
    rows = common_rows(read)
    labelled = label_variants(read[0].table.loc[rows[0]], qtls, options.limits, background)
    features = features_of(labelled.table, files)
    positive = labelled.table["positive"].to_numpy()
    chosen = chosen_features(features, positive, options.match_on)
    how = (options.controls, options.bins, options.bootstrap.seed)
    matching = match(chosen, positive, *how, dict.fromkeys((TSS, PEAK), options.edges))
    blocks = exam_blocks(labelled, matching, options.bootstrap.block_bp)
    plan.claim(folder, resume, overwrite)
    remove_all_parts(folder)
    with run_record(folder, dict(plan.inputs), seed=options.bootstrap.seed):
        found = hold_exam(
            *(read, rows, labelled, features, matching, blocks),
            edges=options.edges,
            bootstrap=options.bootstrap,
            floor=options.effect_floor,
            quiet=quiet,
        )
        write_exam(folder, found)
        if draw is not None:
            draw(found, folder)
        limits = {"positive": options.limits.positive, "negative": options.limits.negative}
        result = found.result | {"qtls": {"path": str(table), "columns": qtls.columns} | limits}
        write_json(folder / NAME, result)
    return result
