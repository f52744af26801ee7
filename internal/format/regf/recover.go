package regf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Report says what Recover did.
type Report struct {
	// Dirty says that the hive had not been closed cleanly.
	Dirty bool
	// HeaderRestored says that the hive's header was damaged and is now that of a log.
	HeaderRestored bool
	// Logs has one entry for each log, in the order of Recover's arguments.
	Logs []LogReport
}

// LogReport says what became of one transaction log.
type LogReport struct {
	// Entries are what was applied, in order. A log in the old format counts as one entry.
	Entries []LogEntry
	// End says why reading ended where it did, or why the log was not used. Class fault.ErrCorrupt
	// means damage, so that changes may be lost. Class fault.ErrUnsupported is the usual end, and
	// nil that of a log that is used up to its last byte.
	End error
}

// LogEntry is one applied entry of a transaction log.
type LogEntry struct {
	Sequence uint32 // the hive's sequence number after it
	Offset   int64  // in the log, bytes
	Pages    int    // pages that it changed, of any size
	Bytes    int64  // of all pages
}

// Pages returns how many pages all logs together changed.
func (r *Report) Pages() (n int) {
	for _, l := range r.Logs {
		for _, e := range l.Entries {
			n += e.Pages
		}
	}
	return n
}

// Recover makes a dirty hive clean by replaying its transaction logs, as Windows does when it loads
// the hive. Pass what lies beside it in the order .LOG1, .LOG2, .LOG; empty and missing (nil) files
// do no harm. Logs are told apart by their content: entries (Windows 8.1 and later) or a bitmap of
// dirty pages (before). The result is a new slice; a clean hive is returned as it is, without a
// look at the logs.
//
// A hive is dirty if its sequence numbers differ or its header is damaged. The header is then
// taken from a log. What ends a replay is in the report, not an error: the changes from there on
// had not been completed when the machine stopped. A dirty hive to which no log applies gives
// ErrDirty. Recover does not look into the bins; Parse does.
//
// The rules are those of https://github.com/msuhanov/regf, "Format of transaction log files".
func Recover(hive []byte, logs ...[]byte) ([]byte, Report, error) {
	r := replay{report: Report{Logs: make([]LogReport, len(logs))}}
	err := r.base.read(hive)
	if err == nil {
		return hive, r.report, nil
	}
	if !r.recoverable(hive) {
		return nil, r.report, err
	}
	r.report.Dirty = true
	r.start(hive, logs)
	if r.replayNew() || r.replayOld() {
		r.finish()
		return r.out, r.report, nil
	}
	return nil, r.report, r.failure(err)
}

// ParseWithLogs is Recover and then Parse.
func ParseWithLogs(hive []byte, logs ...[]byte) (*Hive, Report, error) {
	clean, report, err := Recover(hive, logs...)
	if err != nil {
		return nil, report, err
	}
	h, err := Parse(clean)
	return h, report, err
}

// replay is the state of Recover.
type replay struct {
	base    baseBlock // of the hive; of the log it was restored from, if it was damaged
	damaged bool      // the hive's own header is of no use
	out     []byte    // the hive, being changed
	limit   int       // bytes to which the hive may grow
	logs    []txLog   // those with a sound header
	last    uint32    // sequence number of what was applied last
	report  Report
}

// txLog is one transaction log with a sound header.
type txLog struct {
	data   []byte
	base   baseBlock
	second bool // or a later one
	report *LogReport
}

// recoverable says whether logs can cure what is wrong with the header of the hive.
func (r *replay) recoverable(hive []byte) bool {
	if len(hive) < baseSize {
		return false
	}
	r.base.unmarshal(hive)
	r.damaged = string(hive[:4]) != "regf" || r.base.Checksum != checksum(hive)
	return r.damaged || r.base.FileType == typePrimary && r.base.validVersion() == nil && r.base.Sequence1 != r.base.Sequence2
}

// start reads the headers of the logs and copies the hive.
func (r *replay) start(hive []byte, logs [][]byte) {
	size := 0
	for i, data := range logs {
		l := txLog{data: data, second: i > 0, report: &r.report.Logs[i]}
		if l.report.End = l.read(); l.report.End == nil {
			r.logs = append(r.logs, l)
			size += len(data)
		}
	}
	// Windows logs a new bin whole, so a hive does not grow by much more than its logs.
	r.limit = len(hive) + 4*size + 1<<20
	if len(r.logs) > 0 {
		r.out = slices.Clone(hive)
	}
}

var errEmptyLog = fault.Unsupportedf(fault.NoOffset, "the log is empty")

// read checks the header of a log.
func (l *txLog) read() error {
	if len(l.data) == 0 {
		return errEmptyLog
	}
	if len(l.data) < sectorSize || string(l.data[:4]) != "regf" {
		return fault.Corruptf(0, "not a transaction log: no regf signature")
	}
	b := &l.base
	b.unmarshal(l.data)
	if sum := checksum(l.data); b.Checksum != sum {
		return fault.Corruptf(checksumOffset, "log header checksum %#08x, computed %#08x", b.Checksum, sum)
	}
	if b.FileType != typeLog && b.FileType != typeLogNT && b.FileType != typeLogHvLE {
		return fault.Unsupportedf(0x1C, "file type %d is no transaction log", b.FileType)
	}
	if b.Sequence1 != b.Sequence2 {
		return fault.Corruptf(4, "writing the log did not end: sequence numbers %d and %d", b.Sequence1, b.Sequence2)
	}
	if err := b.validVersion(); err != nil {
		return err
	}
	return b.validSize()
}

// take returns the logs that are (or are not) in the new format.
func (r *replay) take(newFormat bool) []txLog {
	return slices.DeleteFunc(slices.Clone(r.logs), func(l txLog) bool { return (l.base.FileType == typeLogHvLE) != newFormat })
}

// restore replaces a damaged header by the first bytes of a log, n of them.
func (r *replay) restore(l *txLog, n int) {
	copy(r.out[:n], l.data)
	r.base = l.base
	r.damaged, r.report.HeaderRestored = false, true
}

// fits says whether that many bytes of bins are a size that the hive can take.
func (r *replay) fits(bins uint32) bool {
	return validBins(bins) && baseSize+int64(bins) <= int64(r.limit)
}

// resize makes room for that many bytes of bins.
func (r *replay) resize(bins uint32) {
	if n := baseSize + int(bins) - len(r.out); n > 0 {
		r.out = append(r.out, make([]byte, n)...)
	}
	r.base.BinsSize = bins
}

// finish writes the header of a clean hive. Windows too counts the replay as one more write.
func (r *replay) finish() {
	b := r.base
	b.FileType = typePrimary
	b.Sequence1, b.Sequence2 = r.last+1, r.last+1
	b.marshal(r.out)
}

// failure is the error for a hive that no log applies to; err is what Parse says of it.
func (r *replay) failure(err error) error {
	for i, l := range r.report.Logs {
		if l.End != nil && !errors.Is(l.End, errEmptyLog) {
			//nolint:errorlint // the class is err's: how a log ends is detail
			return fmt.Errorf("%w; log %d does not apply: %v", err, i+1, l.End)
		}
	}
	return err
}
