package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/signing/journal"
)

// Person is who somebody is at another provider, as far as what it says is believed.
type Person struct {
	Provider string     `json:"provider"`
	Subject  string     `json:"subject"`
	Level    Level      `json:"level"`
	AuthTime time.Time  `json:"auth_time,omitzero"` // when they logged in there; zero: it doesn't say
	Name     string     `json:"name,omitempty"`     // set with Code
	Code     party.Code `json:"code,omitzero"`      // zero: it knows none, or isn't believed
	Phone    string     `json:"phone,omitempty"`
}

// saying is what a provider says.
type saying struct {
	subject, name, code, codeType, phone, level string
	authTime                                    float64
}

var manyDigits = regexp.MustCompile(`([0-9].*){7}`)

// shown is a level or a document type for the log, unless it is somebody's number, name or phone, as by a wrong claim.
func (of *saying) shown(value string) string {
	switch {
	case value == "":
		return "(none)"
	case len(value) > 64 || !isVisible(value) || manyDigits.MatchString(value) || slices.Contains([]string{of.subject, of.name, of.code, of.phone}, value):
		return "(not shown)"
	}
	return strconv.Quote(value)
}

// proofed is the least level at which a provider's word for who somebody is counts.
const proofed = 2

// person returns what is believed of what a provider says. *Error: upstream_low if that is too little for
// any login, upstream_wrong.
func (p *peer) person(of saying, c Claims) (Person, error) {
	x := Person{Provider: p.ID, Subject: of.subject, Level: p.level(of.level)}
	if x.Level.Proofing < 1 {
		_, known := p.Levels.Values[of.level]
		return Person{}, refuse(ReasonLow, fmt.Errorf("levels.values: %s %s counts for no proofing (listed: %t)", p.Levels.Claim, of.shown(of.level), known))
	}
	if of.authTime > 0 && of.authTime < 1<<40 {
		x.AuthTime = time.Unix(int64(of.authTime), 0).UTC()
	}
	if x.Level.Proofing < proofed || of.code == "" {
		return x, nil
	}
	kind := c.Type
	if of.codeType != "" {
		kind = party.CodeType(of.codeType)
		if ours, ok := c.Types[of.codeType]; ok {
			kind = ours
		}
		if kind.Class() != party.Person && kind.Class() != party.Organization { // which is wrong, whatever is mapped
			return Person{}, refuse(ReasonType, fmt.Errorf("code_types: the document type %s isn't listed", of.shown(of.codeType)))
		}
	}
	checked, err := identity.Registration{Name: of.name, Code: party.Code{Type: kind, Value: of.code}}.Checked()
	if err != nil {
		return Person{}, refuse(ReasonWrong, fmt.Errorf("it gives a number or a name that can't be one, of type %s: %s", kind, identity.ReasonOf(err)))
	}
	x.Name, x.Code = checked.Name, checked.Code
	x.Phone, _ = identity.ReadPhone(of.phone) // "" if it is none
	return x, nil
}

// link is what is stored of who somebody is at another provider, as the data of an authenticator.
type link struct {
	Provider string `json:"provider"`
	// Most is the greatest strength of a login by this link: that of the login in which its owner made it. 0:
	// the provider itself proofed that they are the person of the account.
	Most factor.Assurance `json:"most,omitempty"`
}

// linkOf returns what leads from somebody at a provider to their account. Providers' ids have no space.
func linkOf(x Person) string { return x.Provider + " " + x.Subject }

// Arrival is somebody who came back from another provider.
type Arrival struct {
	Account identity.Account
	Proof   factor.Proof
	// Unlinked is who came, if nobody here is known to be them: see [Service.Link]. Then there is no account.
	Unlinked *Person

	why error // what keeps Unlinked from an account, for the log
}

// Finish takes a browser that comes back from a provider, in the request that [Service.Request] returned, and
// says who logged in. A state, a code and a ticket are good once.
//
// Who was linked to an account before logs in to that. Otherwise an account is linked by itself if
// the provider proofed the person to level 2 or more, and no less well than the account is proofed, and
// they have the account's name and a number that its person holds today; its owner is told. If there is no account
// of that number, and the provider may, one is opened. All else yields an Arrival with Unlinked. What leaves
// none are *Error: the reasons of this package, and unavailable.
func (s *Service) Finish(ctx context.Context, r Return, language string) (Arrival, error) {
	p, a, err := s.take(ctx, r)
	var arrived Arrival
	if err == nil {
		arrived, err = s.arrive(ctx, p, a, r, language)
	}
	f := identity.Did("", journal.ActionLoginUpstream, arrived.Account.ID, r.RequestID, identity.ReasonOf(err))
	if err != nil {
		if _, refused := errors.AsType[*identity.Error](err); refused {
			s.c.Journal.Noted(ctx, f)
		}
		return Arrival{}, s.logged(ctx, p, err)
	}
	if arrived.Unlinked != nil {
		f.Result = string(ReasonUnlinked)
		s.c.Journal.Noted(ctx, f)
		_ = s.logged(ctx, p, refuse(ReasonUnlinked, arrived.why))
		return arrived, nil
	}
	if arrived.Account.Disabled { // closed ones are, too
		f.Result = string(ReasonClosed)
		s.c.Journal.Noted(ctx, f)
		return Arrival{}, refuse(ReasonClosed, nil)
	}
	return arrived, s.c.Journal.Record(ctx, f)
}

// arrive judges what came back, and finds the account.
func (s *Service) arrive(ctx context.Context, p *peer, a attempt, r Return, language string) (Arrival, error) {
	var x Person
	var err error
	if p.OpenID != nil {
		x, err = s.openID(ctx, p, a, r.Answer)
	} else {
		x, err = s.ticket(ctx, p, r.Answer)
	}
	if err != nil {
		return Arrival{}, err
	}
	if err := a.checkTime(x.AuthTime, time.Now()); err != nil {
		return Arrival{}, err
	}
	account, l, err := s.linked(ctx, x)
	if errors.Is(err, identity.ErrNotFound) {
		account, err = s.match(ctx, p, x, r.RequestID, language)
	}
	if errors.Is(err, identity.ErrNotFound) {
		return Arrival{Unlinked: &x, why: err}, nil
	}
	if err != nil {
		return Arrival{}, err
	}
	proof := factor.Proof{Factor: factor.Upstream, Strength: x.Level.Strength}
	if l.Most > 0 {
		proof.Strength = min(proof.Strength, l.Most)
	}
	if !x.AuthTime.IsZero() {
		proof.At = x.AuthTime.Unix()
	}
	return Arrival{Account: account, Proof: proof}, nil
}

// linked returns the account that is linked to somebody at a provider, or ErrNotFound. If the provider
// says by now that they are somebody else, it is an error: it may have given the subject to another person.
func (s *Service) linked(ctx context.Context, x Person) (identity.Account, link, error) {
	account, err := s.roster.OfLink(ctx, linkOf(x))
	if err != nil {
		return identity.Account{}, link{}, err
	}
	i := slices.IndexFunc(account.Authenticators, func(y identity.Authenticator) bool { return y.Link == linkOf(x) })
	made := account.Authenticators[i]
	var l link
	if err := json.Unmarshal(made.Data, &l); err != nil {
		return identity.Account{}, link{}, err
	}
	if l.Most == 1 && (made.Added.Before(account.Password.Set) || made.Added.Before(account.Secured)) { // whoever had no more than the old password, or phone, may have made it
		return identity.Account{}, link{}, identity.ErrNotFound
	}
	if x.Code != (party.Code{}) {
		p, err := s.c.People.Party(ctx, account.Party)
		if err != nil {
			return identity.Account{}, link{}, err
		}
		if !slices.Contains(p.AllCodes(), x.Code) {
			return identity.Account{ID: account.ID}, link{}, refuse(ReasonOther, nil)
		}
	}
	return account, l, nil
}

// match returns the account of the person whom a provider proofed, linked from now on, and opens one if
// there is none and the provider may; otherwise ErrNotFound.
func (s *Service) match(ctx context.Context, p *peer, x Person, requestID, language string) (identity.Account, error) {
	nobody := func(why string) (identity.Account, error) {
		return identity.Account{}, fmt.Errorf("%w: %s", identity.ErrNotFound, why)
	}
	switch {
	case x.Level.Proofing < proofed:
		return nobody(fmt.Sprintf("levels: the login counts for proofing %d, and a number is believed from %d on", x.Level.Proofing, proofed))
	case x.Code == (party.Code{}):
		return nobody("claims: it gave no number")
	}
	who, err := s.roster.FindSomeone(ctx, x.Code)
	switch {
	case errors.Is(err, identity.ErrNotFound):
		if !p.Create {
			return nobody("create: nobody here has that number, and this provider opens no accounts")
		}
		return s.open(ctx, x, requestID)
	case err != nil:
		return identity.Account{}, err
	case party.NameKey(who.Party.Name) != party.NameKey(x.Name):
		return nobody("the name differs from that of the account with the number")
	case !s.same(&who, x):
		return nobody(fmt.Sprintf("the login counts for proofing %d, the account with the number has %d, or that number is no longer its owner's", x.Level.Proofing, who.Account.Proofing.Level))
	case slices.Contains(who.Account.Unlinked, x.Provider):
		return nobody("its owner removed the link: only they link it again")
	case who.Account.Disabled:
		return who.Account, nil // Finish refuses it, and links nothing
	}
	account, err := s.add(ctx, who.Account.ID, x, requestID)
	if errors.Is(err, errFull) || errors.Is(err, identity.ErrExists) {
		return identity.Account{}, identity.ErrNotFound
	}
	if err == nil {
		s.c.Notices.Tell(ctx, account, notice.AuthenticatorAdded, s.Title(x.Provider, language), language, requestID)
	}
	return account, err
}

// same reports whether a provider proofed the very person of an account, and no less well than the account
// is proofed: who was looked at less closely there opens nothing that was looked at more closely here.
func (s *Service) same(who *identity.Someone, x Person) bool {
	today := party.DateOf(time.Now())
	holds := slices.ContainsFunc(who.Party.Codes, func(c identity.PartyCode) bool { return c.Code == x.Code && c.Held(today) })
	level := who.Account.Proofing.Level
	return holds && party.NameKey(who.Party.Name) == party.NameKey(x.Name) && level >= 1 && x.Level.Proofing >= max(level, proofed)
}

var errFull = errors.New("the account has enough links")

// add links an account by itself.
func (s *Service) add(ctx context.Context, account string, x Person, requestID string) (a identity.Account, err error) {
	data, err := json.Marshal(link{Provider: x.Provider})
	if err != nil {
		return identity.Account{}, err
	}
	err = s.c.Journal.Change(ctx, identity.Did("", journal.ActionFactorAdd, account, requestID, ""), func() (err error) {
		a, err = s.c.People.Change(ctx, account, func(a *identity.Account) error {
			if a.Disabled {
				return refuse(ReasonClosed, nil)
			}
			others := slices.DeleteFunc(a.Authenticators, func(y identity.Authenticator) bool { return y.Link == linkOf(x) }) // one that is over
			if a.Authenticators = others; authenticator.CheckRoom(a, factor.Upstream) != nil {
				return errFull
			}
			a.Authenticators = append(others, s.authenticator(x, data))
			return nil
		})
		return err
	})
	return a, err
}

// authenticator returns what is stored of a link.
func (s *Service) authenticator(x Person, data []byte) identity.Authenticator {
	return identity.Authenticator{
		ID: identity.NewID(), Factor: string(factor.Upstream), Name: s.Title(x.Provider, "zh-CN"), Added: time.Now().UTC().Truncate(time.Second),
		Data: data, Link: linkOf(x),
	}
}

// open opens an account for somebody whom a provider proofed. Its phone is one of which the provider says that
// it is theirs: it is not proved.
func (s *Service) open(ctx context.Context, x Person, requestID string) (identity.Account, error) {
	r := identity.Registration{
		Name: x.Name, Code: x.Code, Phone: x.Phone, PhoneSaid: true, RequestID: requestID,
		Proofing: &identity.Proofing{Level: x.Level.Proofing, Method: identity.MethodUpstream, Source: x.Provider},
	}
	account, _, err := s.c.People.Register(ctx, r)
	if reason := identity.ReasonOf(err); reason == "phone_taken" {
		r.Phone = ""
		account, _, err = s.c.People.Register(ctx, r)
	}
	if e, refused := errors.AsType[*identity.Error](err); refused {
		if e.Reason == identity.ReasonBusy || e.Reason == identity.ReasonUnavailable {
			return identity.Account{}, err
		}
		return identity.Account{}, fmt.Errorf("%w: no account could be opened: %s", identity.ErrNotFound, e.Reason) // the person isn't told
	}
	if err != nil {
		return identity.Account{}, err
	}
	return s.add(ctx, account.ID, x, requestID)
}

// Link links somebody who came from a provider with the account to which they have logged in by its own
// means since, and agreed. Its owner is told. A login by that link is never stronger than the one in
// which it was made. *Error: upstream_other if the provider proofed somebody else, upstream_linked if they are
// linked to another account, and those of [authenticator.Service].Link.
func (s *Service) Link(ctx context.Context, o authenticator.Owner, x Person) error {
	if s.peers[x.Provider] == nil {
		return refuse(ReasonStale, errors.New("there is no such provider any more"))
	}
	l := link{Provider: x.Provider, Most: min(o.Strength, 2)}
	if x.Code != (party.Code{}) {
		who, err := s.roster.Someone(ctx, o.Account)
		if err != nil {
			return err
		}
		if !slices.Contains(who.Party.AllCodes(), x.Code) {
			return refuse(ReasonOther, nil)
		}
		if s.same(&who, x) {
			l.Most = 0
		}
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	err = s.c.Authenticators.Link(ctx, o, s.authenticator(x, data), cmp.Or(s.Title(x.Provider, o.Language), x.Provider))
	if errors.Is(err, identity.ErrExists) {
		return &identity.Error{Reason: ReasonTaken, Detail: "That account there is linked to another one here.", Err: err}
	}
	return err
}

// ReasonTaken says that somebody at a provider is linked to another account.
const ReasonTaken identity.Reason = "upstream_linked"
