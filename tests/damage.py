"""Files as disks, cables and mail programs leave them: a fixed number of damaged copies, the same every time."""

from collections.abc import Iterator

import numpy as np

ODD = (b"\x00", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"', b",", b";", b"\t", b"-1", b"1e999", b"nan")


def damaged(data: bytes, copies: int, seed: int) -> Iterator[bytes]:
    """``copies`` of ``data``: cut short, bits turned, stretches overwritten, lost, doubled, or odd bytes put in."""
    rng = np.random.default_rng(seed)
    for copy in range(copies):
        kind, at = copy % 6, int(rng.integers(len(data)))
        if kind == 0:
            yield data[:at]
            continue
        now = bytearray(data)
        for _ in range(int(rng.integers(1, 5))):
            # Half of all damage is near the start, where formats keep what they are.
            at = int(rng.integers(min(len(data), 160))) if rng.random() < 0.5 else int(rng.integers(len(data)))
            length = int(rng.integers(1, 40))
            if kind == 1:
                now[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                now[at : at + length] = rng.bytes(length)
            elif kind == 3:
                del now[at : at + length]
            elif kind == 4:
                now[at:at] = now[at : at + length]
            else:
                now[at:at] = ODD[int(rng.integers(len(ODD)))]
        yield bytes(now)


def noise(copies: int, seed: int) -> Iterator[bytes]:
    """Random bytes of random lengths, the first of them none."""
    rng = np.random.default_rng(seed)
    for copy in range(copies):
        yield rng.bytes(int(rng.integers(1, 3000)) if copy else 0)


def is_one_sentence(text: str) -> bool:
    return bool(text) and text[0] != " " and text.endswith((".", "?")) and "\n" not in text and "Traceback" not in text
