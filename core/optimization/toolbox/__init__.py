"""The offline half of the optimiser: models are quantised, pruned, distilled, exported and compared. Names: core.optimization."""
