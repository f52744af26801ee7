package regf

// values reads the values of a key into l.
func (r *reader) values(k *Key, n *node, l *level) error {
	if n.Values == 0 {
		return nil
	}
	list, err := r.valueList(n)
	if err := r.lost(k, err); err != nil {
		return err
	}
	l.makeValues(k, len(list)/4)
	for ; len(list) > 0; list = list[4:] {
		var v Value
		if err := r.value(&v, le.Uint32(list)); err != nil {
			if err := r.lost(k, err); err != nil {
				return err
			}
			continue
		}
		k.values = append(k.values, v)
	}
	return nil
}

// valueList returns the list of a key's values; what there is of it if that is not enough.
func (r *reader) valueList(n *node) ([]byte, error) {
	p, err := r.take(n.ValueList, 0, "value list")
	if err != nil {
		return nil, err
	}
	if size := 4 * int64(n.Values); int64(len(p)) < size {
		return p[:len(p)&^3], corrupt(int(n.ValueList), "value list: %d bytes in a cell of %d", size, len(p))
	}
	return p[:4*n.Values], nil
}

func (r *reader) value(v *Value, off uint32) error {
	p, err := r.record(off, valueSize, "vk", "value")
	if err != nil {
		return err
	}
	var rec valueRecord
	rec.unmarshal(p)
	if len(p)-valueSize < int(rec.NameLen) {
		return corrupt(int(off), "a value name of %d bytes in a cell of %d", rec.NameLen, len(p))
	}
	comp := rec.Flags&valueCompName != 0
	if !comp && rec.NameLen%2 != 0 {
		return corrupt(int(off), "a UTF-16 value name of %d bytes", rec.NameLen)
	}
	v.Name = decodeName(p[valueSize:valueSize+int(rec.NameLen)], comp)
	v.Type, v.Flags = rec.Type, ValueFlags(rec.Flags)&^valueCompName
	v.Data, err = r.data(&rec, p, off)
	return err
}

// data returns the data of the value record p at off.
func (r *reader) data(v *valueRecord, p []byte, off uint32) ([]byte, error) {
	size := int(v.Size &^ inlineData)
	if v.Size&inlineData != 0 {
		if size > maxInline {
			return nil, corrupt(int(off), "%d bytes of data inside a value record, %d are possible", size, maxInline)
		}
		return p[8 : 8+size : 8+size], nil
	}
	if size == 0 {
		return nil, nil
	}
	d, err := r.take(v.Data, 1, "value data")
	if err != nil {
		return nil, err
	}
	if len(d) >= size {
		return d[:size:size], nil
	}
	if r.minor < bigMinor || size <= maxSegment || len(d) < bigSize || string(d[:2]) != "db" {
		return nil, corrupt(int(v.Data), "%d bytes of value data in a cell of %d", size, len(d))
	}
	return r.bigData(d, size, v.Data)
}

// bigData joins the segments of the db record p at off.
func (r *reader) bigData(p []byte, size int, off uint32) ([]byte, error) {
	count := int(le.Uint16(p[2:]))
	if count != (size+maxSegment-1)/maxSegment {
		return nil, corrupt(int(off), "%d segments for %d bytes of value data", count, size)
	}
	list, err := r.take(le.Uint32(p[4:]), 4*count, "list of data segments")
	if err != nil {
		return nil, err
	}
	var out []byte
	for i := range count {
		n := min(size-len(out), maxSegment)
		seg, err := r.take(le.Uint32(list[4*i:]), n, "data segment")
		if err != nil {
			return nil, err
		}
		out = append(out, seg[:n]...)
	}
	return out, nil
}
