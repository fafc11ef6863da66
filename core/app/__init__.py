"""The top layer: one module a command, the wiring of the stages, the terminal view. Only main.py imports it."""
