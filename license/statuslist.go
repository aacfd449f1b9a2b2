package license

// StatusValue is an entry of a status list, 2 bits (Token Status List, section 7).
type StatusValue uint8

const (
	StatusValid      StatusValue = 0
	StatusInvalid    StatusValue = 1 // ended
	StatusSuspended  StatusValue = 2
	StatusSuperseded StatusValue = 3 // application-specific: a newer version is in its place
)

// StatusListSize is how many entries a list has: 32 KiB of 2 bits before
// compression. At most half are ever taken, so that an index says nothing.
const StatusListSize = 1 << 17
