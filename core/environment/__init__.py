"""The making of .venv: its stamp and lock, pip, the system's packages, what people see of it. Standard library only."""
