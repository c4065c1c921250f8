"""What can be chosen when windows are predicted."""

from dataclasses import dataclass

from tfepi.prediction.windows import Site
from tfepi.spec import ModelSpec
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError

_PART_BYTES = 64 << 20
_PART_BASES = 1 << 24
_FEWEST, _MOST = 64, 1 << 15


@dataclass(frozen=True)
class Request:
    """The options that decide predictions.

    Attributes:
        rc: average over both strands.
        shifts: average over these shifts, bp.
        head: the model's output; None where it has one.
        untransform: undo the targets' transforms (`untransform.STYLES`), or None.
        site_length: keep the bins of this many bp in the middle; None for all.
        sum: one value per window: the sum over its bins.
        batch_size: sequences per call of the model.
        tracks: targets to write as bigWig, by identifier or index; None for all.
        hdf5: write predict.h5.

    Raises:
        ConfigError: an unknown name, a value out of range, or nothing to write.
    """

    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    head: str | None = None
    untransform: str | None = None
    site_length: int | None = None
    sum: bool = False
    batch_size: int = 64
    tracks: tuple[str, ...] | None = ()
    hdf5: bool = True

    def __post_init__(self):
        check_predicting(self.shifts, self.untransform, self.batch_size)
        if not self.hdf5 and self.tracks == ():
            raise ConfigError(
                "neither predict.h5 nor a bigWig is asked for: name targets of tracks"
            )


def default_part_windows(
    spec: ModelSpec, site: Site, targets: int, batch_size: int, phases: int = 1
) -> int:
    """Return windows per part: few enough for memory, and for a kill to lose minutes only.

    What a part asks of the model, which for tiles of several phases is `phases` windows each and
    those that reach in from before, fills whole batches.
    """
    fit = _PART_BYTES // (4 * site.bins * targets)
    number = max(1, min(fit, max(_FEWEST, min(_MOST, _PART_BASES // spec.seq_length))))
    asked = number * phases + phases - 1
    if asked < batch_size:
        return number
    return max(1, (asked // batch_size * batch_size - phases + 1) // phases)


def names(text: str | None, every: str | None = None) -> tuple[str, ...] | None:
    """Return the names of a comma-separated list; None if it is the word for all of them."""
    if text is not None and text == every:
        return None
    return tuple(filter(None, text.split(","))) if text else ()
