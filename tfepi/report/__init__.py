"""Figures and pages made of what the other packages measured."""
