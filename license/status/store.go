package status

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/credential"
)

// ErrNotFound says that there is no such list, entry or version.
var ErrNotFound = errors.New("not found")

// UnreservedError says that a change was to set an entry of a status list that was
// never reserved, or that somebody deleted.
type UnreservedError struct {
	List  int64
	Index int
}

func (e *UnreservedError) Error() string {
	return fmt.Sprintf("entry %d of status list %d was never reserved", e.Index, e.List)
}

// Entry is an entry of a status list. An entry that never changed is [credential.StatusValid], and has neither
// serial nor authenticator.
type Entry struct {
	Index int
	Value credential.StatusValue

	Serial int64  // the license's revision that set the value; 0 if nothing did
	Auth   []byte // see signing.Authenticator
}

// Change sets a value of a status list.
type Change struct {
	List  int64
	Index int
	Value credential.StatusValue

	Serial int64  // the license's revision that the change makes
	Auth   []byte // see signing.Authenticator
}

// Version names a version of a license. An entry tells its state.
type Version struct {
	License string // the license's id
	Number  int    // from 1
}

// Owner is a version with its entry of a status list.
type Owner struct {
	Version
	List  int64
	Entry Entry
}

// Store keeps status lists. Every driver passes storagetest/licenses.StatusLists. Its changes of
// entries come with those of licenses.
//
// A call whose context has ended does nothing and returns the context's error, but a call that is under way then
// completes.
type Store interface {
	// Reserve marks those of the indexes that are free in the newest list as
	// taken, and returns the list's number with the indexes it took, which may
	// be fewer, or none. If there is no list yet, or the newest has most or more
	// taken indexes, it begins the next list first; lists number from 1.
	Reserve(ctx context.Context, indexes []int, most int, now time.Time) (list int64, taken []int, err error)
	// StatusLists returns the numbers of all lists, in their order.
	StatusLists(ctx context.Context) ([]int64, error)
	// LoadList returns a list's revision, which counts its changes, and those of its entries that ever changed,
	// by index. It returns no entries if the revision is still seen; with seen -1 it returns all of them. It
	// returns ErrNotFound if there is no such list. Entries come back as they are stored: whoever uses them
	// checks their authenticators.
	LoadList(ctx context.Context, list int64, seen int64) (revision int64, entries []Entry, err error)
	// LoadStatus returns one entry, or ErrNotFound if it was never reserved.
	LoadStatus(ctx context.Context, list int64, index int) (Entry, error)
}

// MendStore mends entries of status lists from what their licenses say. Every
// driver passes storagetest/licenses.StatusLists.
type MendStore interface {
	// PlainOwners returns up to limit versions after a place, ordered by license and version, whose entries are
	// not StatusValid and have no authenticator. If there is no such entry, it reads no version.
	PlainOwners(ctx context.Context, after Version, limit int) ([]Owner, error)
	// StatusOwners returns the versions to which these entries of a list belong. It reads all versions.
	StatusOwners(ctx context.Context, list int64, indexes []int) ([]Owner, error)
	// MendStatus makes a change if the entry still has the value and authenticator of was, and otherwise does
	// nothing. An entry that is gone has no authenticator, and is made again.
	MendStatus(ctx context.Context, was Entry, c Change) error
}

// Stores are what [Lists] keeps its records in.
type Stores interface {
	Store
	MendStore
}
