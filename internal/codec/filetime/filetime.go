// Package filetime converts between Go times and Windows FILETIME: 100 ns ticks since
// 1601-01-01 00:00 UTC, an unsigned 64-bit number ([MS-DTYP] 2.3.3).
package filetime

import "time"

// Time is a FILETIME.
type Time uint64

// unixEpoch is 1970-01-01 as a FILETIME: 134,774 days of 864e9 ticks.
const unixEpoch = 134774 * 864e9

// From returns t as a FILETIME; a time before 1601 becomes 0.
func From(t time.Time) Time {
	ticks := t.Unix()*1e7 + int64(t.Nanosecond())/100 + unixEpoch
	if ticks < 0 {
		return 0
	}
	return Time(ticks)
}

// Time returns ft in UTC.
func (ft Time) Time() time.Time {
	sec := int64(ft/1e7) - unixEpoch/1e7
	return time.Unix(sec, int64(ft%1e7)*100).UTC()
}
