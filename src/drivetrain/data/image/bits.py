"""Bits of a video codec's headers, read from the front."""

from __future__ import annotations


class Bits:
    """Reads bits from the front; past the end there are zeros.

    >>> bits = Bits(bytes([0b1010_0111]))
    >>> bits.read(3), bits.flag(), bits.unsigned(), bits.read(8)
    (5, False, 2, 128)
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        """Read a number of ``count`` bits."""
        self._left -= count
        shifted = self._value >> self._left if self._left >= 0 else self._value << -self._left
        return shifted & ((1 << count) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return bool(self.read(1))

    def unsigned(self) -> int:
        """Read a number in Exp-Golomb's code; one of more than 32 bits is none, and reads as the largest."""
        zeros = 0
        while zeros < 32 and not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)
