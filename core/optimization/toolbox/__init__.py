"""Offline: models are quantised, pruned, distilled, exported, compared. Names: core.optimization."""
