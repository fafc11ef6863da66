"""From microphone frames to words: voice activity over time, endpointing, the listen stage, the recogniser stage."""
