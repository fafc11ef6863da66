"""MeloTTS: our own inference code for the published checkpoints: network, text front ends, BERT features, voices."""
