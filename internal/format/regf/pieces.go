package regf

import "io"

// How many pieces Reader makes of a large hive, or one more, and the least size that is worth a walk.
const (
	usualPieces = 6
	minPiece    = 1 << 20
)

// Reader gives the bytes of Marshal with a sixth of the memory: it makes them piece by piece, each by a
// walk over the whole hive. The hive must not change before all is read.
func (h *Hive) Reader() (io.Reader, error) {
	p, err := newPlan(h)
	if err != nil {
		return nil, err
	}
	return &pieces{hive: h, plan: p, room: make([]byte, max(imageSize(p.bytes)/usualPieces, minPiece))}, nil
}

// pieces is what Reader returns.
type pieces struct {
	hive *Hive
	plan *plan
	room []byte // for a piece
	rest []byte // of the piece that is being read
	next int    // where the next one begins
	size int    // of the image, once there is a piece
}

func (r *pieces) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next > 0 && r.next == r.size {
			return 0, io.EOF
		}
		w := newWriter(r.plan, r.room, r.next)
		if err := w.hive(r.hive); err != nil {
			return 0, err
		}
		r.room, r.rest, r.size = w.out, w.out, w.size
		r.next += len(w.out)
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
