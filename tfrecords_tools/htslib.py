"""What the readers of FASTA and VCF share: htslib kept quiet, and the end of a bgzip file."""

import contextlib
from collections.abc import Iterator

import pysam

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


@contextlib.contextmanager
def quiet_htslib() -> Iterator[None]:
    """Silence htslib's own messages on stderr; ours say the same with the file's name."""
    level = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(level)
