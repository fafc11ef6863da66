"""The causal LM: loading, KV caches, decoding loop, sampling, packed layers. Each name lives in its own module."""
