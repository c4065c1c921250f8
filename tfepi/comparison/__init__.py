"""Models against each other: what they say of variants and regions, and how far they see."""
