package identity

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// Proofing 实名核验 is evidence that an account belongs to a certain party. Level is 0
// none, 1 初级, 2 中级, 3 高级.
type Proofing struct {
	Level  int       `json:"level"`
	Method string    `json:"method,omitempty"` // such as register_match or in_person
	Source string    `json:"source,omitempty"` // who said so
	At     time.Time `json:"at,omitzero"`
	// Phone says that the source holds the phone for the person's, and not only name and number.
	Phone bool `json:"phone,omitzero"`
	// Present says that the source saw the person, as by a face check: then the phone needn't wait.
	Present bool `json:"present,omitzero"`
	// Evidence says on what the level rests, where it was changed; else empty.
	Evidence string `json:"evidence,omitempty"`
}

// Account is an account with which a person logs in. It belongs to one party.
type Account struct {
	ID        string `json:"-"` // of NewID or NewOrderedID
	Party     string `json:"-"` // the person's id
	Disabled  bool   `json:"-"` // can't log in; sessions end
	LoginName string `json:"login_name,omitempty"`
	Phone     string `json:"phone,omitempty"` // E.164, such as +8613800000000; see PhoneVerified
	// Source is the system whose record the account was made of; only it and operators change who the
	// person is. Empty: the account was opened here. See Origin.
	Source   string       `json:"source,omitempty"`
	Proofing Proofing     `json:"proofing"`
	Password PasswordHash `json:"password,omitzero"` // zero: none is set yet
	Setup    SetupTicket  `json:"setup,omitzero"`
	// DisabledBy is the source whose client disabled the account; empty: an operator did.
	DisabledBy string `json:"disabled_by,omitempty"`
	// Closed says why the account was closed for good; zero: it wasn't. Then it is disabled, too.
	Closed Closing `json:"closed,omitzero"`
	// Authenticators has all authenticators except password and phone.
	Authenticators []Authenticator `json:"authenticators,omitempty"`
	// Handle is the user handle under which authenticators keep the account's passkeys (WebAuthn
	// section 5.4.3): random bytes, which never change. Empty: it never had a passkey.
	Handle []byte `json:"handle,omitempty"`
	// PhoneProved is when it was proved last that the person has the phone. Zero: never here.
	PhoneProved time.Time `json:"phone_proved,omitzero"`
	// PhoneWaits is until when the phone is no second factor beside the password: it is new, or the password
	// was set by who had nothing else.
	PhoneWaits time.Time   `json:"phone_waits,omitzero"`
	PhoneSaid  bool        `json:"phone_said,omitzero"` // another provider said that the phone is the person's; see PhoneVerified
	PhoneLeft  FormerPhone `json:"phone_left,omitzero"` // the phone that the account had before, if any
	Unlinked   []string    `json:"unlinked,omitempty"`  // providers whose links were removed: only the person links them again
	Barred     time.Time   `json:"barred,omitzero"`     // when it was disabled last; logins from before stay ended
	// Secured is when an authenticator, or the phone, was removed or replaced last. Sessions and
	// offline access from before end, except the session in which it was removed.
	Secured  time.Time `json:"secured,omitzero"`
	Created  time.Time `json:"-"`
	Updated  time.Time `json:"-"`
	Revision int64     `json:"-"` // counts updates, from 1
}

// Methods of proofing that no register and no carrier has.
const (
	MethodCounter   = "in_person" // an operator saw the person
	MethodSelf      = "self"      // of level 0: somebody said who they are
	MethodImport    = "import"    // from a file
	MethodAuthority = "authority" // the system said so by a request
	MethodUpstream  = "upstream"  // another provider said so, when somebody logged in there
)

// PhoneVerified reports whether it was verified that the person has the account's phone: at a
// counter, by a register, or by a login, however long ago. What another
// system knew is only said to be theirs.
func (a *Account) PhoneVerified() bool {
	said := a.PhoneSaid || a.Origin() != "" || a.Proofing.Method == MethodImport
	return a.Phone != "" && (!said || !a.PhoneProved.IsZero())
}

// Waits reports whether a phone of the account is no second factor beside the password yet.
func (a *Account) Waits(now time.Time) bool { return now.Before(a.PhoneWaits) }

// Origin returns the source of whose record the account was made, or "" if it was opened here.
func (a *Account) Origin() string {
	if a.Source == "" && a.Proofing.Method == MethodImport { // from before Source existed
		return a.Proofing.Source
	}
	return a.Source
}

// Secure notes that an authenticator is removed or replaced now. The time that it keeps never goes
// back, whatever the clocks of nodes show.
func (a *Account) Secure(now time.Time) {
	if now = now.UTC(); !now.After(a.Secured) {
		now = a.Secured.Add(time.Microsecond)
	}
	a.Secured = now
}

// ClosingKind is why an account was closed.
type ClosingKind string

// The kinds.
const (
	ClosedDown ClosingKind = "closed"   // 注销
	Deceased   ClosingKind = "deceased" // the person has died
	Merged     ClosingKind = "merged"   // the person has another account, to which their numbers lead
)

// Closing says why an account was closed.
type Closing struct {
	Kind     ClosingKind `json:"kind"`
	On       party.Date  `json:"on"`       // the day of it
	Evidence string      `json:"evidence"` // on what it rests
	Source   string      `json:"source"`   // who said so
	// Disabled says that the account was disabled before, and By is as of [Account].DisabledBy.
	Disabled bool   `json:"disabled,omitempty"`
	By       string `json:"by,omitempty"`
}

// ReasonClosed refuses what is asked of an account that was closed.
const ReasonClosed Reason = "person_closed"

// Close closes the account: nobody logs in with it, what was logged in ends, and all with which its owner
// logged in is deleted. The person's numbers lead to it still, so that nobody makes another.
func (a *Account) Close(c Closing) {
	c.Disabled, c.By = a.Disabled, a.DisabledBy
	a.Disable(true, "")
	a.Closed, a.LoginName, a.Phone, a.Password, a.Setup, a.Authenticators, a.Handle = c, "", "", PasswordHash{}, SetupTicket{}, nil, nil
}

// Reopen opens an account again that was closed. If it was disabled before, it is so again.
func (a *Account) Reopen() {
	before := a.Closed
	a.Closed = Closing{}
	a.Disable(before.Disabled, before.By)
	a.DisabledBy = before.By
}

// Disable disables the account, or enables it again. by is the source whose client does so; empty: an
// operator. What an operator disabled stays an operator's.
func (a *Account) Disable(disabled bool, by string) {
	if !disabled {
		a.Disabled, a.DisabledBy = false, ""
		return
	}
	if by == "" || !a.Disabled {
		a.DisabledBy = by
	}
	a.Disabled, a.Barred = true, time.Now().UTC()
}

// Standing is what of an account ends what was logged in to it.
type Standing struct {
	Disabled bool      // or deleted
	Password time.Time // when the password was set; sessions from before end
	Secured  time.Time // when an authenticator was removed or replaced last; sessions from before end
	Barred   time.Time // when the account was disabled last; everything from before ends
}

// Standing returns what of the account ends what was logged in to it.
func (a *Account) Standing() Standing {
	return Standing{a.Disabled, a.Password.Set, a.Secured, a.Barred}
}

// Why a session has ended that an account's standing ended.
const (
	OverDisabled = "disabled" // the account was disabled
	OverPassword = "password" // the account's password was changed
	OverSecured  = "secured"  // an authenticator of the account was removed or replaced
)

// Over returns why a session that began at authTime has ended, or "" if it hasn't. since is when
// the session itself ended all others, and went on; zero: never.
func (s *Standing) Over(authTime, since time.Time) string {
	switch {
	case s.Disabled || !authTime.After(s.Barred):
		return OverDisabled
	case authTime.Before(s.Password): // whoever knows only the old password is logged out
		return OverPassword
	case authTime.Before(s.Secured) && since.Before(s.Secured):
		return OverSecured
	}
	return ""
}

// Authenticator 认证凭据 is something with which a person proves a factor. Password and
// phone, which accounts had before there were others, have fields of their own in Account.
type Authenticator struct {
	ID     string         `json:"id,omitempty"`   // of NewID; empty for password and phone
	Factor string         `json:"factor"`         // the factor's name in yizheng.internal/oidc/identity/factor
	Name   string         `json:"name,omitempty"` // as shown to its owner
	Added  time.Time      `json:"added,omitzero"`
	Data   jsontext.Value `json:"data,omitempty"` // what the factor stores about it
	Link   string         `json:"link,omitempty"` // leads to the account: no other one has it; see [Roster].OfLink
}

// PasswordHash is a password as it is stored: hashed with Argon2id (RFC 9106). One that came
// with an account of another system is hashed as that did, see Inner, until its owner logs in.
type PasswordHash struct {
	Algorithm string    `json:"alg"` // argon2id, or inner: Sum is the inner hash itself
	Memory    uint32    `json:"m"`   // KiB
	Time      uint32    `json:"t"`
	Threads   uint8     `json:"p"`
	Salt      []byte    `json:"salt"`
	Sum       []byte    `json:"sum"`
	Set       time.Time `json:"set"`
	// Inner is how another system hashed the password. With argon2id, Sum is the hash of the
	// inner hash. Zero: the password was set here.
	Inner InnerHash `json:"inner,omitzero"`
}

// InnerHash is how another system hashed a password. The package password knows the schemes.
type InnerHash struct {
	Scheme string `json:"scheme"`           // such as bcrypt
	Cost   uint32 `json:"cost,omitempty"`   // rounds, or their logarithm
	Memory uint32 `json:"memory,omitempty"` // KiB, or blocks
	Lanes  uint32 `json:"lanes,omitempty"`
	Salt   []byte `json:"salt,omitempty"`
	Length int    `json:"length"` // of the inner hash, in bytes
}

// IsZero reports whether there is no inner hash.
func (h InnerHash) IsZero() bool { return h.Scheme == "" }

// IsZero reports whether there is no password.
func (p PasswordHash) IsZero() bool { return p.Algorithm == "" }

// SetupTicket lets its holder set a password of an account once: the first one or a new one.
type SetupTicket struct {
	Sum     []byte    `json:"sum"` // SHA-256 of the ticket
	Expires time.Time `json:"expires"`
	Phone   bool      `json:"phone,omitzero"` // it was given to who proved nothing but the account's phone, and who they are
}

// AccountRecord is an account as a store keeps it.
type AccountRecord struct {
	ID       string
	Party    string
	Disabled bool
	Revision int64  // counts updates, from 1
	Body     []byte // sealed: Account as JSON
	Created  time.Time
	Updated  time.Time
	// Logins has the lookup keys that lead to the account: those of its login name, its
	// phone and the person's code numbers, of each under every live lookup key. They are
	// written, and not read back.
	Logins []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// Accounts keeps accounts. Every driver passes storagetest/identities.Accounts.
type Accounts interface {
	// CreateAccount stores a with revision 1. ErrExists if its ID is taken, its party
	// has an account already, or one of its logins leads to another account.
	CreateAccount(ctx context.Context, a AccountRecord) error
	// LoadAccount returns the account with that ID, or ErrNotFound.
	LoadAccount(ctx context.Context, id string) (AccountRecord, error)
	// LoadAccountOf returns the account of that party, or ErrNotFound.
	LoadAccountOf(ctx context.Context, party string) (AccountRecord, error)
	// FindAccount returns the account to which one of the keys leads, or ErrNotFound.
	FindAccount(ctx context.Context, keys []signing.Lookup) (AccountRecord, error)
	// UpdateAccount saves a, replaces the stored logins by a's, and counts the revision
	// up, if the stored revision is a.Revision; otherwise ErrConflict. ErrExists if one
	// of the logins leads to another account. ID and Party never change.
	UpdateAccount(ctx context.Context, a AccountRecord) error
	// ListAccounts returns up to limit accounts with an ID greater than after, by ID.
	ListAccounts(ctx context.Context, after string, limit int) ([]AccountRecord, error)
}
