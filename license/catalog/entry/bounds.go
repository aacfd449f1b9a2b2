package entry

// Bounds of a catalog, so that no client fills the database or slows what reads it. A
// participant's are those of its entries of each kind; requests at the same moment may
// together pass them by a definition each.
const (
	maxVersions    = 1000
	maxDrafts      = 1000
	maxDefinitions = 64 << 20 // bytes of all versions
)
