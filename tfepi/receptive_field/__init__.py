"""How far a model sees: its receptive field by arithmetic, by perturbation and by gradient."""
