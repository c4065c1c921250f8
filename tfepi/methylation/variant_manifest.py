"""What a folder of methylation effects was made from."""

from typing import ClassVar

from tfepi.methylation.variant_options import CpgWindow, MethylationScoring
from tfepi.variants.manifest import Manifest


class MethylationManifest(Manifest):
    """The facts that decide every byte of the results."""

    FORMAT: ClassVar[str] = "tfepi-methylation-variants"
    SCORING: ClassVar[type] = MethylationScoring
    WINDOW: ClassVar[type] = CpgWindow
