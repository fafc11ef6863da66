"""What the three ways from an embedded engine to a better one have in common: they are looked at, and stopped."""

from __future__ import annotations

from core.app.switch_over import SwitchOver


class FirstEngine:
    """The way as far as it has begun: `_over` is what is under way, `_said` what the user has yet to be told."""

    def __init__(self) -> None:
        self._over: SwitchOver | None = None
        self._said: list[str] = []

    def news(self) -> list[str]:
        """Lines for the user; usually none."""
        said, self._said = self._said, []
        return said + (self._over.news() if self._over else [])

    @property
    def over(self) -> bool:
        """Whether nothing more will happen, once it was started."""
        return self._over is None or self._over.over

    @property
    def hub_silent(self) -> bool:
        """Whether it has ended because the hub did not answer, which was told."""
        return self._over is not None and self._over.hub_silent

    def stop(self) -> None:
        """End what is under way; the next start goes on from there."""
        if self._over is not None:
            self._over.stop()
