"""What a recording of the assistant's reply says: a grammar of expected replies, and pocketsphinx."""

from __future__ import annotations

import numpy as np

from core.messages import Samples


def decoded(samples: Samples, rate_hz: int, jsgf: str) -> str:
    """The sentence of the JSGF rule body that fits best, e.g. "that's (seventeen | eighteen)"; empty when none does."""
    import soxr
    from pocketsphinx import Decoder

    sound = np.asarray(soxr.resample(samples, rate_hz, 16_000), np.float32)
    voiced = np.flatnonzero(np.abs(sound) > 0.01)
    if not len(voiced):
        return ""
    sound = sound[max(0, voiced[0] - 3200) : voiced[-1] + 4800]
    # the recogniser's features are undefined on digital silence
    sound = 0.1 * sound / np.sqrt(np.mean(sound**2)) + np.random.default_rng(0).normal(0, 3e-4, len(sound))
    decoder = Decoder(loglevel="FATAL", lm=None)
    decoder.add_jsgf_string("replies", f"#JSGF V1.0; grammar replies; public <reply> = {jsgf};")
    decoder.activate_search("replies")
    decoder.start_utt()
    decoder.process_raw((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    best = decoder.hyp()
    return best.hypstr if best else ""
