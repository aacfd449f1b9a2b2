package signing

import (
	"encoding/binary"
	"time"
)

// Witness is told what this node wrote, once it is on disk, so that it can find out
// later if the database has lost it.
type Witness interface {
	// Wrote says that a record of a table has a revision.
	Wrote(table, id string, revision int64)
	// Over says that a session or a family has ended for good. It would have expired at
	// until.
	Over(table, id string, revision int64, until time.Time)
	// Spent says that a hash was spent. The database keeps it until keep at least.
	Spent(hash [32]byte, keep time.Time)
	// WasSpent reports whether this node spent a hash a while ago.
	WasSpent(hash [32]byte) bool
	// Lost says that something that this node wrote is gone.
	Lost(why string)
}

// SetWitness sets the witness.
func (a *Authenticator) SetWitness(w Witness) { a.witness.Store(&w) }

// Witness returns the witness, or nil.
func (a *Authenticator) Witness() Witness {
	if w := a.witness.Load(); w != nil {
		return *w
	}
	return nil
}

// Wrote tells the witness that a record was written, unless err isn't nil, and returns err.
// It doesn't tell of revision 1, which has no register.
func (a *Authenticator) Wrote(err error, table, id string, revision int64) error {
	if w := a.Witness(); err == nil && revision > 1 && w != nil {
		w.Wrote(table, id, revision)
	}
	return err
}

// Register returns the revision in a record's register. If the register was not written
// here, why says what is wrong with it; the caller reports that by Refuse.
func (a *Authenticator) Register(table, id string, mark []byte) (revision int64, why string, err error) {
	if len(mark) != markLength {
		return 0, "its register is malformed", nil
	}
	revision = int64(binary.BigEndian.Uint64(mark))
	want, err := a.markSum(table, id, revision)
	if err == nil && !same(want[:], mark[8:]) {
		why = "its register was altered"
	}
	return revision, why, err
}

// Digest returns half of an HMAC of facts, under the key of authenticators. Without the
// keystore nobody can find other facts with the same digest, or several facts whose digests
// have the same sum.
func (a *Authenticator) Digest(f *Facts) (d [16]byte, err error) {
	sum, err := a.whole(f)
	copy(d[:], sum[:])
	return d, err
}
