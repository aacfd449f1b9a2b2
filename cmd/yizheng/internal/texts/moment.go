package texts

import "time"

// Civil is the time of licenses' dates.
var Civil = time.FixedZone("UTC+8", 8*60*60)

// MomentForm is the one form in which commands show a moment to people: civil time,
// with its zone, whatever the zone of the machine. Flags take it as it is shown.
const MomentForm = "2006-01-02 15:04:05 -07:00"

// Moment is a moment for people.
func Moment(t time.Time) string { return t.In(Civil).Format(MomentForm) }

// Day is a civil day, for people to whom the hour is of no use, or - for none.
func Day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(Civil).Format(time.DateOnly)
}
