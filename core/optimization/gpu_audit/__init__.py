"""Finds, by syntax tree, where a tree of Python code would reach for a graphics card other than the one it is given."""
