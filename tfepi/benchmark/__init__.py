"""What the work costs, in CPU-seconds: builds, reading, training steps, SNV scores, `--help`."""
