package vhdx

import "io"

// leaveBlocksAllocated is the flag of the file parameters that makes a VHDX a fixed one (2.6.2.1).
const leaveBlocksAllocated = 1

// Fixed is a VHDX that has all of its disk, one block behind the other, so that the disk is one piece
// of the file. Somebody else writes it.
type Fixed struct {
	file
}

// NewFixed lays out a fixed VHDX. A disk that is too large or no whole number of sectors is a wrong
// value.
func NewFixed(o Options) (*Fixed, error) {
	f, err := newFile(o, leaveBlocksAllocated)
	return &Fixed{f}, err
}

// DiskOffset is where in the file the disk begins.
func (f *Fixed) DiskOffset() int64 { return f.bat.end() }

// FileSize is the length of the file: the disk's last block is a whole one.
func (f *Fixed) FileSize() int64 { return f.DiskOffset() + f.blocks()*writtenBlock }

func (f *Fixed) blocks() int64 { return (f.Size + writtenBlock - 1) / writtenBlock }

// Describe writes everything but the disk to w, which is all zero there. The log is empty.
func (f *Fixed) Describe(w io.WriterAt) error {
	placed := func(yield func(block, place int64) bool) {
		for block := range f.blocks() {
			if !yield(block, f.DiskOffset()+block*writtenBlock) {
				return
			}
		}
	}
	for _, p := range f.pieces(placed) {
		if _, err := w.WriteAt(p.data, p.off); err != nil {
			return err
		}
	}
	return nil
}
