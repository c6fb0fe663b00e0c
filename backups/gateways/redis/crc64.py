"""The CRC-64 at the end of RDB files and of DUMP payloads: polynomial 0xad93d23594c935a9, reflected, begin and final
xor 0 (Redis's ``crc64.c``, "Jones"). By anycrc where it is installed, else by a table in Python (about 10 MB/s)."""

try:
    import anycrc
except ImportError:
    anycrc = None

REFLECTED = 0x95AC9329AC4BC9B5


def _table() -> tuple[int, ...]:
    values = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (REFLECTED if byte & 1 else 0)
        values.append(byte)
    return tuple(values)


TABLE = _table()


def plain_crc64(data: bytes | memoryview, crc: int = 0) -> int:
    """The checksum of ``data`` behind something whose checksum is ``crc``."""
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc


crc64 = anycrc.Model("CRC64-REDIS").calc if anycrc else plain_crc64
