"""From speakable text to what the MeloTTS network reads: phones, tones and their words, one module a language."""
