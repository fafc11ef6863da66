"""The frame of the assistant: messages, stages, pipeline, and the tools every stage shares."""
