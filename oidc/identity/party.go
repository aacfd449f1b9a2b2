package identity

import (
	"context"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// Kind is what a party is.
type Kind string

const (
	Person       Kind = "person"       // 自然人
	Organization Kind = "organization" // 法人和非法人组织, individual businesses too
)

// PartyCode is a code by which the state knows a party. Codes change, and a party may hold several; former ones stay.
type PartyCode struct {
	party.Code
	From   party.Date `json:"from,omitzero"`   // zero: not known
	Until  party.Date `json:"until,omitzero"`  // the last day; zero: still held
	Source string     `json:"source,omitzero"` // who said so, such as a population register
	// Evidence says on what it rests that the code is held, or no longer, where that was changed; else empty.
	Evidence string `json:"evidence,omitzero"`
	Merged   string `json:"merged,omitempty"` // id of the party that had it before both were merged; else empty
}

// Held reports whether the party holds the code on a day.
func (c PartyCode) Held(on party.Date) bool {
	return (c.Until.IsZero() || !c.Until.Before(on)) && !c.From.After(on)
}

// Party is a person or an organization, as far as the provider knows it.
type Party struct {
	ID          string   `json:"-"` // of NewID: opaque, never changes
	Kind        Kind     `json:"-"`
	Name        string   `json:"name"`
	FormerNames []string `json:"former_names,omitempty"` // 曾用名, the latest first
	// Renamed says on what the present name rests, where it was changed; else empty.
	Renamed  string      `json:"renamed,omitempty"`
	Codes    []PartyCode `json:"codes"`            // the first is the one that counts today
	Merged   string      `json:"merged,omitempty"` // id of the party that has its codes now: both are one person
	Created  time.Time   `json:"-"`
	Updated  time.Time   `json:"-"`
	Revision int64       `json:"-"` // counts updates, from 1
}

// AllCodes returns the party's codes without their dates, former ones too.
func (p Party) AllCodes() []party.Code {
	codes := make([]party.Code, len(p.Codes))
	for i, c := range p.Codes {
		codes[i] = c.Code
	}
	return codes
}

// PartyRecord is a party as a store keeps it.
type PartyRecord struct {
	ID       string
	Kind     Kind
	Revision int64  // counts updates, from 1
	Body     []byte // sealed: Party as JSON
	Created  time.Time
	Updated  time.Time
	// Codes has the lookup keys that lead to the party: those of its codes, of each under
	// every live lookup key. They are written, and not read back.
	Codes []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// Parties keeps parties. Every driver passes storagetest/identities.Parties.
type Parties interface {
	// CreateParty stores p with revision 1. ErrExists if its ID is taken or one of
	// its codes leads to another party.
	CreateParty(ctx context.Context, p PartyRecord) error
	// LoadParty returns the party with that ID, or ErrNotFound.
	LoadParty(ctx context.Context, id string) (PartyRecord, error)
	// FindParty returns the party to which one of the keys leads, or ErrNotFound.
	FindParty(ctx context.Context, keys []signing.Lookup) (PartyRecord, error)
	// UpdateParty saves p, replaces the stored codes by p's, and counts the revision up,
	// if the stored revision is p.Revision; otherwise ErrConflict. ErrExists if one of the
	// codes leads to another party.
	UpdateParty(ctx context.Context, p PartyRecord) error
	// ListParties returns up to limit parties with an ID greater than after, by ID.
	ListParties(ctx context.Context, after string, limit int) ([]PartyRecord, error)
}
