"""Models and data that the optimisation toolbox is measured with."""
