"""Has libwim's own codecs compress or expand chunks.

    wimlibcodec.py decode|encode|time FORMAT WINDOW LEVEL < jobs > results

FORMAT is wimlib_compression_type (1 XPRESS, 2 LZX, 3 LZMS). A job is two 32-bit little-endian numbers, the size
of the result (decode) or the most it may have (encode) and that of the data, and the data. A result
is a size and the data; the size is 0xffffffff if libwim refuses, or cannot make it smaller. The result of
"time" is how many nanoseconds of processor time decoding all jobs takes, at the best of three times.
"""

import ctypes
import struct
import sys
import time

wim = ctypes.CDLL("libwim.so.15")
wim.wimlib_compress.restype = ctypes.c_size_t
size_t, pointer = ctypes.c_size_t, ctypes.c_void_p
wim.wimlib_create_compressor.argtypes = [ctypes.c_int, size_t, ctypes.c_uint, pointer]
wim.wimlib_create_decompressor.argtypes = [ctypes.c_int, size_t, pointer]
wim.wimlib_compress.argtypes = [ctypes.c_char_p, size_t, pointer, size_t, pointer]
wim.wimlib_decompress.argtypes = [ctypes.c_char_p, size_t, pointer, size_t, pointer]

what, (form, window, level) = sys.argv[1], map(int, sys.argv[2:])
codec = ctypes.c_void_p()
if what == "encode":
    status = wim.wimlib_create_compressor(form, window, level, ctypes.byref(codec))
else:
    status = wim.wimlib_create_decompressor(form, window, ctypes.byref(codec))
if status != 0:
    sys.exit(f"libwim has no such codec: {status}")

jobs, at = sys.stdin.buffer.read(), 0
if what == "time":
    chunks = []
    while at < len(jobs):
        room, size = struct.unpack_from("<II", jobs, at)
        chunks.append((jobs[at + 8:at + 8 + size], size, ctypes.create_string_buffer(room), room))
        at += 8 + size
    best = None
    for _ in range(4):  # the first time fills the buffers' pages
        start = time.process_time_ns()
        for data, size, out, room in chunks:
            if wim.wimlib_decompress(data, size, out, room, codec) != 0:
                sys.exit("libwim refuses a chunk")
        took = time.process_time_ns() - start
        best = took if best is None else min(best, took)
    print(best)
    sys.exit()
while at < len(jobs):
    room, size = struct.unpack_from("<II", jobs, at)
    at += 8
    data = jobs[at:at + size]
    at += size
    out = ctypes.create_string_buffer(max(room, 1))
    if what == "encode":
        size = wim.wimlib_compress(data, len(data), out, room, codec) or 0xffffffff
    else:
        size = room if wim.wimlib_decompress(data, len(data), out, room, codec) == 0 else 0xffffffff
    sys.stdout.buffer.write(struct.pack("<I", size))
    if size != 0xffffffff:
        sys.stdout.buffer.write(out.raw[:size])
