"""Regulatory genomics from DNA sequence on TensorFlow and Keras 3."""

from importlib import metadata

try:
    __version__ = metadata.version("tfepi")
except metadata.PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"
