"""What can be chosen when elements are scored."""

from dataclasses import dataclass

import numpy as np

from tfepi.analysis.element_pairs import WIDTH, Element, check_width
from tfepi.analysis.pair_accuracy import EDGES
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class PairOptions:
    """How contributions become scores of pairs.

    Attributes:
        width: bp around an element's middle; 0 for the element as it is.
        sigma: weigh bases by a Gaussian of this standard deviation around the middle, bp; None
            weighs all the same.
        edges: distances between groups of pairs, bp.
        seed: of resamples.

    Raises:
        ConfigError: a value out of range.
    """

    width: int = WIDTH
    sigma: float | None = None
    edges: tuple[int, ...] = EDGES
    seed: int = 44

    def __post_init__(self):
        check_width(self.width)
        if self.sigma is not None and not 0 < self.sigma < np.inf:
            raise ConfigError(f"sigma is {self.sigma:g} bp: want a number above 0")

    def score(self, values: np.ndarray, element: Element, middle: int) -> float:
        """Return Σ w·|contribution| over an element; NaN where it lies outside the window.

        Args:
            values: contributions of its site's window, [length].
            element: the element.
            middle: the element's middle in the window.
        """
        if element.low == element.high:
            return float("nan")
        size = np.abs(values[element.low : element.high]).astype(float)
        if self.sigma is None:
            return float(size.sum())
        away = np.arange(element.low, element.high) - middle
        return float(size @ np.exp(-0.5 * (away / self.sigma) ** 2))
