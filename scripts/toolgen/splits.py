"""Which side of a split something is on: decided by a hash, so that it stays there when the data grows."""

import hashlib


def position(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on `seed` and `name` alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") / 2**64


def is_held_out(seed: int, name: str, share: float) -> bool:
    """Whether `name` is one of the about `share` that are held out."""
    return position(seed, name) < share


def lowest(seed: int, names: list[str], count: int) -> set[str]:
    """The `count` names that the hash puts first."""
    return set(sorted(set(names), key=lambda name: position(seed, name))[:count])
