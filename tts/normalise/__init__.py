"""Written text to speakable words, one module a language, aligned character by character to what was written."""
