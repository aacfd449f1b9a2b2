package entry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// Delegation lets a participant define entries of the catalog whose codes begin with another body's code. It is
// meant for national types, whose definer isn't connected. The operator gives it on the ground of a document, and
// may withdraw it on the ground of another.
type Delegation struct {
	Prefix      party.USCC `json:"prefix"`         // the code with which the entries' codes begin
	Participant string     `json:"participant"`    // id
	Document    string     `json:"document"`       // the document on which it rests; once ended, that of the withdrawal
	By          string     `json:"by"`             // who gave or withdrew it
	Created     time.Time  `json:"created"`        // when it was first given
	Updated     time.Time  `json:"updated"`        // when it was last given or withdrawn
	Ended       time.Time  `json:"ended,omitzero"` // zero: it is in force
	Revision    int64      `json:"revision"`
}

// maxDelegationDocument is the greatest length of a document's name, in characters.
const maxDelegationDocument = 200

// DelegationRecord is a delegation as a store keeps it. Nothing in it is personal.
type DelegationRecord struct {
	ID string // prefix, / and participant: these two have at most one delegation
	Delegation
	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// DelegationStore keeps delegations. Every driver passes storagetest/catalog.Delegations.
type DelegationStore interface {
	// SaveDelegation saves the record with the event of the change, or nothing, and increases its revision by
	// one. It returns ErrConflict if a record with Revision 0 is stored already, or if the stored revision is not
	// the record's.
	SaveDelegation(ctx context.Context, e journal.Event, d DelegationRecord) error
	// LoadDelegation returns a delegation, or ErrNotFound.
	LoadDelegation(ctx context.Context, id string) (DelegationRecord, error)
	// ListDelegations returns up to limit delegations with an id greater than after, by id.
	ListDelegations(ctx context.Context, after string, limit int) ([]DelegationRecord, error)
}

// Delegations say who may define entries of the catalog. It is safe for concurrent use.
// Refusals that a caller may see are *[refusal.Error].
type Delegations struct {
	store   DelegationStore
	journal *journal.Recorder
}

// NewDelegations returns the delegations that a store has.
func NewDelegations(s DelegationStore, j *journal.Recorder) *Delegations { return &Delegations{s, j} }

func delegationID(prefix party.USCC, participant string) string {
	return string(prefix) + "/" + participant
}

// Definer is a participant whose right to define entries is given, withdrawn or looked up.
type Definer struct {
	ID   string
	USCC party.USCC
}

// Give lets a participant define entries under another body's code, on the ground of a document. The actor is who
// gives the delegation. It may be given again, on the ground of another document.
func (c *Delegations) Give(ctx context.Context, a audit.Actor, to Definer, prefix party.USCC, document string) (Delegation, error) {
	return c.set(ctx, a, to, prefix, document, journal.ActionDelegate)
}

// Withdraw withdraws a delegation, on the ground of a document. What was defined under it stays until somebody
// who has the right defines it anew.
func (c *Delegations) Withdraw(ctx context.Context, a audit.Actor, from Definer, prefix party.USCC, document string) (Delegation, error) {
	return c.set(ctx, a, from, prefix, document, journal.ActionUndelegate)
}

func (c *Delegations) set(ctx context.Context, a audit.Actor, n Definer, prefix party.USCC, document string, act journal.Action) (_ Delegation, err error) {
	defer audit.Refusal(ctx, c.journal, &err, a, act, "")
	var vs refusal.Violations
	vs.When(!prefix.Valid(), "/prefix", "uscc", "is not a unified social credit code of 18 digits and upper-case letters")
	vs.When(prefix == n.USCC, "/prefix", "prefix_own", "is the participant's own code, under which it defines entries anyway")
	vs.Text("/document", document, 1, maxDelegationDocument)
	if err := vs.Err("delegation_invalid", "The delegation is not usable; see violations."); err != nil {
		return Delegation{}, err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	d, err := c.store.LoadDelegation(ctx, delegationID(prefix, n.ID))
	switch {
	case errors.Is(err, ErrNotFound) && act == journal.ActionDelegate:
		d = DelegationRecord{ID: delegationID(prefix, n.ID), Delegation: Delegation{Prefix: prefix, Participant: n.ID, Created: now}}
	case errors.Is(err, ErrNotFound), err == nil && act == journal.ActionUndelegate && !d.Ended.IsZero():
		return Delegation{}, refusal.Missing("delegation_unknown", "The participant has no delegation of this code that is in force.")
	case err != nil:
		return Delegation{}, fmt.Errorf("reading a delegation: %w", err)
	}
	d.Document, d.By, d.Updated, d.Ended = document, a.Client, now, time.Time{}
	if act == journal.ActionUndelegate {
		d.Ended = now
	}
	e, err := c.journal.Event(ctx, a.Did(act, "", 0, journal.ResultOK, map[string]string{"prefix": string(prefix), "participant": n.ID, "document": document}))
	if err != nil {
		return Delegation{}, err
	}
	switch err := c.store.SaveDelegation(ctx, e, d); {
	case errors.Is(err, ErrConflict):
		return Delegation{}, refusal.ChangedMeanwhile()
	case err != nil:
		return Delegation{}, fmt.Errorf("saving a delegation: %w", err)
	}
	d.Revision++
	return d.Delegation, nil
}

// List lists the delegations after a given one, those that ended included. The zero Delegation starts the list.
func (c *Delegations) List(ctx context.Context, after Delegation, limit int) ([]Delegation, error) {
	id := ""
	if after.Prefix != "" {
		id = delegationID(after.Prefix, after.Participant)
	}
	records, err := c.store.ListDelegations(ctx, id, limit)
	if err != nil {
		return nil, fmt.Errorf("listing delegations: %w", err)
	}
	var ds []Delegation
	for _, d := range records {
		ds = append(ds, d.Delegation)
	}
	return ds, nil
}

// usccLength is how long a unified social credit code is.
const usccLength = 18

// CodePrefix returns the unified social credit code with which the code of a type or item
// begins, or "".
func CodePrefix(code string) party.USCC {
	if len(code) < usccLength || !party.USCC(code[:usccLength]).Valid() {
		return ""
	}
	return party.USCC(code[:usccLength])
}

// Holds reports whether a participant may define entries whose codes begin like
// this one: with its own code, or one that is delegated to it.
func (c *Delegations) Holds(ctx context.Context, n Definer, code string) (bool, error) {
	prefix := CodePrefix(code)
	if prefix == "" || prefix == n.USCC {
		return prefix != "", nil
	}
	d, err := c.store.LoadDelegation(ctx, delegationID(prefix, n.ID))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("looking for a delegation: %w", err)
	}
	return d.Ended.IsZero(), nil
}

// allows is mayWrite or mayRetire.
type allows func(ctx context.Context, a audit.Actor, code, owner string, hidden bool, notOwner func() error) error

// mayWrite returns a *refusal.Error unless the caller may write an entry. owner is empty for a new entry. hidden
// says that the entry was never published: a caller without a right to its code is then refused as if there were
// no entry. A code that begins with a body's code is kept for that body and for those to whom it is delegated,
// even before the body is connected. An owner gives up an entry to a caller with a right to its code if the
// owner's delegation ended, or if the code begins with the caller's own code and the owner, which took it before
// this rule, never had a delegation. Items from before this rule may have codes that begin with nobody's code:
// their owners keep them.
func (c *Delegations) mayWrite(ctx context.Context, a audit.Actor, code, owner string, hidden bool, notOwner func() error) error {
	own := owner == a.Participant && owner != ""
	prefix := CodePrefix(code)
	if own && prefix == "" {
		return nil
	}
	holds, err := c.Holds(ctx, Definer{a.Participant, party.USCC(a.USCC)}, code)
	switch {
	case err != nil:
		return err
	case !holds && (own || owner == "" || hidden):
		return errCodePrefix()
	case !holds:
		return notOwner()
	case own || owner == "":
		return nil
	}
	d, err := c.store.LoadDelegation(ctx, delegationID(prefix, owner))
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return fmt.Errorf("looking for a delegation: %w", err)
	case err == nil && d.Ended.IsZero(), err != nil && string(prefix) != a.USCC:
		return notOwner()
	}
	return nil
}

// mayRetire is mayWrite for retiring an entry, which its owner may always do.
func (c *Delegations) mayRetire(ctx context.Context, a audit.Actor, code, owner string, hidden bool, notOwner func() error) error {
	if owner == a.Participant {
		return nil
	}
	return c.mayWrite(ctx, a, code, owner, hidden, notOwner)
}

func errCodePrefix() error {
	return refusal.Forbidden("code_prefix", "The code must begin with your participant's unified social credit code, or with one that the operator delegated to it.")
}
