"""Regulatory genomics from DNA sequence on TensorFlow and Keras 3."""


def __getattr__(name: str) -> str:
    """Return the installed version as `tfepi.__version__`, read when asked for."""
    if name != "__version__":
        raise AttributeError(f"module 'tfepi' has no attribute {name!r}")
    from importlib import metadata

    try:
        return metadata.version("tfepi")
    except metadata.PackageNotFoundError:  # a checkout that is not installed
        return "0+unknown"
