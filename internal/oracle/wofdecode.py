"""Expands the WofCompressedData stream of a compressed NTFS file ("CompactOS"), or one like it.

    wofdecode.py FORMAT SIZE < stream > contents

FORMAT is the algorithm in the file's reparse point (FILE_PROVIDER_EXTERNAL_INFO_V1: 0 XPRESS4K, 1 LZX,
2 XPRESS8K, 3 XPRESS16K), or xpress:N or lzx:N for chunks of N bytes. SIZE is the size of the contents.

It was written from the specifications and shares nothing with the encoders that it judges:
  - [MS-XCA] 2.2.4 for XPRESS ("LZ77+Huffman decompression"), step by step, with its end-of-data symbol
  - [MS-PATCH] 2 and the CAB SDK's "LZX data compression format" for LZX, with what WIM changes: one
    bit instead of a block size of 32768, no header bit for E8 translation, a translation size of
    12,000,000, nothing kept from chunk to chunk
  - ntfs-3g-system-compression for the stream: the end of every chunk but the last, relative to the
    first chunk, as 32 bits, or as 64 if the contents are 4 GiB or more; then the chunks. A chunk that
    is as long as its contents is stored raw.

It objects to whatever the specifications do not allow, bytes that nothing needs included.
"""

import struct
import sys


class Bad(Exception):
    pass


def code(lengths, what):
    """The lookup table of a canonical code: for each value of the next bits (symbol, length)."""
    top = max(lengths)
    if top == 0:
        return None, 0
    table = []
    for length in range(1, top + 1):
        for symbol, n in enumerate(lengths):
            if n == length:
                table += [(symbol, length)] * (1 << (top - length))
    if len(table) != 1 << top:
        raise Bad(f"{what}: codewords take {len(table)} of {1 << top}")
    return table, top


def copy(out, length, distance, limit):
    if distance > len(out):
        raise Bad(f"match at {len(out)} reaches back {distance}")
    if length > limit - len(out):
        raise Bad(f"match of {length} at {len(out)} of {limit}")
    start = len(out) - distance
    if distance >= length:
        out += out[start:start + length]
    else:
        out += (out[start:] * (length // distance + 1))[:length]


def xpress(src, size):
    if len(src) < 256 + 4:
        raise Bad(f"only {len(src)} bytes")
    lengths = [n for b in src[:256] for n in (b & 15, b >> 4)]
    table, top = code(lengths, "code")
    if table is None:
        raise Bad("no code")
    pos = 256

    def unit():
        nonlocal pos
        if pos + 2 > len(src):
            raise Bad("reads beyond the end")
        pos += 2
        return src[pos - 2] | src[pos - 1] << 8

    bits = unit() << 16
    bits |= unit()
    extra = 16

    def consume(n):
        nonlocal bits, extra
        bits = bits << n & 0xffffffff
        extra -= n
        if extra < 0:
            bits |= unit() << -extra
            extra += 16

    out = bytearray()
    while True:
        symbol, n = table[bits >> (32 - top)]
        consume(n)
        if symbol == 256 and len(out) == size:
            if pos != len(src):
                raise Bad(f"{len(src) - pos} bytes too many")
            return out
        if len(out) == size:
            raise Bad(f"symbol {symbol} instead of the end of the data")
        if symbol < 256:
            out.append(symbol)
            continue
        length, n = symbol & 15, symbol - 256 >> 4
        if length == 15:
            if pos + 1 > len(src):
                raise Bad("length beyond the end")
            length = src[pos] + 15
            pos += 1
            if length == 270:
                length = unit()
                if length < 15:
                    raise Bad(f"length {length} in the long form")
        offset = 1 << n | (bits >> (32 - n) if n else 0)
        consume(n)
        copy(out, length + 3, offset, size)


class Bits:
    """LZX' bits: little-endian units of 16, the uppermost bit first. Zeros follow the input, but
    nothing may come to depend on them."""

    def __init__(self, src):
        self.src, self.pos, self.buf, self.count = src, 0, 0, 0

    def need(self, n):
        while self.count < n:
            unit = self.src[self.pos:self.pos + 2]
            self.buf = self.buf << 16 | (unit[0] | unit[1] << 8 if len(unit) == 2 else 0)
            self.pos += 2
            self.count += 16

    def read(self, n):
        self.need(n)
        self.count -= n
        value = self.buf >> self.count
        self.buf &= (1 << self.count) - 1
        self.check()
        return value

    def symbol(self, table_top):
        table, top = table_top
        if table is None:
            raise Bad("symbol of an empty code")
        self.need(top)
        symbol, n = table[self.buf >> (self.count - top)]
        self.count -= n
        self.buf &= (1 << self.count) - 1
        self.check()
        return symbol

    def check(self):
        if self.pos * 8 - self.count > len(self.src) // 2 * 16:
            raise Bad("reads beyond the end")

    def align(self):
        """Goes to the next unit, or leaves out a whole one."""
        self.pos -= self.count // 16 * 2
        if self.count % 16 == 0:
            self.pos += 2
        self.buf = self.count = 0

    def bytes(self, n):
        if self.pos + n > len(self.src):
            raise Bad("bytes beyond the end")
        self.pos += n
        return self.src[self.pos - n:self.pos]


def read_lengths(bits, lengths, first, last):
    pre = code([bits.read(4) for _ in range(20)], "pre-code")
    i = first
    while i < last:
        s = bits.symbol(pre)
        if s <= 16:
            lengths[i] = (lengths[i] - s) % 17
            i += 1
            continue
        if s == 17:
            run, value = 4 + bits.read(4), 0
        elif s == 18:
            run, value = 20 + bits.read(5), 0
        else:
            run, s = 4 + bits.read(1), bits.symbol(pre)
            if s > 16:
                raise Bad(f"difference {s}")
            value = (lengths[i] - s) % 17
        if i + run > last:
            raise Bad(f"run of {run} at {i} of {last}")
        lengths[i:i + run] = [value] * run
        i += run


def position_slots(window):
    """Base and number of extra bits of each position slot."""
    slots, base = [], 0
    while base < window:
        extra = 0 if len(slots) < 4 else min(len(slots) // 2 - 1, 17)
        slots.append((base, extra))
        base += 1 << extra
    return slots


def lzx(src, size, window):
    slots = position_slots(window)
    main_lengths = [0] * (256 + 8 * len(slots))
    length_lengths = [0] * 249
    recent = [1, 1, 1]
    bits = Bits(src)
    out = bytearray()
    while len(out) < size:
        kind = bits.read(3)
        block = 32768 if bits.read(1) else bits.read(16 if window == 32768 else 24)
        if block == 0 or block > size - len(out):
            raise Bad(f"block of {block} at {len(out)} of {size}")
        end = len(out) + block
        if kind == 3:
            bits.align()
            recent = list(struct.unpack("<3I", bits.bytes(12)))
            if 0 in recent:
                raise Bad("recent offset 0")
            out += bits.bytes(block)
            if block & 1 and bits.pos < len(src):
                bits.bytes(1)
            continue
        if kind not in (1, 2):
            raise Bad(f"block type {kind}")
        aligned = code([bits.read(3) for _ in range(8)], "aligned code") if kind == 2 else None
        read_lengths(bits, main_lengths, 0, 256)
        read_lengths(bits, main_lengths, 256, len(main_lengths))
        read_lengths(bits, length_lengths, 0, 249)
        main, long = code(main_lengths, "main code"), code(length_lengths, "length code")
        while len(out) < end:
            s = bits.symbol(main)
            if s < 256:
                out.append(s)
                continue
            slot, length = s - 256 >> 3, s & 7
            if length == 7:
                length += bits.symbol(long)
            if slot < 3:
                recent[0], recent[slot] = recent[slot], recent[0]
            else:
                base, extra = slots[slot]
                if aligned and extra >= 3:
                    offset = base + (bits.read(extra - 3) << 3)
                    offset += bits.symbol(aligned)
                else:
                    offset = base + bits.read(extra)
                recent = [offset - 2, recent[0], recent[1]]
            copy(out, length + 2, recent[0], end)
    if bits.pos - bits.count // 16 * 2 < len(src):
        raise Bad(f"{len(src) - bits.pos + bits.count // 16 * 2} bytes too many")
    translate(out)
    return out


def translate(out, file_size=12000000):
    """Makes the targets of what look like x86 calls relative again."""
    i = 0
    while i < len(out) - 10:
        if out[i] != 0xe8:
            i += 1
            continue
        target, = struct.unpack_from("<i", out, i + 1)
        if -i <= target < file_size:
            struct.pack_into("<i", out, i + 1, target - i if target >= 0 else target + file_size)
        i += 5


def decode(stream, size, name):
    name = {"0": "xpress:4096", "1": "lzx:32768", "2": "xpress:8192", "3": "xpress:16384"}.get(name, name)
    kind, chunk = name.split(":")
    chunk = int(chunk)
    count = -(-size // chunk)
    if count == 0:
        if stream:
            raise Bad(f"{len(stream)} bytes of nothing")
        return b""
    width, letter = (4, "I") if size < 1 << 32 else (8, "Q")
    table = (count - 1) * width
    if len(stream) < table:
        raise Bad(f"{len(stream)} bytes, but the chunk table has {table}")
    ends = [0, *struct.unpack_from(f"<{count - 1}{letter}", stream), len(stream) - table]
    out = bytearray()
    for i in range(count):
        start, end = ends[i], ends[i + 1]
        want = min(chunk, size - i * chunk)
        if not start < end <= len(stream) - table or end - start > want:
            raise Bad(f"chunk {i} of {want} bytes is in bytes {start} to {end} of {len(stream) - table}")
        src = stream[table + start:table + end]
        try:
            if len(src) == want:
                out += src
            elif kind == "lzx":
                out += lzx(src, want, chunk)
            else:
                out += xpress(src, want)
        except Bad as e:
            raise Bad(f"chunk {i}: {e}") from None
    return bytes(out)


if __name__ == "__main__":
    try:
        contents = decode(sys.stdin.buffer.read(), int(sys.argv[2]), sys.argv[1])
    except Bad as e:
        sys.exit(f"wofdecode: {e}")
    sys.stdout.buffer.write(contents)
