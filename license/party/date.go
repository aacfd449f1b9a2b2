package party

import (
	"cmp"
	"errors"
	"time"
)

// Date is a civil date, a day of the calendar in China (UTC+8, without daylight
// saving). The zero Date is no date: a license without a last day is 长期.
// Dates compare with == and have the order of [Date.Compare].
type Date struct {
	year  int16
	month uint8
	day   uint8
}

// ErrDate says that a text or three numbers are no date.
var ErrDate = errors.New("not a date of the form 2006-01-02")

// zone is the time zone of every civil date. It is fixed: the history of Asia/Shanghai (daylight saving until
// 1991) must not move the end of a license.
var zone = time.FixedZone("UTC+8", 8*60*60)

// NewDate returns the date, or ErrDate if the calendar has no such day or the
// year isn't within 1 to 9999.
func NewDate(year int, month time.Month, day int) (Date, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return Date{}, ErrDate
	}
	return Date{int16(year), uint8(month), uint8(day)}, nil
}

// daysIn returns how many days a month has.
func daysIn(year int, month time.Month) int {
	switch month {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// DateOf returns the day on which t falls in UTC+8, or no date for the zero time and for years outside 1 to 9999.
func DateOf(t time.Time) Date {
	if t.IsZero() {
		return Date{}
	}
	y, m, d := t.In(zone).Date()
	date, _ := NewDate(y, m, d) // a year out of range gives no date
	return date
}

// ParseDate reads a date of exactly the form 2006-01-02, or returns ErrDate.
func ParseDate(s string) (Date, error) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return Date{}, ErrDate
	}
	var n [3]int
	for i, part := range [3]string{s[:4], s[5:7], s[8:]} {
		for j := range len(part) {
			if part[j] < '0' || part[j] > '9' {
				return Date{}, ErrDate
			}
			n[i] = n[i]*10 + int(part[j]-'0')
		}
	}
	return NewDate(n[0], time.Month(n[1]), n[2])
}

// Year returns the year, 0 for no date.
func (d Date) Year() int { return int(d.year) }

// Month returns the month, 0 for no date.
func (d Date) Month() time.Month { return time.Month(d.month) }

// Day returns the day of the month, 0 for no date.
func (d Date) Day() int { return int(d.day) }

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// Start returns the first instant of the day, and the zero time for no date.
func (d Date) Start() time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, zone)
}

// End returns the first instant after the day, and the zero time for no date. A
// license whose last day is d is valid before d.End().
func (d Date) End() time.Time {
	if d.IsZero() {
		return time.Time{}
	}
	return time.Date(d.Year(), d.Month(), d.Day()+1, 0, 0, 0, 0, zone)
}

// Compare returns -1, 0 or 1 as d is before, the same as or after other. No date
// is before every date.
func (d Date) Compare(other Date) int {
	return cmp.Or(cmp.Compare(d.year, other.year), cmp.Compare(d.month, other.month), cmp.Compare(d.day, other.day))
}

// Before reports whether d is before other.
func (d Date) Before(other Date) bool { return d.Compare(other) < 0 }

// After reports whether d is after other.
func (d Date) After(other Date) bool { return d.Compare(other) > 0 }

// AddDays returns the date n days later, or no date if that is outside the calendar.
func (d Date) AddDays(n int) Date {
	if d.IsZero() || n > 366*9999 || n < -366*9999 {
		return Date{}
	}
	return DateOf(time.Date(d.Year(), d.Month(), d.Day()+n, 0, 0, 0, 0, zone))
}

// AddMonths returns the same day n months later, or the month's last day if the month is shorter (31 January + 1
// month is the end of February), or no date if that is outside the calendar.
func (d Date) AddMonths(n int) Date {
	if d.IsZero() || n > 12*9999 || n < -12*9999 {
		return Date{}
	}
	months := d.Year()*12 + int(d.month) - 1 + n
	if months < 12 {
		return Date{} // before the year 1
	}
	year, month := months/12, time.Month(months%12+1)
	date, _ := NewDate(year, month, min(d.Day(), daysIn(year, month)))
	return date
}

// String returns the date as 2006-01-02, "" for no date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	b, _ := d.AppendText(make([]byte, 0, len(time.DateOnly)))
	return string(b)
}

// AppendText implements [encoding.TextAppender] as MarshalText does.
func (d Date) AppendText(b []byte) ([]byte, error) {
	if d.IsZero() {
		return b, nil
	}
	two := func(n int) { b = append(b, byte('0'+n/10), byte('0'+n%10)) }
	two(int(d.year) / 100)
	two(int(d.year) % 100)
	b = append(b, '-')
	two(int(d.month))
	b = append(b, '-')
	two(int(d.day))
	return b, nil
}

// MarshalText implements [encoding.TextMarshaler]: "2006-01-02", "" for no date.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON implements [encoding/json.Unmarshaler]. It accepts only a date; for the zero Date the member is
// left out. "" and null are refused, because they come from forms and mappings that forgot the date, and would
// make a license long-term.
func (d *Date) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return ErrDate
	}
	return d.UnmarshalText(b[1 : len(b)-1])
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It reads a date exactly as MarshalText writes it, or
// returns ErrDate, also for the empty text.
func (d *Date) UnmarshalText(b []byte) error {
	date, err := ParseDate(string(b))
	if err != nil {
		return err
	}
	*d = date
	return nil
}
