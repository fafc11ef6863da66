"""Whisper checkpoints for tests and benchmarks: random weights in true shapes, and the way to CTranslate2."""
