"""What stands behind core.utils.whisper_compat: both Whisper backends, the short path and its guard."""
