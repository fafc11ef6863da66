"""Sound in and out: devices, microphone, speaker, echo cancellation, WAV files."""
