"""Which networks and switches `bench optimizer --only` names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.app.toolbox_models import shape_names
from core.utils.errors import ConfigError

NETWORKS = tuple(shape_names())
"""in the order of benchmarks.shapes.SHAPES"""
SWITCHES = ("context", "threads", "compile", "int8", "autocast", "weights", "device", "tf32", "autotuning")
"""the last three are a card's; threads and int8 the processor's"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured."""

    networks: frozenset[str] = frozenset(NETWORKS)
    switches: frozenset[str] = frozenset(SWITCHES)

    @classmethod
    def read(cls, only: Sequence[str]) -> Asked:
        """Networks alone stand for all their switches, switches alone for all networks, nothing for everything.

        Raises ConfigError for a name that is neither.
        """
        if unknown := [name for name in only if name not in NETWORKS + SWITCHES]:
            raise ConfigError(
                f"bench optimizer --only {' '.join(unknown)}: name networks ({', '.join(NETWORKS)}), switches "
                f"({', '.join(SWITCHES)}) or both"
            )
        networks, switches = frozenset(only) & frozenset(NETWORKS), frozenset(only) & frozenset(SWITCHES)
        return cls(networks or frozenset(NETWORKS), switches or frozenset(SWITCHES))
