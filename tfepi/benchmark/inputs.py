"""The inputs of both tools, made in the work folder: genome, tracks, SNVs, records, models."""

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path

from tfepi.benchmark.cases import (
    CENTRE_BIN,
    SHORT,
    Command,
    long_windows,
    our_build,
    our_driver,
    our_script,
    their_driver,
)
from tfepi.benchmark.settings import Settings
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing, write_json, write_text
from tfrecords_tools.targets import read_targets, resolve, write_targets

log = logging.getLogger(__name__)
SPARE_VARIANTS = 1.2  # of the simulated variants some are insertions and deletions


def prepare(settings: Settings, work: Path, run: Callable[[Command], object]) -> tuple[str, int]:
    """Make what the chosen cases need and no more.

    Args:
        settings: the benchmark's options.
        work: the work folder.
        run: runs a command in it, raising an error if it fails.

    Returns:
        The genome's path and the number of SNVs to score.
    """
    chosen = set(settings.cases)
    if chosen == {"help"}:
        return "", 0
    if settings.genome:
        genome, table, vcf = str(settings.genome), settings.targets, settings.vcf
    else:
        log.info("simulating %d bp", settings.length)
        run(_simulation(settings))
        genome, table = "genome/genome.fa", work / "genome" / "targets.txt"
        vcf = settings.vcf or work / "genome" / "variants.vcf"
    # The original knows no paths relative to the table.
    targets = resolve(read_targets(table), table.resolve())
    write_targets(work / "targets.txt", targets)
    snvs = choose_snvs(vcf, work / "snvs.vcf", settings.snvs) if "score" in chosen else 0
    for folder in ("built", "data", "scored"):
        (work / folder).mkdir(exist_ok=True)
    for command in _records(settings, genome, chosen):
        log.info("making %s", command.made)
        run(command)
    if chosen & {"train", "score"}:
        write_json(work / "basenji_basset.json", basenji_params(len(targets), settings.batch))
    if "score" in chosen:
        ours = ("model", "basset", "targets.txt", "-o", "model")
        if settings.basenji_python:
            options = ("model", "basenji_basset.json", "-o", "basenji_basset.h5")
            run(their_driver(settings, *options))
            ours += ("--weights", "basenji_basset.npz")
        run(Command(our_driver(*ours)))
    return genome, snvs


def _simulation(settings: Settings) -> Command:
    variants = str(round(SPARE_VARIANTS * settings.snvs))
    command = (*our_script(settings, "tfepi_simulate.py"), "-q", "--large", "-o", "genome")
    return Command((*command, "--length", str(settings.length), "--variants", variants))


def _records(settings: Settings, genome: str, chosen: set[str]) -> list[Command]:
    """Return the builds that reading and training start from; both tools read the same."""
    made = []
    if "read" in chosen:
        made += [
            our_build(settings, genome, f"data/{coding}", *SHORT, "--encoding", coding)
            for coding in ("index", "packed")
        ]
    if "read131k" in chosen:
        made += [
            our_build(
                settings,
                genome,
                f"data/long/{coding}",
                *long_windows(settings),
                "--encoding",
                coding,
            )
            for coding in ("index", "packed")
        ]
    if "train" in chosen:
        made.append(our_build(settings, genome, "data/centre", *SHORT, *CENTRE_BIN))
    return made


def choose_snvs(source: Path, out: Path, count: int) -> int:
    """Write a VCF with up to `count` of the SNVs of another, spread evenly over it.

    Args:
        source: VCF or VCF.gz.
        out: VCF to write.
        count: how many are wanted.

    Returns:
        How many were written.

    Raises:
        InputFileError: there are none, or a line has fewer than five columns.
    """
    header, rows = [], []
    opened = gzip.open if source.suffix == ".gz" else open
    with opened(existing(source, "VCF"), "rt") as handle:
        for number, line in enumerate(handle, 1):
            if line.startswith("#"):
                header.append(line)
                continue
            fields = line.rstrip("\n").split("\t")
            if len(fields) < 5:
                raise InputFileError(f"{source} line {number} has {len(fields)} columns, want 5")
            if all(len(allele) == 1 and allele in "ACGTacgt" for allele in fields[3:5]):
                rows.append(line)
    if not rows:
        raise InputFileError(f"{source} has no SNV: give a VCF with SNVs")
    kept = min(count, len(rows))
    write_text(out, "".join(header + [rows[i * len(rows) // kept] for i in range(kept)]))
    return kept


def basenji_params(targets: int, batch: int) -> dict:
    """Return the params.json by which the original builds the same Basset.

    Args:
        targets: outputs of the last layer.
        batch: examples a batch.
    """
    trunk = [
        {"name": "conv_dna", "filters": 288, "kernel_size": 17, "pool_size": 3},
        {
            "name": "conv_tower",
            "filters_init": 288,
            "filters_end": 512,
            "divisible_by": 16,
            "kernel_size": 5,
            "pool_size": 2,
            "repeat": 6,
        },
        {"name": "conv_block", "filters": 256, "kernel_size": 1},
        {"name": "dense_block", "flatten": True, "units": 768, "dropout": 0.2},
    ]
    ours = json.loads((Path(__file__).parents[1] / "presets" / "basset.json").read_text())
    return {
        "train": ours["train"] | {"batch_size": batch},
        "model": {
            "seq_length": 1344,
            "augment_rc": ours["model"]["augment_rc"],
            "augment_shift": ours["model"]["augment_shift"],
            "activation": "gelu",
            "norm_type": "batch",
            "bn_momentum": 0.9,
            "trunk": trunk,
            "head": [{"name": "final", "units": targets, "activation": "softplus"}],
        },
    }
