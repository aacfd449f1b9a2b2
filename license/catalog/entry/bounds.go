package entry

// Bounds of a catalog, so that no client fills the database or slows down what reads it. maxVersions applies to
// one entry, the others to all entries of one kind that a participant has. Requests at the same moment may
// together exceed them by one definition each.
const (
	maxVersions    = 1000
	maxDrafts      = 1000
	maxDefinitions = 64 << 20 // bytes of all versions
)
