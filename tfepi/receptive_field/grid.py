"""Where the positions of an output lie on the sequence."""

from dataclasses import dataclass

from tfepi.spec import ModelSpec


@dataclass(frozen=True)
class OutputGrid:
    """The bins of an output, one after the other.

    Attributes:
        length: of the sequence, bp.
        bins: of the output.
        width: bp of each.
        crop: bp before the first.
    """

    length: int
    bins: int
    width: int
    crop: int

    @classmethod
    def of_spec(cls, spec: ModelSpec) -> "OutputGrid":
        """Return the grid that a model's contract states."""
        return cls(spec.seq_length, spec.target_length, spec.bin_width, spec.crop)

    @classmethod
    def of_lengths(cls, length: int, bins: int, width: int | None = None) -> "OutputGrid":
        """Return the grid of an output in the middle of the sequence.

        Args:
            length: of the sequence, bp.
            bins: of the output.
            width: bp of each; None, or one that leaves no room, for bins that fill the sequence.
        """
        if width is None or bins * width > length:
            width = length // bins
        return cls(length, bins, width, (length - bins * width) // 2)

    def start(self, number: int) -> int:
        """Return where a bin begins, bp, 0-based."""
        return self.crop + number * self.width

    def middle(self, number: int) -> int:
        """Return the position in the middle of a bin, bp; of 1-bp bins the bin itself."""
        return self.start(number) + self.width // 2

    def bin_start(self, position: int) -> int:
        """Return where the bin that holds a position begins, were there bins everywhere."""
        return self.crop + (position - self.crop) // self.width * self.width
