"""Importing TensorFlow once, silently, with the settings every command wants."""

import os
import sys


def import_tensorflow(deterministic: bool = True):
    """Import TensorFlow without its start-up messages and return the module.

    The messages of its native code go to file descriptor 2 whatever the log level, so that
    descriptor points elsewhere during the import alone, unless the user set a log level below 3.
    oneDNN's kernels are switched on unless the user set TF_ENABLE_ONEDNN_OPTS:
    TensorFlow does so by itself on some CPUs only, and on the others they make Basset's training
    step about a quarter shorter.

    Args:
        deterministic: ask for the same bits from run to run (free on CPUs). Beside deterministic
            operations that takes one operation at a time, each over all cores, unless the user
            set TF_NUM_INTEROP_THREADS: TensorFlow's sum of three or more tensors, which every
            batch normalisation has in its gradient, begins with whichever of them no other
            operation needs any more.
    """
    first = "tensorflow" not in sys.modules
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if deterministic:
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    if first and os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
        kept = os.dup(2)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            try:
                import tensorflow as tf

                tf.config.list_physical_devices()
            finally:
                os.dup2(kept, 2)
                os.close(kept)
    import tensorflow as tf

    if deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("WARNING")  # it tells of every all-reduce
    return tf


def device(tf) -> str:
    """Return the names of the devices that TensorFlow computes on."""
    gpus = tf.config.list_physical_devices("GPU")
    return ", ".join(g.name for g in gpus) if gpus else f"CPU, {os.cpu_count()} cores"
