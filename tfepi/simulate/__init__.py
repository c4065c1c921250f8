"""A small regulatory genome whose truth is known: for the demo, tests and benchmarks."""

from tfepi.simulate.grammar import Grammar, Sites, expected_signal, find_sites
from tfepi.simulate.simulation import Simulation, simulate

__all__ = ["Grammar", "Simulation", "Sites", "expected_signal", "find_sites", "simulate"]
