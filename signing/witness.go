package signing

import (
	"encoding/binary"
	"time"
)

// Witness is told what this node wrote, once it is on disk, so that it can say
// later that the database lost it.
type Witness interface {
	// Wrote says that a record of a table has a revision.
	Wrote(table, id string, revision int64)
	// Over says that a session or a family has ended for good. Nothing could be
	// done with it after until anyway.
	Over(table, id string, revision int64, until time.Time)
	// Spent says that a hash was spent, which is kept until then at least.
	Spent(hash [32]byte, keep time.Time)
	// WasSpent reports whether this node spent a hash a while ago.
	WasSpent(hash [32]byte) bool
	// Lost says that something is gone that this node wrote.
	Lost(why string)
}

// SetWitness names who is told from now on.
func (a *Authenticator) SetWitness(w Witness) { a.witness.Store(&w) }

// Witness returns who is told, or nil.
func (a *Authenticator) Witness() Witness {
	if w := a.witness.Load(); w != nil {
		return *w
	}
	return nil
}

// Wrote tells the witness that a record was written, unless err says that it wasn't,
// and returns err. Records of revision 1 have no register, and no witness.
func (a *Authenticator) Wrote(err error, table, id string, revision int64) error {
	if w := a.Witness(); err == nil && revision > 1 && w != nil {
		w.Wrote(table, id, revision)
	}
	return err
}

// Register returns the revision that a record's register names, and why it is none that
// was written here, if so: who tells of that calls Refuse.
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

// Digest returns half an HMAC of facts, under the key of authenticators: who has no
// keystore can't make others that have the same, or that add up to the same.
func (a *Authenticator) Digest(f *Facts) (d [16]byte, err error) {
	sum, err := a.whole(f)
	copy(d[:], sum[:])
	return d, err
}
