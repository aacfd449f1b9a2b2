package phonecode

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Question is Check's answer to a right code when the phone alone isn't enough. It is the same
// whether there is an account or not.
type Question struct {
	Token string // the form that answers carries it
}

// Error implements error.
func (*Question) Error() string { return "the code is right; whose phone it is must be said, too" }

// proved says, sealed, that the code of a phone was right.
type proved struct {
	ID    string    `json:"id"` // random: its tries are counted under it
	Phone string    `json:"phone"`
	Until time.Time `json:"until"`
}

// questionLife is how long the question may be answered.
const questionLife = 10 * time.Minute

// The limits of answers. The last four characters of a number are easy to guess for somebody who has
// all year.
var (
	ofToken     = tries.Limit{Name: "person", Most: 5, Window: questionLife + time.Minute}
	ofPersonDay = tries.Limit{Name: "person-day", Most: 10, Window: day}
	ofPerson    = tries.Limit{Name: "person-month", Most: 30, Window: 30 * day}
	ofRight     = tries.Limit{Name: "person-right", Most: 1, Window: questionLife + time.Minute} // right answers
	ofLately    = tries.Limit{Name: "person-lately", Most: 1, Window: time.Minute}               // whether that was less than a minute ago
)

// place is the place of the token: for this browser's request alone.
func (a *Attempt) place() vault.Place {
	return vault.Place{Table: "forms", Row: a.Binding, Column: a.key("phone").Subject}
}

// question returns the Question for a phone whose code was right.
func (s *Service) question(ctx context.Context, q *asked, spent onetime.Code) error {
	token, err := s.seal(ctx, q, spent)
	if err != nil {
		return err
	}
	s.c.Journal.Noted(ctx, q.fact(journal.ActionLoginPhone, errAsked))
	return &Question{token}
}

// seal returns the token that says that a phone's code was right.
func (s *Service) seal(ctx context.Context, q *asked, spent onetime.Code) (string, error) {
	sealed, err := s.c.Vault.SealJSON(ctx, q.place(), proved{spent.ID, q.phone, spent.UsedAt.Add(questionLife)})
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// open reads a token of seal. *Error: code_expired.
func (s *Service) open(ctx context.Context, a *Attempt, token string) (p proved, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(sealed) > maxToken || s.c.Vault.OpenJSON(ctx, a.place(), sealed, &p) != nil {
		return proved{}, onetime.Expired() // another browser's, or nobody's
	}
	if !time.Now().Before(p.Until) {
		return proved{}, onetime.Expired()
	}
	return p, nil
}

// errAsked is what the event of a right code says that wasn't enough.
var errAsked = &identity.Error{Reason: "person_asked"}

// maxToken bounds what is decoded.
const maxToken = 1 << 10

// Identify returns the account of the phone that a Question is about, if it is that of a person with
// this name, one of whose numbers ends with these four characters. It ignores a.Phone.
//
// *Error: person_refused, the same for a wrong person as for no account, and for a disabled one;
// code_expired, if too much time has passed; too_many_tries (Retry is set), unavailable.
func (s *Service) Identify(ctx context.Context, a Attempt, token, name, ending string) (identity.Account, error) {
	p, err := s.open(ctx, &a, token)
	if err != nil {
		return identity.Account{}, err
	}
	a.Phone = p.Phone
	q, err := s.ask(ctx, a)
	if err != nil {
		return identity.Account{}, err
	}
	if err := s.countAnswer(ctx, &p); err != nil {
		s.c.Journal.Noted(ctx, q.fact(journal.ActionLoginPerson, err))
		return identity.Account{}, err
	}
	right := isPerson(q.who.Party, name, ending, party.DateOf(time.Now()))
	if !right || !q.who.There {
		refused := &identity.Error{Reason: identity.ReasonPersonRefused, Detail: "The name or the number isn't that of the person who has this phone here, or there is no such account."}
		s.c.Journal.Noted(ctx, q.fact(journal.ActionLoginPerson, refused))
		return identity.Account{}, refused
	}
	if err := s.useUp(ctx, &p); err != nil {
		s.c.Journal.Noted(ctx, q.fact(journal.ActionLoginPerson, err))
		return identity.Account{}, err
	}
	if err := s.c.Journal.Record(ctx, q.fact(journal.ActionLoginPerson, nil)); err != nil {
		return identity.Account{}, err
	}
	s.prove(ctx, &q)
	return q.who.Account, nil
}

// useUp uses a question up: a right answer counts once, and within a minute once more, because a form
// may be sent twice. Whoever finds the form in a browser that isn't theirs logs in to nothing.
func (s *Service) useUp(ctx context.Context, p *proved) error {
	now := time.Now()
	before, err := s.c.Tries.Read(ctx, ofRight, now, p.ID)
	if err == nil && before.N == 0 {
		_, err = s.c.Tries.Count(ctx, ofLately, now, p.ID)
	}
	if err != nil {
		return err
	}
	right, err := s.c.Tries.Count(ctx, ofRight, now, p.ID)
	if err != nil || !right.Over() {
		return err
	}
	lately, err := s.c.Tries.Read(ctx, ofLately, now, p.ID)
	if err == nil && lately.N == 0 {
		return onetime.Expired()
	}
	return err
}

// countAnswer counts an answer before anything is compared.
func (s *Service) countAnswer(ctx context.Context, p *proved) error {
	now := time.Now()
	for _, of := range []struct {
		tries.Limit
		name string
	}{{ofToken, p.ID}, {ofPersonDay, p.Phone}, {ofPerson, p.Phone}} {
		c, err := s.c.Tries.Count(ctx, of.Limit, now, of.name)
		if err != nil {
			return err
		}
		if c.Over() {
			return tries.TooMany(c)
		}
	}
	return nil
}

// EndingLength is how many characters of a number are asked for.
const EndingLength = 4

// isPerson reports whether somebody has this name, and holds a code that ends so.
func isPerson(who identity.Party, name, ending string, today party.Date) bool {
	ending = party.FoldCode(strings.TrimSpace(ending))
	right := false
	for _, c := range who.Codes {
		value := party.FoldCode(c.Value)
		ends := len(ending) == EndingLength && len(value) > EndingLength && strings.HasSuffix(value, ending)
		right = right || c.Held(today) && ends
	}
	return right && party.NameKey(name) == party.NameKey(who.Name)
}
