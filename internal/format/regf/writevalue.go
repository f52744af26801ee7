package regf

// values writes the value list of k and its values, or its handle.
func (w *writer) values(n *node, k *Key) {
	n.ValueList = noCell
	if k.Flags&KeyPredefHandle != 0 {
		n.Values = k.handle
		return
	}
	if len(k.values) == 0 {
		return
	}
	n.Values = uint32(len(k.values))
	n.ValueList = w.alloc(4 * len(k.values))
	for i := range k.values {
		v := &k.values[i]
		off := w.value(v)
		le.PutUint32(w.at(n.ValueList)[4*i:], off)
		n.MaxValueName = max(n.MaxValueName, uint32(utf16Bytes(v.Name)))
		n.MaxValueData = max(n.MaxValueData, uint32(len(v.Data)))
	}
}

func (w *writer) value(v *Value) uint32 {
	nameLen := storedLen(v.Name)
	off := w.alloc(valueSize + nameLen)
	rec := valueRecord{NameLen: uint16(nameLen), Type: v.Type, Flags: uint16(v.Flags &^ valueCompName)}
	if putName(w.at(off)[valueSize:], v.Name) && nameLen > 0 {
		rec.Flags |= valueCompName
	}
	rec.Size, rec.Data = w.data(v)
	rec.marshal(w.at(off))
	return off
}

// data writes the data of v and returns the size and data fields of its record.
func (w *writer) data(v *Value) (size, data uint32) {
	n := len(v.Data)
	switch {
	case n == 0 && v.Flags&TombstoneValue != 0:
		return 0, noCell
	case n <= maxInline:
		var field [maxInline]byte
		copy(field[:], v.Data)
		return uint32(n) | inlineData, le.Uint32(field[:])
	case w.segmented(v.Data):
		return uint32(n), w.bigData(v.Data)
	}
	return uint32(n), w.raw(v.Data)
}

// segmentSlack is spare room at the end of a segment's cell. Full segments have it in any case; in
// the hives of Windows the last one has it too, and hivex reads four bytes too few without it.
const segmentSlack = 4

// bigData writes a db record, its list and its segments. All segments but the last are full.
func (w *writer) bigData(data []byte) uint32 {
	count := segments(data)
	off, list := w.alloc(bigSize), w.alloc(4*count)
	p := w.at(off)
	copy(p, "db")
	le.PutUint16(p[2:], uint16(count))
	le.PutUint32(p[4:], list)
	for i := range count {
		n := min(len(data), maxSegment)
		seg := w.alloc(n + segmentSlack)
		copy(w.at(seg), data[:n])
		le.PutUint32(w.at(list)[4*i:], seg)
		data = data[n:]
	}
	return off
}

// raw writes a cell without a record structure.
func (w *writer) raw(p []byte) uint32 {
	off := w.alloc(len(p))
	copy(w.at(off), p)
	return off
}

// securityCell returns the cell of a descriptor and places it when it is first used.
func (w *writer) securityCell(sd []byte) uint32 {
	if len(sd) == 0 {
		return noCell
	}
	i := w.index[string(sd)]
	if w.sec[i] == 0 {
		w.sec[i] = w.alloc(secSize + len(sd))
	}
	return w.sec[i]
}

// writeSecurity fills the security cells: a ring in the order of first use.
func (w *writer) writeSecurity() {
	n := len(w.sec)
	for i, off := range w.sec {
		s := security{
			Next: w.sec[(i+1)%n], Prev: w.sec[(i+n-1)%n],
			Refs: w.refs[i], Length: uint32(len(w.security[i])),
		}
		p := w.at(off)
		s.marshal(p)
		copy(p[secSize:], w.security[i])
	}
}
