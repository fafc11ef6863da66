"""The parts of `bench optimizer`: timing by turns, and the switches of a card."""
