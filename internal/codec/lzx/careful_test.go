package lzx

// decodeCarefully is Decode without decodeFast: an independent path to the same bytes.
func decodeCarefully(d *Decoder, dst, src []byte) error {
	d.src = src
	d.r.reset(src)
	d.recent = [numRepeats]uint32{1, 1, 1}
	clear(d.mainLens[:])
	clear(d.lengthLens[:])
	for pos := 0; pos < len(dst); {
		b, err := d.readBlockHeader(len(dst) - pos)
		if err != nil {
			return err
		}
		if b.kind == uncompressed {
			err = d.copyBlock(dst[pos : pos+b.size])
		} else {
			end, bad := d.decodeTail(dst, pos, pos+b.size)
			err = d.blockError(end, pos+b.size, bad)
		}
		if err != nil {
			return err
		}
		pos += b.size
	}
	undoCalls(dst)
	return nil
}
