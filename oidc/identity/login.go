package identity

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"yizheng.internal/signing/journal"
)

// Attempt is one try to log in with a password.
type Attempt struct {
	Login     string // login name, phone or code number, as typed
	Password  string
	Device    string     // what DeviceToken gave this browser; else empty
	Address   netip.Addr // of the client
	Binding   string     // a secret of the browser, to which a Challenge is bound
	Language  string     // of a message, such as zh-CN or en
	RequestID string
}

// CheckPassword returns the account that login and password name. An unknown
// account, one without a password, a disabled one and a wrong password are one
// *Error, login_refused, after the same work.
//
// Tries are limited by account and known device, and for unknown devices by
// login, by login and address, by address, and by account: when only the last is used
// up, the right password is answered as a wrong one. Where those of unknown devices
// are used up, the answer is a *Challenge, whether the password is right or not:
// a code that was sent to the account's phone, if it was right, decides. So
// nobody can lock out another person, and nobody can guess on. Without a Sender
// the answer is *Error too_many_tries instead, with Retry set; so it is for an
// address far beyond its limit.
//
// Also *Error: busy, if too many wait for a hash; unavailable, if tries can't be
// counted.
func (s *Service) CheckPassword(ctx context.Context, a Attempt) (Account, error) {
	began := time.Now()
	logins := readLogin(a.Login)
	who, err := s.claimed(ctx, logins)
	if err != nil {
		return Account{}, err
	}
	t, err := s.try(ctx, a, logins[0], who, began)
	if err != nil {
		return Account{}, err
	}
	if t.refused != nil {
		s.c.Journal.Noted(ctx, who.fact(journal.ActionLogin, t.refused.Reason, a.RequestID))
		return Account{}, t.refused
	}
	reason, err := s.judge(ctx, who, a.Password, t.lane)
	if err != nil {
		s.takeBack(context.WithoutCancel(ctx), began, t.counted...) // nothing was compared
		return Account{}, err
	}
	if t.guarded {
		return Account{}, s.challenge(ctx, a, who, reason, t.counted, began)
	}
	if t.hidden && reason == "" {
		reason = "account_tries"
	}
	if reason != "" {
		s.c.Journal.Noted(ctx, who.fact(journal.ActionLogin, reason, a.RequestID))
		return Account{}, refusedLogin()
	}
	s.takeBack(ctx, began, t.counted...)
	if err := s.c.Journal.Record(ctx, who.fact(journal.ActionLogin, journal.ResultOK, a.RequestID)); err != nil {
		return Account{}, err
	}
	return s.renewHash(ctx, who.account, a.Password), nil
}

func refusedLogin() error {
	return &Error{Reason: "login_refused", Detail: "Login or password is wrong, or the account can't be used. Check both and try again."}
}

// claimant is who somebody says they are: an account, or the decoy's if there is none.
type claimant struct {
	account Account
	there   bool
}

// fact returns a fact about the account, or about nobody.
func (c claimant) fact(action journal.Action, result, requestID string) journal.Fact {
	f := did("", action, "", requestID, result)
	if c.there {
		f.Subject = c.account.ID
	}
	return f
}

// claimed finds the account of a login: the same queries, and as many records opened,
// whether there is one or not.
func (s *Service) claimed(ctx context.Context, logins []login) (claimant, error) {
	keys, err := s.loginKeys(ctx, logins)
	if err != nil {
		return claimant{}, err
	}
	d, err := s.aDecoy(ctx)
	if err != nil {
		return claimant{}, err
	}
	r, err := s.c.Accounts.FindAccount(ctx, keys)
	there := err == nil
	if errors.Is(err, ErrNotFound) {
		r, err = d.record, nil
	}
	if err != nil {
		return claimant{}, fmt.Errorf("finding an account: %w", err)
	}
	account, err := s.openAccount(ctx, r)
	if err == nil {
		var named bool
		if named, err = s.named(ctx, account, there, logins); err == nil && there && !named {
			there = false
			account, err = s.openAccount(ctx, d.record)
		}
	}
	if err != nil && !there { // its key was purged meanwhile
		s.decoy.CompareAndSwap(d, nil)
	}
	return claimant{account, there}, err
}

// decoy is an account that nobody has, sealed as the others are, so that an
// unknown login costs what a known one does.
type decoy struct {
	record AccountRecord
	party  PartyRecord
	hash   PasswordHash // of no password
}

// aDecoy returns the decoy, and makes it the first time.
func (s *Service) aDecoy(ctx context.Context) (*decoy, error) {
	if d := s.decoy.Load(); d != nil {
		return d, nil
	}
	now := time.Now().UTC()
	d := &decoy{hash: s.hash.blank()}
	a := Account{
		ID: NewID(), Party: NewID(), LoginName: "nobody.at.all", Phone: "+8610000000000", Password: d.hash,
		Proofing: Proofing{Level: 2, Method: "register_match", Source: "decoy", At: now}, Created: now, Updated: now, Revision: 1,
	}
	var err error
	if d.record, err = s.sealAccount(ctx, a, Party{}); err != nil {
		return nil, err
	}
	p := Party{ID: a.Party, Kind: Person, Name: "nobody", Codes: []PartyCode{{Source: "decoy"}}, Created: now, Updated: now, Revision: 1}
	if d.party, err = s.sealParty(ctx, p); err != nil {
		return nil, err
	}
	s.decoy.Store(d)
	return d, nil
}

// named reports whether an account has one of the logins that led to it: the row that
// did decides nothing. Codes count also when their time is over. For a login that leads to
// nobody the decoy's party is opened, so that it costs the same.
func (s *Service) named(ctx context.Context, a Account, there bool, logins []login) (bool, error) {
	has := func(kind loginKind, value string) bool {
		return value != "" && slices.Contains(logins, login{kind, value})
	}
	p, err := s.partyNamed(ctx, a.Party)
	if err != nil {
		return false, err
	}
	found := has(byName, a.LoginName) || has(byPhone, a.Phone) ||
		slices.ContainsFunc(p.Codes, func(c PartyCode) bool { return has(byCode, foldCode(c.Value)) })
	if there && !found {
		_ = s.c.Vault.Auth().Refuse("account_logins", a.ID, "a login leads to it that is another's") // logged, and counted
	}
	return there && found, nil
}

// partyNamed opens a party, or the decoy's if there is none.
func (s *Service) partyNamed(ctx context.Context, id string) (Party, error) {
	r, err := s.c.Parties.LoadParty(ctx, id)
	if errors.Is(err, ErrNotFound) {
		var d *decoy
		if d, err = s.aDecoy(ctx); err == nil {
			r = d.party
		}
	}
	if err != nil {
		return Party{}, fmt.Errorf("loading a party: %w", err)
	}
	return s.openParty(ctx, r)
}

// judge checks a password, always by one hash, and returns why not, or "".
func (s *Service) judge(ctx context.Context, who claimant, password string, l lane) (reason string, err error) {
	d, err := s.aDecoy(ctx)
	if err != nil {
		return "", err
	}
	hash := who.account.Password
	if hash.IsZero() {
		hash = d.hash
	}
	normal, ok := normalPassword(password)
	right, err := s.hash.matches(ctx, hash, normal, l)
	switch {
	case err != nil:
		return "", err
	case !who.there:
		return "unknown_account", nil
	case who.account.Disabled:
		return "account_disabled", nil
	case who.account.Password.IsZero():
		return "no_password", nil
	case !right || !ok:
		return "wrong_password", nil
	}
	return "", nil
}

// maxPasswordBytes is the longest password that is looked at.
const maxPasswordBytes = 1024

// normalPassword returns the form in which a password is hashed: NFKC, so that
// keyboards don't matter (NIST SP 800-63B section 3.1.1.2). What can't be a
// password becomes another one, and false.
func normalPassword(s string) (string, bool) {
	if len(s) > maxPasswordBytes || !utf8.ValidString(s) {
		return "", false
	}
	return norm.NFKC.String(s), true
}

// renewHash hashes a password again, at today's cost, if its hash was made at
// another one. A login doesn't fail with it.
func (s *Service) renewHash(ctx context.Context, a Account, password string) Account {
	if !s.hash.outdated(a.Password) {
		return a
	}
	normal, _ := normalPassword(password)
	renewed, err := s.hash.make(ctx, normal)
	if err == nil {
		renewed.Set = a.Password.Set
		var changed Account
		changed, err = s.change(ctx, a.ID, func(now *Account) error {
			if string(now.Password.Sum) == string(a.Password.Sum) { // else it was just set anew
				now.Password = renewed
			}
			return nil
		})
		if err == nil {
			return changed
		}
	}
	s.c.Log.WarnContext(ctx, "a password's hash could not be renewed", "account", a.ID, "error", err)
	return a
}

// tried is what the limits say to a try.
type tried struct {
	counted []tally // to be taken back if it is no guess
	guarded bool    // its answer is to be withheld
	hidden  bool    // the right password is to be answered as a wrong one
	lane    lane    // in which its hash waits
	refused *Error
}

// add takes note of a count: guarded if it is over, refused if nothing can be sent.
func (t *tried) add(c tally, canSend bool) {
	t.counted = append(t.counted, c)
	if !c.over() {
		return
	}
	t.guarded = true
	if !canSend && (t.refused == nil || t.refused.Retry < c.window) {
		t.refused = tooManyTries(c)
	}
}

// try counts an attempt against its limits.
func (s *Service) try(ctx context.Context, a Attempt, typed login, who claimant, now time.Time) (tried, error) {
	device, err := s.knownDevice(ctx, who.account, a.Device)
	if err != nil {
		return tried{}, err
	}
	if device != "" {
		t, err := s.tryKnown(ctx, who.account.ID, device, now)
		if err != nil || !t.guarded {
			return t, err
		}
	}
	t, err := s.tryFrom(ctx, a.Address, now)
	if err == nil && !t.guarded && t.refused == nil {
		err = s.tryLogin(ctx, &t, typed, addressOf(a.Address), now)
	}
	if err == nil && !t.guarded && t.refused == nil {
		err = s.tryAccount(ctx, &t, who.account.ID, addressOf(a.Address), now)
	}
	if t.guarded {
		t.lane = laneGuarded
	}
	return t, err
}

// tryKnown counts an attempt of a known device; it is guarded if there were too many.
func (s *Service) tryKnown(ctx context.Context, account, device string, now time.Time) (tried, error) {
	t := tried{lane: laneKnown}
	one, err := s.count(ctx, ofDevice, now, account, device)
	if err != nil {
		return tried{}, err
	}
	t.add(one, true)
	all, err := s.count(ctx, ofDevices, now, account)
	if err != nil {
		return tried{}, err
	}
	t.add(all, true)
	hashes, err := s.count(ctx, ofKnown, now, account)
	if err == nil && hashes.over() {
		t.lane = laneNew
	}
	return t, err
}

// tryAccount counts an attempt of an unknown device by account; for a login that leads
// to none by the decoy's, so that it costs the same.
func (s *Service) tryAccount(ctx context.Context, t *tried, account, from string, now time.Time) error {
	for _, of := range []struct {
		limit
		parts []string
	}{{ofAccountAddress, []string{account, from}}, {ofAccountDay, []string{account}}, {ofAccountMonth, []string{account}}} {
		if of.limit == ofAccountMonth && s.c.Sender == nil {
			continue // nobody shall be refused for a month
		}
		c, err := s.count(ctx, of.limit, now, of.parts...)
		if err != nil {
			return err
		}
		t.counted = append(t.counted, c)
		t.hidden = t.hidden || c.over()
	}
	return nil
}

// tryFrom counts an attempt of an unknown device by where it comes from. Beyond
// the hard limit of an address it is refused, for the hash would cost.
func (s *Service) tryFrom(ctx context.Context, a netip.Addr, now time.Time) (t tried, err error) {
	for _, of := range []struct {
		limit
		hard int64
		name string
	}{{ofAddress, hardOfAddress, addressOf(a)}, {ofNetwork, hardOfNetwork, networkOf(a)}} {
		if of.name == "" {
			continue
		}
		c, err := s.count(ctx, of.limit, now, of.name)
		if err != nil {
			return tried{}, err
		}
		if t.add(c, s.c.Sender != nil); c.n > of.hard {
			t.refused = tooManyTries(c)
			return t, nil
		}
	}
	return t, nil
}

// tryLogin counts an attempt of an unknown device by what was typed, not by the
// account: whether two logins lead to one account, or to any, can't be told from
// the limits. Where the address is guarded anyway it isn't called, so that no
// address can fill the store with counts of made-up logins.
func (s *Service) tryLogin(ctx context.Context, t *tried, typed login, from string, now time.Time) error {
	here, err := s.count(ctx, ofLoginAddress, now, string(typed.kind), typed.value, from)
	if err != nil {
		return err
	}
	t.add(here, s.c.Sender != nil)
	day, err := s.count(ctx, ofLoginDay, now, string(typed.kind), typed.value)
	if err != nil {
		return err
	}
	t.add(day, s.c.Sender != nil)
	if day.n <= monthAfter || s.c.Sender == nil { // nobody shall be refused for a month
		return nil
	}
	month, err := s.count(ctx, ofLoginMonth, now, string(typed.kind), typed.value)
	if err != nil {
		return err
	}
	t.add(month, s.c.Sender != nil)
	return nil
}

// tooManyTries is the refusal of a count that is over: after its window at the latest it is forgotten.
func tooManyTries(t tally) *Error {
	return &Error{Reason: "too_many_tries", Detail: "There were too many tries. Wait a while and try again.", Retry: t.window}
}
