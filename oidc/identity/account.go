package identity

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing"
)

// Proofing 实名核验 is evidence that an account is that party. Level is 0 none, 1
// 初级, 2 中级, 3 高级.
type Proofing struct {
	Level  int       `json:"level"`
	Method string    `json:"method,omitempty"` // such as register_match or in_person
	Source string    `json:"source,omitempty"` // who said so
	At     time.Time `json:"at,omitzero"`
}

// Account is what a person logs in to. It belongs to one party.
type Account struct {
	ID        string       `json:"-"` // of NewID
	Party     string       `json:"-"` // the person's id
	Disabled  bool         `json:"-"` // can't log in; sessions end
	LoginName string       `json:"login_name,omitempty"`
	Phone     string       `json:"phone,omitempty"` // E.164, such as +8613800000000; verified
	Proofing  Proofing     `json:"proofing"`
	Password  PasswordHash `json:"password,omitzero"` // zero: none is set yet
	Setup     SetupTicket  `json:"setup,omitzero"`
	// Authenticators are all others than password and phone.
	Authenticators []Authenticator `json:"authenticators,omitempty"`
	Barred         time.Time       `json:"barred,omitzero"` // when it was disabled last: logins from before are over for good
	Created        time.Time       `json:"-"`
	Updated        time.Time       `json:"-"`
	Revision       int64           `json:"-"` // counts updates, from 1
}

// Authenticator 认证凭据 is something of a person's with which they prove a factor. Password
// and phone, which accounts had before there were others, have fields of their own.
type Authenticator struct {
	ID     string         `json:"id,omitempty"`   // of NewID; none of password and phone
	Factor string         `json:"factor"`         // by its name in yizheng.internal/oidc/identity/factor
	Name   string         `json:"name,omitempty"` // as its owner is shown it
	Added  time.Time      `json:"added,omitzero"`
	Data   jsontext.Value `json:"data,omitempty"` // what the factor keeps of it
}

// PasswordHash is a password as it is kept: Argon2id (RFC 9106).
type PasswordHash struct {
	Algorithm string    `json:"alg"` // argon2id
	Memory    uint32    `json:"m"`   // KiB
	Time      uint32    `json:"t"`
	Threads   uint8     `json:"p"`
	Salt      []byte    `json:"salt"`
	Sum       []byte    `json:"sum"`
	Set       time.Time `json:"set"`
}

// IsZero reports whether there is no password.
func (p PasswordHash) IsZero() bool { return p.Algorithm == "" }

// SetupTicket lets its holder set the first password of an account, or a new
// one, once.
type SetupTicket struct {
	Sum     []byte    `json:"sum"` // SHA-256 of the ticket
	Expires time.Time `json:"expires"`
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
	// Logins lead to the account: the lookup keys of its login name, phone and the
	// person's code numbers, of each under every live lookup key. Written, and not
	// read back.
	Logins []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// Accounts keeps accounts. Every driver passes storagetest.Accounts.
type Accounts interface {
	// CreateAccount stores a with revision 1. ErrExists if its ID is taken, its
	// party has an account, or one of its logins leads to another one.
	CreateAccount(ctx context.Context, a AccountRecord) error
	// LoadAccount returns one, or ErrNotFound.
	LoadAccount(ctx context.Context, id string) (AccountRecord, error)
	// FindAccount returns the one to which one of the keys leads, or ErrNotFound.
	FindAccount(ctx context.Context, keys []signing.Lookup) (AccountRecord, error)
	// UpdateAccount saves a, with its logins in place of those before, if the
	// stored revision is a.Revision, and counts it up; else ErrConflict. ErrExists
	// if one of the logins leads to another account. ID and Party never change.
	UpdateAccount(ctx context.Context, a AccountRecord) error
	// ListAccounts returns up to limit with an ID greater than after, by ID.
	ListAccounts(ctx context.Context, after string, limit int) ([]AccountRecord, error)
}
