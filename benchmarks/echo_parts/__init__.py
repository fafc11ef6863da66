"""The parts of bench echo."""
