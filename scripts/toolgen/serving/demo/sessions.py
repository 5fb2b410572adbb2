"""One car for each visitor, kept in memory and found again by a cookie."""

import secrets
from collections import OrderedDict

from ...car import Car
from ...catalog import Catalog

MAX_SESSIONS = 200


class Sessions:
    """The cars of the last MAX_SESSIONS visitors; who was away for longer than that gets a new one."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        self._cars: OrderedDict[str, Car] = OrderedDict()

    def car(self, key: str | None) -> tuple[str, Car, bool]:
        """A session's key, its car, and whether both are new. A key that nobody was given is not taken up."""
        is_new = key not in self._cars
        if is_new:
            key = secrets.token_urlsafe(16)
            self.reset(key)
        self._cars.move_to_end(key)
        return key, self._cars[key], is_new

    def reset(self, key: str) -> Car:
        """Put a new car in the place of a session's, if it has one."""
        self._cars[key] = car = Car(self.catalog)
        while len(self._cars) > MAX_SESSIONS:
            self._cars.popitem(last=False)
        return car
