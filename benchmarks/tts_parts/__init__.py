"""What `bench tts` measures, a module each."""
