"""The arguments that a block takes, seen through blocks that hand some on to others."""

import inspect
from collections.abc import Callable, Iterable

from tfepi.models.blocks.values import check_value
from tfrecords_tools.errors import ConfigError, unknown

_GIVEN = ("x", "context")
# Null is none of them, or Keras's default, wherever they stand.
_NULLABLE = ("activation", "kernel_initializer", "mha_initializer", "transform")


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
        ConfigError: an argument that the block has no use for, one that is missing, or a value
            that the argument cannot have.
    """
    known = block_arguments(block)
    for key, value in given.items():
        if key not in known:
            raise unknown("argument", key, known, f"of block {name!r}")
        if isinstance(value, dict):  # which Keras would turn into an object
            raise ConfigError(f"{key} is {value}, want a name, number or list")
        if value is None and known[key].default is not None and key not in _NULLABLE:
            raise ConfigError(f"{key} is null: give it a value, or leave it out")
        if name[0].isupper():  # Keras's own layers know other paddings, and lists of one number
            value = value[0] if isinstance(value, list) and len(value) == 1 else value
            value = None if key == "padding" else value
        if value is not None:
            check_value(key, value)
    missing = [n for n, p in known.items() if p.default is p.empty and n not in given]
    if missing:
        raise ConfigError(f"block {name!r} needs {' and '.join(missing)}")
