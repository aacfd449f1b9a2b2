package signing

// What the tests from outside know of the keyrings' readings.
const (
	DefaultFresh = defaultFresh
	MissGap      = missGap
)

// Changed says that the records were changed, so that they are read anew.
func (r *Keyrings) Changed() { r.readings.changes.Add(1) }
