"""One module a figure, run by `python3 main.py bench`. Each has `run() -> list[Figure]` and measures this machine."""
