import gzip

import numpy as np
import pytest
from conftest_variants import BIN, BINS, CROP, LENGTH
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.variants.alleles import (
    LEFT,
    RIGHT,
    AllelePair,
    SequenceKey,
    Stretches,
    Window,
    read_around,
    sequence,
    sequence_keys,
    stitched,
)
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, decode, one_hot
