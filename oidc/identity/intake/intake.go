package intake

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Outcome is what became of a row.
type Outcome string

// The outcomes.
const (
	Taken       Outcome = "taken"       // the person has an account now
	Known       Outcome = "known"       // the person has one already, or the same row came before
	Quarantined Outcome = "quarantined" // nothing was done: see the Refusal
)

// Counts is how many rows had each outcome.
type Counts struct{ Taken, Known, Quarantined int }

// Import is one import from a source. Check is for one goroutine, Take for several at once.
type Import struct {
	Source Source

	s            *Service
	actor        string
	defaultLevel int
	dry          bool
	method       string // of the proofings of its rows
	alone        bool   // one record is brought by itself, by a request
	request      string // its id; empty: none
	// seen has, of each of these, who had a value first: some 100 bytes a row in all, because
	// values are kept as hashes of 64 bits.
	seen map[Reason]map[uint64]holder
	seed maphash.Seed

	mu  sync.Mutex
	had map[uint64]bool // of a dry run: persons who would have an account
}

// holder is who had a value first: a hash of what another row with that value must share, and
// its place.
type holder struct {
	same       uint64
	file, line int32
}

// Options say how an import goes.
type Options struct {
	Level int  // of rows that name none
	Dry   bool // do all checks, and change nothing
}

// Begin begins an import from a source; its event says so. ErrNotFound if there is no such source.
// *Refusal: level_invalid, level_too_high.
func (s *Service) Begin(ctx context.Context, actor, source string, o Options) (*Import, error) {
	of, err := s.Source(ctx, source)
	if err != nil {
		return nil, err
	}
	if o.Level < 1 || o.Level > 3 {
		return nil, refuse(LevelInvalid, "the level is 1, 2 or 3")
	}
	if o.Level > of.Level {
		return nil, refuse(LevelTooHigh, "the source's records have no such level: see yizheng person source")
	}
	i := &Import{
		Source: of, s: s, actor: actor, defaultLevel: o.Level, dry: o.Dry, method: identity.MethodImport, seed: maphash.MakeSeed(),
		seen: map[Reason]map[uint64]holder{RecordTwice: {}, CodeTwice: {}, PhoneTwice: {}, LoginTwice: {}}, had: map[uint64]bool{},
	}
	if o.Dry {
		return i, nil
	}
	return i, s.c.Journal.Record(ctx, identity.Did(actor, journal.ActionImportBegin, of.Name, "", journal.ResultBegun))
}

// End ends the import; its event says how: ok, or a word for what broke it off.
func (i *Import) End(ctx context.Context, how string, n Counts) error {
	if i.dry {
		return nil
	}
	result := fmt.Sprintf("%s: %d taken, %d known, %d quarantined", how, n.Taken, n.Known, n.Quarantined)
	return i.s.c.Journal.Record(ctx, identity.Did(i.actor, journal.ActionImportEnd, i.Source.Name, "", result))
}

// Check checks a row by itself and against the rows before it. Rows come in their order, so that
// of rows that contradict each other the first one passes, however many rows are being taken.
// Rows that say the same, or name the same person again, pass. The error is a *Refusal.
func (i *Import) Check(r Row) (Checked, error) {
	c, err := i.check(r)
	if err != nil {
		return Checked{}, err
	}
	n := c.registration
	c.person = i.hash(string(n.Code.Type), n.Code.Value)
	values := []struct {
		reason Reason
		value  string
		same   uint64
		detail string
	}{
		{RecordTwice, c.record, i.hash(c.content...), "an earlier row has the same record's id, and says something else"},
		{CodeTwice, string(n.Code.Type) + n.Code.Value, i.hash(party.NameKey(n.Name)), "an earlier row has the same number of a document, and another name"},
		{PhoneTwice, n.Phone, c.person, "an earlier row has the same phone, and is of somebody else"},
		{LoginTwice, n.LoginName, c.person, "an earlier row has the same login name, and is of somebody else"},
	}
	for _, v := range values {
		if first, twice := i.seen[v.reason][i.hash(v.value)]; v.value != "" && twice && first.same != v.same {
			return Checked{}, &Refusal{Reason: v.reason, Detail: v.detail, First: Place{int(first.file), int(first.line)}}
		}
	}
	for _, v := range values {
		if key := i.hash(v.value); v.value != "" {
			if _, twice := i.seen[v.reason][key]; !twice {
				i.seen[v.reason][key] = holder{v.same, int32(r.Place.File), int32(r.Place.Line)}
			}
		}
	}
	return c, nil
}

// hash returns a hash of texts that this process alone knows.
func (i *Import) hash(texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(i.seed) // a hash of its own a call: none is shared
	for _, t := range texts {
		h.WriteString(t)
		h.WriteByte(0)
	}
	return h.Sum64()
}

// Shard returns to which of n workers a row belongs. Rows of one person belong to the same one,
// which takes them in their order.
func (c Checked) Shard(n int) int { return int(c.person % uint64(n)) }

// tries is how often Take begins anew because another process was quicker.
const tries = 3

// Take takes a row in: link, account, party and event are stored in one transaction. The error is
// a *Refusal if the row is quarantined; any other error says that nothing is known of it, and
// that the import should end.
func (i *Import) Take(ctx context.Context, c Checked) (o Outcome, err error) {
	for try := range tries {
		o, _, err = i.take(ctx, c)
		e, refused := errors.AsType[*identity.Error](err)
		switch {
		case refused && (!errors.Is(err, identity.ErrExists) || try > 0): // what is taken was so before, too
			return Quarantined, &Refusal{Reason: Reason(e.Reason), Detail: e.Detail}
		case errors.Is(err, signing.ErrAltered): // which is logged where it is found
			return Quarantined, refuse(RecordAltered, "a record to which the row leads was altered in the database: see yizheng doctor")
		case !errors.Is(err, identity.ErrExists):
			return o, err
		}
	}
	// No code leads to the account that the person has.
	return Quarantined, refuse(AccountExists, "the person has an account already")
}

// take takes a row in, and returns the account to which it led. ErrExists if another process was
// quicker with something of it: then the rules look at that, next time.
func (i *Import) take(ctx context.Context, c Checked) (Outcome, string, error) {
	l, err := i.s.findLink(ctx, i.Source.Name, c.record)
	switch {
	case err == nil && l.says(c.content):
		return Known, l.Account, nil
	case err == nil:
		return Quarantined, "", refuse(RecordDiffers, "the record came before and said something else: accounts aren't changed by an import")
	case !errors.Is(err, identity.ErrNotFound):
		return Quarantined, "", fmt.Errorf("finding a record: %w", err)
	}
	t := identity.Takeover{Registration: c.registration}
	if !c.hash.IsZero() && !i.dry {
		t.Hash = func(ctx context.Context) (identity.PasswordHash, error) { return i.s.c.Passwords.Adopt(ctx, c.hash) }
	}
	account, made, err := i.s.c.People.TakeOver(ctx, t)
	switch {
	case err != nil:
		return Quarantined, "", err
	case i.dry:
		return i.rehearsed(c, made != nil), account, nil
	case made == nil && i.alone: // nobody becomes a source's person because it knows their number
		return Quarantined, "", refuse(AccountExists, "the person has an account already")
	}
	a := Arrival{Made: made}
	if a.Link, err = i.s.newLink(ctx, link{Source: i.Source.Name, Record: c.record, Account: account, Made: made != nil}, c.content); err != nil {
		return Quarantined, "", err
	}
	a.Event, err = i.s.c.Journal.Event(ctx, identity.Did(i.actor, journal.ActionAccountImport, account, i.request, journal.ResultOK))
	if err != nil {
		return Quarantined, "", err
	}
	if err := i.s.c.Links.Arrive(ctx, a); err != nil {
		return Quarantined, "", fmt.Errorf("storing a record: %w", err)
	}
	if made == nil {
		return Known, account, nil
	}
	return Taken, account, nil
}

// rehearsed is the outcome of a dry run for a row whose person has no account yet, or has one.
func (i *Import) rehearsed(c Checked, free bool) Outcome {
	i.mu.Lock()
	defer i.mu.Unlock()
	if free = free && !i.had[c.person]; !free {
		return Known
	}
	i.had[c.person] = true
	return Taken
}
