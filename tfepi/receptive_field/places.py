"""Where the sequence is changed, and in which phases: positions modulo the model's period."""

from dataclasses import dataclass

from tfrecords_tools.errors import ConfigError, unknown

CENTRE, LEFT, RIGHT = PLACES = ("centre", "left", "right")
_WORDS = {"centre": (CENTRE,), "edges": (LEFT, RIGHT)}


def parse_places(text: str) -> tuple[str, ...]:
    """Return the places of "centre", "edges" or "centre,edges".

    Raises:
        ConfigError: another word, or none.
    """
    found: list[str] = []
    for word in filter(None, (w.strip() for w in text.split(","))):
        if word not in _WORDS:
            raise unknown("place", word, _WORDS, "in --at")
        found += [p for p in _WORDS[word] if p not in found]
    if not found:
        raise ConfigError(f"--at is {text!r}: want centre, edges or centre,edges")
    return tuple(found)


@dataclass(frozen=True)
class Phases:
    """Positions around a place, one of each phase that is looked at.

    Attributes:
        place: one of `PLACES`.
        period: positions after which the picture repeats.
        numbers: phases, position modulo period, ascending.
        positions: one of each phase, 0-based.
    """

    place: str
    period: int
    numbers: tuple[int, ...]
    positions: tuple[int, ...]

    @classmethod
    def at(
        cls, place: str, length: int, period: int, count: int | None = None, edge: int = 0
    ) -> "Phases":
        """Return the phases at a place.

        Args:
            place: one of `PLACES`.
            length: positions that there are.
            period: of the model, in the same positions.
            count: how many phases: an even sample from 0 to period − 1; None for all.
            edge: positions from either end to the places there.
        """
        period = min(period, length)
        near = {CENTRE: length // 2, LEFT: edge, RIGHT: length - 1 - edge}[place]
        base = min(near // period, (length - period) // period) * period
        numbers = sample(period, count)
        return cls(place, period, numbers, tuple(base + n for n in numbers))


def sample(period: int, count: int | None) -> tuple[int, ...]:
    """Return an even sample of 0 … period − 1 with both ends; one alone is 0.

    Args:
        period: how many there are.
        count: of the sample; None for all.
    """
    if count is None or count >= period:
        return tuple(range(period))
    if count == 1:
        return (0,)
    return tuple(round(i * (period - 1) / (count - 1)) for i in range(count))
