"""The options that say what of predictions is written; imports nothing heavy."""


def add(p) -> None:
    """Add --untransform, --embed_layer, --bigwig, --genome_file and --no_h5."""
    p.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    for flag, style in (("-u", "current"), ("--untransform_old", "old")):
        p.add_argument(flag, dest="untransform", action="store_const", const=style, help=style)
    p.add_argument("-e", "--embed_layer", help="a layer's values: its name, or Basenji's number")
    p.add_argument("-b", "--bigwig", "--bigwig_indexes", help="tracks of: all, or t1,t2 or 0,1")
    p.add_argument("-g", "--genome_file", dest="sizes", help="sizes for bigWigs [the FASTA's]")
    p.add_argument("--no_h5", "--no-h5", action="store_true", help="write no predict.h5")
