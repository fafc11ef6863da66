"""Leaf modules with a name each: errors, paths, configuration, clocks. They import nothing else of Merline."""
