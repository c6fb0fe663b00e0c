"""Bech32 (BIP 173), without its limit of length: how age writes keys."""

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
CHECK = 6


def encode(prefix: str, data: bytes) -> str:
    """``prefix`` in lower case, as is what comes out."""
    values = _regrouped(data, 8, 5)
    if rest := len(data) * 8 % 5:
        values.append(data[-1] << (5 - rest) & 31)
    check = _checksum([*_expanded(prefix), *values, *[0] * CHECK]) ^ 1
    values += [check >> 5 * (CHECK - 1 - place) & 31 for place in range(CHECK)]
    return prefix + "1" + "".join(CHARSET[value] for value in values)


def decode(text: str) -> tuple[str, bytes]:
    """The prefix in lower case, and the data; ValueError says what is wrong with the text."""
    if text != text.lower() and text != text.upper():
        raise ValueError("it mixes small and capital letters")
    prefix, one, rest = text.lower().rpartition("1")
    if not one or not prefix or len(rest) < CHECK:
        raise ValueError("it is cut short")
    if wrong := sorted(set(rest) - set(CHARSET)):
        raise ValueError(f"{wrong[0]!r} does not occur in keys")
    values = [CHARSET.index(letter) for letter in rest]
    if _checksum([*_expanded(prefix), *values]) != 1:
        raise ValueError("its checksum is wrong")
    return prefix, _bytes_of(values[:-CHECK])


def _bytes_of(values: list[int]) -> bytes:
    left_over = len(values) * 5 % 8
    if left_over >= 5 or (left_over and values[-1] & ((1 << left_over) - 1)):
        raise ValueError("its end is not as it should be")
    return bytes(_regrouped(values, 5, 8))


def _regrouped(values: list[int] | bytes, old: int, new: int) -> list[int]:
    """The same bits in numbers of ``new`` bits; what does not fill one is left out."""
    bits = count = 0
    out = []
    for value in values:
        bits, count = (bits << old | value) & 0xFFFF, count + old
        while count >= new:
            count -= new
            out.append(bits >> count & ((1 << new) - 1))
    return out


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [*(code >> 5 for code in codes), 0, *(code & 31 for code in codes)]


def _checksum(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, factor in enumerate(GENERATOR):
            check ^= factor if top >> bit & 1 else 0
    return check
