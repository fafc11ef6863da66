"""The session's virtual sound card, for the tests of audio/ that need one."""

from tests.integration.conftest import sound_card

__all__ = ["sound_card"]
