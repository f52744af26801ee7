package timezone

import (
	"encoding/binary"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// Info is what the value TZI of a time zone says: the bias from UTC in minutes, UTC = local time + bias,
// and when standard and daylight saving time begin (REG_TZI_FORMAT; Microsoft Learn,
// TIME_ZONE_INFORMATION).
type Info struct {
	Bias, StandardBias, DaylightBias int32
	StandardStart, DaylightStart     Date
}

// Date is when a change happens in each year: on the Day-th DayOfWeek (0 is Sunday) of the Month, 5 being
// the last. A month of zero means that nothing changes. With a Year the day is that of the month.
type Date struct {
	Year, Month, DayOfWeek, Day, Hour, Minute, Second, Milliseconds uint16
}

// sizeTZI is that of three biases and two dates, dateSize of a date.
const (
	sizeTZI  = 3*4 + 2*dateSize
	dateSize = 8 * 2
)

// ParseInfo reads a value TZI. One of another length, or with numbers that no date has, is corrupt.
func ParseInfo(b []byte) (Info, error) {
	if len(b) != sizeTZI {
		return Info{}, fault.Corruptf(fault.NoOffset, "TZI has %d bytes, expected %d", len(b), sizeTZI)
	}
	le := binary.LittleEndian
	i := Info{
		Bias: int32(le.Uint32(b)), StandardBias: int32(le.Uint32(b[4:])), DaylightBias: int32(le.Uint32(b[8:])),
		StandardStart: parseDate(b[12:]), DaylightStart: parseDate(b[28:]),
	}
	const day = 24 * 60
	for _, bias := range []int32{i.Bias, i.StandardBias, i.DaylightBias} {
		if bias < -day || bias > day {
			return i, fault.Corruptf(fault.NoOffset, "TZI has a bias of %d minutes, more than a day", bias)
		}
	}
	if !i.StandardStart.valid() || !i.DaylightStart.valid() || (i.StandardStart.Month == 0) != (i.DaylightStart.Month == 0) {
		return i, fault.Corruptf(fault.NoOffset, "TZI has dates that cannot be, %v and %v", i.StandardStart, i.DaylightStart)
	}
	return i, nil
}

// parseDate reads a SYSTEMTIME.
func parseDate(b []byte) Date {
	n := func(i int) uint16 { return binary.LittleEndian.Uint16(b[2*i:]) }
	return Date{n(0), n(1), n(2), n(3), n(4), n(5), n(6), n(7)}
}

func (d Date) valid() bool {
	return d.Month <= 12 && d.DayOfWeek <= 6 && d.Day <= 31 && d.Hour <= 23 && d.Minute <= 59 && d.Second <= 59 && d.Milliseconds <= 999
}

// fields returns the date as the kernel keeps it in TimeZoneInformation: a TIME_FIELDS, where the day of
// the week is the last and not, as in TZI, the third field.
func (d Date) fields() []byte {
	b := make([]byte, 0, dateSize)
	for _, n := range []uint16{d.Year, d.Month, d.Day, d.Hour, d.Minute, d.Second, d.Milliseconds, d.DayOfWeek} {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	return b
}
