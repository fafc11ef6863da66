"""Material that benchmarks listen to. No module here is a benchmark."""
