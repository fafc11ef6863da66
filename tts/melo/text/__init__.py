"""From speakable text to what the MeloTTS network reads: phones, tones and their words, one module a language.

`tts.normalise` comes first and leaves plain words; a front end then only does what the published voices were trained
with. On text that still has figures it reads them as the reference does.
"""
