"""The causal LM: loading, KV caches, decoding loop, sampling, packed layers. Every name lives in a module of its own."""
