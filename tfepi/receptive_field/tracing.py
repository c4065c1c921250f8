"""TensorFlow's warning of functions that are traced often, where that is no fault."""

import contextlib
import logging
from collections.abc import Iterator

_RETRACED = "tf.function retracing"


@contextlib.contextmanager
def traced_once_each() -> Iterator[None]:
    """Pass over the warning: of many models each is traced once, which TensorFlow cannot tell."""

    def other(record: logging.LogRecord) -> bool:
        return _RETRACED not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(other)
    try:
        yield
    finally:
        logger.removeFilter(other)
