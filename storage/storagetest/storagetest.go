// Package storagetest holds the contracts of the stores as tests: one suite a
// store, which every driver passes. Suites stand in rooms, as the drivers' stores do; here are those of
// a whole database. A driver's test package has one function a
// suite, TestLicenses for licenses.Licenses and so on, each of one line:
//
//	func TestLicenses(t *testing.T) { licenses.Licenses(t, open) }
//
// What a room exports beside its suites is for the suites of other rooms; [suite] has what all
// share.
//
// Beyond what the stores' own comments say, the suites hold drivers to this:
//
//   - Times are kept to the microsecond, what is finer is cut off (not
//     rounded), and come back in UTC. The zero time comes back as such.
//   - Bytes come back nil if they were nil, and empty if they were empty.
//   - A call whose context has ended before it began returns the context's
//     error, and does nothing.
//   - Limits of 0 return nothing. Lists without rows are no error.
package storagetest
