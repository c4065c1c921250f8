"""Training: losses, metrics, schedules, adapters and the loop, on one device or several."""
