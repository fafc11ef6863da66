"""The parts of bench voice."""
