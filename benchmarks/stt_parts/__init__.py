"""What `bench stt` and `bench stt_speech` are made of. No module here is a benchmark of its own."""
