package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
)

// Registration describes a new account and its person.
type Registration struct {
	Name      string
	Code      party.Code // such as a citizen number 公民身份号码
	NoCode    bool       // nobody confirmed a number: the person is registered without one, up to level 1
	LoginName string     // may be empty
	Phone     string     // may be empty
	PhoneSaid bool       // another provider says that the phone is theirs: nobody proved it
	Password  string     // may be empty: then a setup ticket is needed
	RequestID string
	Actor     string
	// Proofing is evidence that the caller has already, such as that of a clerk who saw
	// the document; nil: the IdentityProofer is asked.
	Proofing *Proofing
}

// Register proofs a person and makes a party and an account. If the party exists already,
// from a license's holder or an earlier try, Register uses it, provided that it has or had
// that name. Of simultaneous registrations one succeeds. Refusals are *Error.
func (s *Service) Register(ctx context.Context, r Registration) (Account, Party, error) {
	r, err := r.Checked()
	if err != nil {
		return Account{}, Party{}, err
	}
	proofing, err := s.proof(ctx, r)
	if err != nil {
		return Account{}, Party{}, err
	}
	now := time.Now().UTC()
	a := Account{ID: NewID(), LoginName: r.LoginName, Phone: r.Phone, PhoneSaid: r.PhoneSaid && r.Phone != "", Proofing: proofing, Created: now, Updated: now, Revision: 1}
	if r.Password != "" {
		person := Party{Name: r.Name, Codes: []PartyCode{{Code: r.Code}}}
		if a.Password, err = s.c.Passwords.New(ctx, r.Password, a, person); err != nil {
			return Account{}, Party{}, err
		}
	}
	p, err := s.partyOf(ctx, r, proofing.Source, now)
	if err != nil {
		return Account{}, Party{}, err
	}
	a.Party = p.ID
	err = s.c.Journal.Change(ctx, Did(r.Actor, journal.ActionAccountCreate, a.ID, r.RequestID, ""), func() error {
		if err := s.checkFree(ctx, a, p); err != nil {
			return err
		}
		record, err := s.sealAccount(ctx, a, p)
		if err != nil {
			return err
		}
		err = s.c.Accounts.CreateAccount(ctx, record)
		if errors.Is(err, ErrExists) { // it was made after the check, or the party's account has lost its logins
			if refused := s.checkFree(ctx, a, p); refused != nil {
				return refused
			}
			return &Error{Reason: ReasonAccountExists, Detail: "the person has an account already", Err: err}
		}
		return err
	})
	if err != nil {
		return Account{}, Party{}, fmt.Errorf("registering a person: %w", err)
	}
	return a, p, nil
}

// Checked checks the registration and returns it in the form in which it is stored. Refusals are
// *Error.
func (r Registration) Checked() (Registration, error) {
	var err error
	if r.Name, err = party.ParseName(r.Name); err != nil {
		return r, &Error{Reason: "name_invalid", Detail: "a name has 1 to 200 visible characters: " + err.Error(), Err: err}
	}
	if r.NoCode {
		if r.Code != (party.Code{}) || r.Proofing == nil || r.Proofing.Level > 1 {
			return r, errors.New("registering a person without a number: the proofing says more")
		}
	} else if r.Code, err = checkCode(r.Code); err != nil {
		return r, err
	}
	if r.LoginName != "" {
		if r.LoginName, err = parseLoginName(r.LoginName); err != nil {
			return r, err
		}
	}
	if r.Phone != "" {
		if r.Phone, err = ReadPhone(r.Phone); err != nil {
			return r, err
		}
	}
	return r, nil
}

// checkCode returns a person's number in the form in which it is stored.
func checkCode(c party.Code) (party.Code, error) {
	c, err := party.ParseCode(c.Type, c.Value)
	if err != nil {
		return c, &Error{Reason: "code_invalid", Detail: "not a number of that type: " + err.Error(), Err: err}
	}
	if c.Type.Class() != party.Person {
		return c, &Error{Reason: "code_invalid", Detail: "that is an organization's code: accounts are persons'"}
	}
	if born, ok := c.BirthDate(); ok && born.After(party.DateOf(time.Now())) {
		return c, &Error{Reason: "code_invalid", Detail: "the birth date in the number is in the future"}
	}
	return c, nil
}

// proof returns the evidence that there is such a person.
func (s *Service) proof(ctx context.Context, r Registration) (p Proofing, err error) {
	switch {
	case r.Proofing != nil:
		p, err = r.Proofing.checked()
	case s.c.Proofer == nil:
		return Proofing{}, &Error{Reason: "no_proofing", Detail: "no register is connected that could confirm who somebody is"}
	default:
		p, err = Ask(ctx, s.c.Proofer, Claim{Name: r.Name, Code: r.Code, Phone: r.Phone})
	}
	if err != nil {
		return Proofing{}, fmt.Errorf("proofing a person: %w", err)
	}
	return p, nil
}

// Ask asks a register about somebody, as [IdentityProofer].Proof says.
func Ask(ctx context.Context, of IdentityProofer, c Claim) (Proofing, error) {
	p, err := of.Proof(ctx, c)
	if err != nil {
		return Proofing{}, err
	}
	return p.checked()
}

// checked checks the level, and fills in the time.
func (p Proofing) checked() (Proofing, error) {
	if p.Level < 0 || p.Level > 3 {
		return Proofing{}, fmt.Errorf("level %d isn't 0 to 3", p.Level)
	}
	if p.At.IsZero() {
		p.At = time.Now().UTC().Truncate(time.Second)
	}
	return p, nil
}

// partyOf returns the party to which a code leads, or makes it. It refuses a party that
// isn't a person of that name.
func (s *Service) partyOf(ctx context.Context, r Registration, source string, now time.Time) (Party, error) {
	p, err := Party{}, ErrNotFound
	if !r.NoCode {
		p, err = s.findParty(ctx, r)
	}
	if err == nil || !errors.Is(err, ErrNotFound) {
		return p, finding(err)
	}
	p = r.party(source, now)
	err = NewRoster(s).CreateParty(ctx, p, r.Actor, r.RequestID)
	if errors.Is(err, ErrExists) { // it was made after the search
		p, err = s.findParty(ctx, r)
	}
	return p, finding(err)
}

// party returns the person as a party that isn't stored yet.
func (r Registration) party(source string, now time.Time) Party {
	p := Party{ID: NewID(), Kind: Person, Name: r.Name, Created: now, Updated: now, Revision: 1}
	if !r.NoCode {
		p.Codes = []PartyCode{{Code: r.Code, Source: source}}
	}
	return p
}

// CreateParty stores a new party. ErrExists if one of its codes leads to another one.
func (r *Roster) CreateParty(ctx context.Context, p Party, actor, requestID string) error {
	record, err := r.s.sealParty(ctx, p)
	if err != nil {
		return err
	}
	return r.s.c.Journal.Change(ctx, Did(actor, journal.ActionPartyCreate, p.ID, requestID, ""), func() error {
		return r.s.c.Parties.CreateParty(ctx, record)
	})
}

// FindParty returns the party to which a code leads, or has led, or ErrNotFound.
func (r *Roster) FindParty(ctx context.Context, code party.Code) (Party, error) {
	keys, err := r.s.codeKeys(ctx, code)
	if err != nil {
		return Party{}, err
	}
	record, err := r.s.c.Parties.FindParty(ctx, keys)
	if err != nil {
		return Party{}, err
	}
	p, err := r.s.openParty(ctx, record)
	if err == nil && !slices.Contains(p.AllCodes(), code) { // the row that led here isn't trusted
		return Party{}, r.s.c.Vault.Auth().Refuse("party_codes", p.ID, "the code of another party leads to it")
	}
	return p, err
}

// findParty is FindParty for a person. It refuses a party that isn't one of that name.
func (s *Service) findParty(ctx context.Context, r Registration) (Party, error) {
	p, err := NewRoster(s).FindParty(ctx, r.Code)
	if err == nil && !(p.Kind == Person && p.Named(r.Name)) {
		err = &Error{Reason: "name_differs", Detail: "somebody of another name is known by that number: check both"}
	}
	return p, err
}

func finding(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("finding or making a party: %w", err)
}

// Named reports whether the party has or had that name.
func (p Party) Named(name string) bool {
	key := party.NameKey(name)
	return key == party.NameKey(p.Name) || slices.ContainsFunc(p.FormerNames, func(former string) bool { return key == party.NameKey(former) })
}

// checkFree says which of an account's logins leads to another account. Its callers may
// know this; people who log in are never told.
func (s *Service) checkFree(ctx context.Context, a Account, p Party) error {
	for _, l := range a.logins(p, party.DateOf(time.Now())) {
		// Typing this login must not mean another account in any of its readings.
		keys, err := s.loginKeys(ctx, ReadLogin(l.Value))
		if err != nil {
			return err
		}
		other, err := s.c.Accounts.FindAccount(ctx, keys)
		switch {
		case errors.Is(err, ErrNotFound):
			continue
		case err != nil:
			return fmt.Errorf("finding an account: %w", err)
		case other.Party == p.ID:
			return &Error{Reason: ReasonAccountExists, Detail: "the person has an account already", Err: ErrExists}
		case l.Kind == byName:
			return &Error{Reason: "login_name_taken", Detail: "somebody else has that login name: choose another", Err: ErrExists}
		case l.Kind == byPhone:
			return &Error{Reason: "phone_taken", Detail: "somebody else logs in with that phone: give another, or none", Err: ErrExists}
		}
		return &Error{Reason: "code_taken", Detail: "somebody else logs in with a document of that number", Err: ErrExists}
	}
	return nil
}
