"""What a command says of how much is measured. Imports nothing heavy."""

from dataclasses import dataclass

from tfepi.receptive_field.places import CENTRE
from tfepi.receptive_field.profile import METHODS, PERTURBATION
from tfrecords_tools.errors import ConfigError, unknown

BUDGET = 6e11  # multiply-adds of a method: about half a minute on two cores


@dataclass(frozen=True)
class Asking:
    """What a command says of how much is measured; None where it leaves it open.

    Attributes:
        methods: of `profile.METHODS`.
        places: of `places.PLACES`.
        repeats: random sequences.
        phases: of the model's period; 0 for all.
        scan_step: bp.
        edge: bp from the ends to the places at the edges.
        batch_size: sequences per call.
        fill: of inputs besides the sequence.
        budget: multiply-adds of a method of one state of one model.
        seed: of sequences and weights.

    Raises:
        ConfigError: a value out of range, or edges that nothing is measured at.
    """

    methods: tuple[str, ...] | None = None
    places: tuple[str, ...] = ("centre",)
    repeats: int | None = None
    phases: int | None = None
    scan_step: int | None = None
    edge: int | None = None
    batch_size: int | None = None
    fill: str = "random"
    budget: float = BUDGET
    seed: int = 44

    def __post_init__(self):
        lowest = {"repeats": 1, "phases": 0, "scan_step": 1, "edge": 0, "batch_size": 1}
        for name, least in lowest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"--{name} is {value}: want a whole number, from {least}")
        edges = set(self.places) - {CENTRE}
        if self.edge is not None and not edges:
            raise ConfigError(f"--edge is {self.edge} bp, and no edge is measured: add --at edges")
        if edges and self.methods is not None and PERTURBATION not in self.methods:
            raise ConfigError(
                f"--at edges is of perturbation, --method is {','.join(self.methods)}: add "
                "perturbation, or leave --at out"
            )
        if not self.budget > 0:
            raise ConfigError(f"--budget is {self.budget:g}: want multiply-adds, as {BUDGET:g}")


def parse_methods(text: str | None) -> tuple[str, ...] | None:
    """Return the methods of "perturbation,gradient"; None of None.

    Raises:
        ConfigError: an unknown one, or none.
    """
    if text is None:
        return None
    found = tuple(dict.fromkeys(filter(None, (m.strip() for m in text.split(",")))))
    for method in found:
        if method not in METHODS:
            raise unknown("method", method, METHODS, "in --method")
    if not found:
        raise ConfigError(f"--method is {text!r}: want {', '.join(METHODS)}")
    return found
