"""What an exported model is, as JSON: what `describe` gives, and a file beside the model."""

from pathlib import Path

import tfepi
from tfepi.serving.options import ExportOptions, Scores
from tfepi.serving.signatures import DESCRIBE, PREDICTING, SCORING
from tfepi.spec import ModelSpec
from tfrecords_tools.files import sha256

FORMAT = "tfepi-served-model"
FORMAT_VERSION = 1
METADATA = "assets.extra/metadata.json"


def metadata(
    spec: ModelSpec,
    options: ExportOptions,
    scores: Scores | None,
    notes: tuple[str, ...],
    source: str | Path,
) -> dict:
    """Return the JSON value.

    Args:
        spec: the contract of what is exported.
        options: of the export.
        scores: what is scored, or None.
        notes: what a user should know, for instance why nothing is scored.
        source: the file the weights came from.
    """
    chosen = {} if scores is None else {h.head: h.targets for h in scores.heads}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "tfepi_version": tfepi.__version__,
        "model": spec.name,
        "kind": spec.kind,
        "licence": options.licence,
        "model_sha256": sha256(source) if Path(source).is_file() else None,
        "data_sha256": spec.data,
        "signatures": [*PREDICTING, *(SCORING if scores is not None else ()), DESCRIBE],
        "inputs": {n: list(s) for n, s in spec.inputs.items() if n != "sequence"},
        "batch_size": options.batch_size,
        "seq_length": spec.seq_length,
        "bin_width": spec.bin_width,
        "crop": spec.crop,
        "target_length": spec.target_length,
        "variant_index": None if scores is None else scores.window.index,
        "rc": options.rc,
        "indel_align": None if scores is None else options.indel_align,
        "stats": None if scores is None else list(scores.stats),
        "longest_allele": None if scores is None else spec.seq_length,
        "outputs": None
        if scores is None
        else {
            scores.key(head, stat): {"head": head.head, "stat": stat}
            for head in scores.heads
            for stat in scores.stats
        },
        "heads": [
            {
                "name": head.name,
                "units": head.units,
                "targets": [_target(t) for t in head.targets],
                "scored": [_target(t) for t in chosen[head.name]] if head.name in chosen else None,
            }
            for head in spec.heads
        ],
        "notes": list(notes),
    }


def _target(target) -> dict:
    return {"identifier": target.identifier, "description": target.description}
