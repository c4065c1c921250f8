"""Windows with a transcription start site in the middle, and the bins that hold it."""

from dataclasses import dataclass

from tfepi.spec import METHYLATION, ModelSpec
from tfrecords_tools.errors import ConfigError

BINS = 3


@dataclass(frozen=True)
class TssWindow:
    """How a model's window lies around a transcription start site (TSS).

    The TSS is at index L // 2 of the sequence, so that the window begins L // 2 before it.

    Attributes:
        length: L, of the sequence, bp.
        bin_width: bp.
        crop: bp at each end without bins.
        total: number of output bins.
        count: bins whose prediction is asked for: the TSS's and as many on either side.
    """

    length: int
    bin_width: int
    crop: int
    total: int
    count: int = BINS

    @classmethod
    def around(cls, spec: ModelSpec, count: int) -> "TssWindow":
        """Return the window of a model and `count` bins, which may reach beyond its own."""
        return cls(spec.seq_length, spec.bin_width, spec.crop, spec.target_length, count)

    @classmethod
    def of(cls, spec: ModelSpec, count: int = BINS) -> "TssWindow":
        """Return the window of a model.

        Args:
            spec: the model's contract.
            count: bins, an odd number.

        Raises:
            ConfigError: a model of single CpGs, or of more than the sequence; a number of bins
                that is even, below 1, or more than the model has around the TSS.
        """
        if spec.kind == METHYLATION:
            raise ConfigError(
                f"the model {spec.name} predicts the methylation of one CpG, no signal at genes: "
                "attribute it with tfepi_methylation.py attribute"
            )
        if set(spec.inputs) != {"sequence"}:
            further = " and ".join(sorted(set(spec.inputs) - {"sequence"}))
            raise ConfigError(
                f"the model takes {further} besides the sequence: want one of the sequence alone"
            )
        if count < 1 or count % 2 == 0:
            raise ConfigError(f"bins is {count}: want an odd number, the TSS's bin in the middle")
        window = cls.around(spec, count)
        if window.first < 0 or window.first + count > window.total:
            raise ConfigError(
                f"{count} bins around the TSS reach beyond the model's {window.total} bins of "
                f"{window.bin_width} bp: ask for fewer with --bins"
            )
        return window

    @property
    def middle(self) -> int:
        """Index of the TSS in the sequence."""
        return self.length // 2

    @property
    def first(self) -> int:
        """The first of the bins asked for."""
        return (self.middle - self.crop) // self.bin_width - self.count // 2

    @property
    def mirrored(self) -> int:
        """The first of the same bins in the reverse complement."""
        return self.total - self.first - self.count

    @property
    def span(self) -> tuple[int, int]:
        """Where the bins asked for lie in the sequence: first base, and the one behind, bp."""
        low = self.crop + self.first * self.bin_width
        return low, low + self.count * self.bin_width

    def start(self, position: int) -> int:
        """Return where the window of a TSS starts, 0-based; negative before the chromosome."""
        return position - self.middle
