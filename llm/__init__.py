"""Answers: the responder stage, skills, what was said, timers, and the file that keeps them."""
