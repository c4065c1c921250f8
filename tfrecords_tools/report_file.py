"""A report of one file: whether it may be written, before any work."""

from pathlib import Path

from tfrecords_tools.errors import ConfigError, UnfinishedError


def check_report(path: str | Path | None, suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Check that a report's file may be written; None is no report.

    Raises:
        ConfigError: another suffix than the formats there are, or no such folder.
        UnfinishedError: it is there, and overwrite was not asked for.
    """
    if path is None:
        return
    path = Path(path)
    if path.suffix not in suffixes:
        raise ConfigError(f"report {path} ends in {path.suffix!r}: want {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise ConfigError(f"report {path}: folder {path.parent} does not exist, make it first")
    if path.exists() and not (overwrite and path.is_file()):
        raise UnfinishedError(f"report {path} is there: use --overwrite, or name another file")
