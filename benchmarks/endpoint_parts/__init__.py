"""The parts of bench endpoint."""
