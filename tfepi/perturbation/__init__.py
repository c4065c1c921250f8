"""Designed changes of sequences: deletions, scrambles, insertions and double mutants."""
