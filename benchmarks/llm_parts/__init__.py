"""The parts of `bench llm`: models made for it, the engines side by side, and one module a kind of figure."""
