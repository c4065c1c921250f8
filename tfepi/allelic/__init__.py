"""Allelic imbalance: counts tested, and how well a model predicts them."""
