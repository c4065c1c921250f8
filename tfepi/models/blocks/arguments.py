"""The arguments that a block takes, seen through blocks that hand some on to others."""

import inspect
from collections.abc import Callable, Iterable

from tfrecords_tools.errors import ConfigError, unknown

_GIVEN = ("x", "context")


def forwards(inner: Callable, without: Iterable[str] = ()) -> Callable:
    """Show another block's arguments in the signature of a block that hands `**rest` on to it.

    Args:
        inner: the block that `**rest` goes to.
        without: arguments of it that the outer block sets, or under which it has no effect.
    """

    def decorate(block: Callable) -> Callable:
        signature = inspect.signature(block)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        hidden = {p.name for p in own} | set(without)
        more = [p for n, p in inspect.signature(inner).parameters.items() if n not in hidden]
        block.__signature__ = signature.replace(parameters=[*own, *more])
        return block

    return decorate


def block_arguments(block: Callable) -> dict[str, inspect.Parameter]:
    """Return a block's arguments, without its input and its context."""
    return {n: p for n, p in inspect.signature(block).parameters.items() if n not in _GIVEN}


def check_arguments(block: Callable, name: str, given: dict) -> None:
    """Check that a block understands the arguments given, and has those it needs.

    Raises:
        ConfigError: an argument that the block has no use for, or one that is missing.
    """
    known = block_arguments(block)
    for key, value in given.items():
        if key not in known:
            raise unknown("argument", key, known, f"of block {name!r}")
        if isinstance(value, dict):  # which Keras would turn into an object
            raise ConfigError(f"argument {key!r} is {value}: want a name, number or list")
    missing = [n for n, p in known.items() if p.default is p.empty and n not in given]
    if missing:
        raise ConfigError(f"block {name!r} needs {' and '.join(missing)}")
