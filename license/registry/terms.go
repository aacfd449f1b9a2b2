package registry

import (
	"errors"
	"slices"

	"yizheng.internal/license"
	"yizheng.internal/license/refusal"
)

// Terms are the conditions on which a change of a license is asked for. With the zero Terms, the change is made
// whatever the license's revision is, and is made again if it is asked for again.
type Terms struct {
	// Key is the idempotency key: the same request with the same key is answered
	// as the first one was. Empty: there is none.
	Key string
	// Revisions are those that the caller saw (If-Match): the change is made only if the license's revision is
	// one of them. Empty: any revision will do.
	Revisions []int64
}

// check returns a *refusal.Error unless the terms allow a change of the license.
func (on Terms) check(rec license.Record, required bool) error {
	switch {
	case len(on.Revisions) > 0 && !slices.Contains(on.Revisions, rec.Revision):
		return errRevision()
	case len(on.Revisions) == 0 && required:
		return refusal.Unconditional("if_match_missing", "Say by If-Match which revision of the license you saw: read it, and send its ETag.")
	}
	return nil
}

// explain is explainSave for a change that was made on terms.
func (on Terms) explain(err error) error {
	if errors.Is(err, license.ErrConflict) && len(on.Revisions) > 0 {
		return errRevision()
	}
	return explainSave(err)
}

func errRevision() error {
	return refusal.Changed("revision_mismatch", "The license was changed since you read it. Read it again, and repeat the change if it is still wanted.")
}
