"""The stories' log densities as native functions: one file a prior."""
