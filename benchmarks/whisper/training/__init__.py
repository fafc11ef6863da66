"""A small Whisper trained from scratch on synthetic speech of the skills' sentences; tests/models holds its weights.

    python3 -m benchmarks.whisper.training make --shards 60     speech in files of 600 utterances, and the held-out set
    python3 -m benchmarks.whisper.training train --steps N      killed at any moment, the same call goes on
    python3 -m benchmarks.whisper.training export --models DIR  small.pt and ctranslate2-int8/
    python3 -m benchmarks.whisper.training evaluate --models DIR

Each takes --folder for speech and checkpoints. They need the extra `full`, and flite as a program.
"""
