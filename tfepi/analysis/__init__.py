"""What trained models do: analyses of values they gave."""
