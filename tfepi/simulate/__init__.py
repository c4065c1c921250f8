"""A small regulatory genome whose truth is known: for the demo, tests and benchmarks."""

from tfepi.simulate.grammar import Grammar, expected_signal
from tfepi.simulate.methylation_settings import MethylationSimulation
from tfepi.simulate.motifs import Sites, find_sites
from tfepi.simulate.settings import Simulation
from tfepi.simulate.simulation import simulate

__all__ = [
    "Grammar",
    "MethylationSimulation",
    "Simulation",
    "Sites",
    "expected_signal",
    "find_sites",
    "simulate",
]
