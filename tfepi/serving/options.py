"""What an export is asked for beside the model."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.spec import ModelSpec
from tfepi.variants.alleles import Window
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.options import INDEL_ALIGNMENTS
from tfepi.variants.scores import check_names, warn_of_one_bin
from tfrecords_tools.errors import ConfigError, UnfinishedError, unknown
from tfrecords_tools.targets import Target

STATS = ("SAD",)


@dataclass(frozen=True)
class ExportOptions:
    """What an export's signatures compute.

    Attributes:
        stats: statistics of the signatures that score; None for SAD where the model can score.
        rc: average predictions over both strands.
        indel_align: how predictions of alleles of different lengths are lined up.
        head: the only head to export, or None for all.
        targets: the head's targets to score, or None for all.
        batch_size: the only number of rows that is taken, or None for any.
        licence: of the model, or None.
    """

    stats: tuple[str, ...] | None = None
    rc: bool = False
    indel_align: str = INDEL_ALIGNMENTS[0]
    head: str | None = None
    targets: tuple[Target, ...] | None = None
    batch_size: int | None = None
    licence: str | None = None

    def __post_init__(self):
        if self.stats is not None:
            check_names(self.stats)
        if self.indel_align not in INDEL_ALIGNMENTS:
            raise unknown("indel_align", self.indel_align, INDEL_ALIGNMENTS)
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}: want 1 or more")


@dataclass(frozen=True)
class Scores:
    """What the signatures that score give.

    Attributes:
        stats: statistics.
        window: how the model's sequence lies around a variant.
        heads: the scored targets of each head.
    """

    stats: tuple[str, ...]
    window: Window
    heads: tuple[HeadTargets, ...]

    def key(self, head: HeadTargets, stat: str) -> str:
        """Return the name of an output: the statistic's, of several heads HEAD/STATISTIC."""
        return stat if len(self.heads) == 1 else f"{head.head}/{stat}"

    @property
    def keys(self) -> list[str]:
        """The names of all outputs."""
        return [self.key(head, stat) for head in self.heads for stat in self.stats]


def scores_of(spec: ModelSpec, options: ExportOptions) -> tuple[Scores | None, str]:
    """Return what a model's signatures score, or None and why they do not.

    Args:
        spec: the contract of what is exported, of one head if one was chosen.
        options: of the export.

    Raises:
        ConfigError: statistics or targets are asked of a model that cannot score, or a target
            that is not the model's.
    """
    try:
        window = Window.of(spec)
    except ConfigError as error:
        if options.stats is not None or options.targets is not None:
            raise
        return None, str(error)
    heads: Sequence[str | None] = [h.name for h in spec.heads]
    if options.targets is not None:
        heads = [spec.head().name]  # several heads and none named are refused
    chosen = tuple(HeadTargets.of(spec, head, options.targets, None) for head in heads)
    stats = options.stats or STATS
    warn_of_one_bin(stats, window.bins)
    return Scores(stats, window, chosen), ""


def check_onnx(path: str | Path, overwrite: bool = False) -> None:
    """Check that an ONNX file can be written, and that what writes it is installed.

    Raises:
        ConfigError: a name without .onnx, or a package that is missing.
        UnfinishedError: the file is there, or its folder is not.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ConfigError(f"--onnx {path}: want a name that ends in .onnx")
    if path.exists() and not (overwrite and path.is_file()):
        raise UnfinishedError(f"{path} exists: name another file, or use --overwrite")
    if not path.absolute().parent.is_dir():
        raise UnfinishedError(f"the folder of {path} does not exist: make it first")
    for name in ("tf2onnx", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"--onnx needs {name}, which is not installed: pip install 'tfepi[onnx]'"
            )
