// Package grant keeps what holders agreed to: which client may read which parts of which licenses, for which
// service item, and until when. A client gets a use code for each license of its grant, and new ones if the grant
// is recurring. Package access reads licenses by use codes.
package grant

import (
	"context"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// ID names a grant: 26 lower-case letters and digits. It is derived from the consent form's one-use id, so that a
// form agreed to twice makes one grant, whichever nodes handle it.
type ID string

// valid reports whether the ID has the form of one.
func (id ID) valid() bool { return audit.ID(id).Valid() }

// grantID returns the ID of the grant that a form makes.
func grantID(form string) ID {
	sum := sm3.Sum([]byte("yizheng grant\x00" + form))
	return ID(audit.IDOf([16]byte(sum[:16])))
}

// State is a grant's state: pending → active → ended.
type State string

const (
	Pending State = "pending" // agreed to; the client's code is not redeemed yet
	Active  State = "active"
	Ended   State = "ended" // see Grant.EndedBy
)

// Basis 用证依据 is the ground of a reading.
type Basis string

const (
	BasisConsent Basis = "consent"
	BasisDuty    Basis = "duty" // 依职能
)

// Channel is where the holder agreed.
type Channel string

const (
	ChannelOnline   Channel = "online"
	ChannelCounter  Channel = "counter"
	ChannelTerminal Channel = "terminal"
)

// Consent is what the holder agreed to.
type Consent struct {
	Form      string     // the consent form's one-use id: 16 to 128 visible ASCII characters, unguessable
	Session   [32]byte   // hash of the session
	Request   [32]byte   // hash of the authorization request
	Shown     [32]byte   // Offer.Hash
	Find      offer.Find // what the offer was made for
	Channel   Channel
	Until     time.Time // zero: 1 hour from activation; at most 30 days ahead, 366 if recurring
	Recurring bool
	Chosen    []offer.ChosenLicense // empty: everything was refused
}

// Ways in which a grant ends, for Grant.EndedBy.
const (
	EndedByHolder  = "holder"        // withdrawn
	EndedByReuse   = "code_reuse"    // its authorization code came a second time
	EndedByToken   = "token_revoked" // its token family was revoked
	EndedByExpired = "expired"       // its time is over, or its code was never redeemed
)

// Grant 用证授权 is the one record that lets a client read parts of licenses for
// an item.
type Grant struct {
	ID             ID             `json:"id"`
	State          State          `json:"state"`
	Client         string         `json:"client"`
	Participant    string         `json:"participant"`
	Party          string         `json:"party"`
	Acting         string         `json:"acting,omitempty"`
	Representation string         `json:"representation,omitempty"`
	By             string         `json:"by,omitempty"`      // name of the person who agreed for the party acted for
	Proving        *offer.Proving `json:"proving,omitempty"` // the license that proved that they may
	// Rests and Entrusted are what it rests on that somebody who acted for themself agreed for kin too: licenses, and
	// representations.
	Rests       []offer.Proving          `json:"rests,omitempty"`
	Entrusted   []string                 `json:"entrusted,omitempty"`
	Item        catalog.ItemCode         `json:"item"`
	ItemVersion int                      `json:"item_version"`
	Case        string                   `json:"case"`
	Basis       Basis                    `json:"basis"`
	Channel     Channel                  `json:"channel"`
	Assurance   int                      `json:"assurance"`
	Recurring   bool                     `json:"recurring"`
	Licenses    []offer.ChosenLicense    `json:"licenses"`
	Materials   map[string]offer.Outcome `json:"materials"`       // what became of each material that was asked for
	Dated       map[string]offer.Dated   `json:"dated,omitempty"` // more about the outcomes of some
	Created     time.Time                `json:"created"`
	Activated   time.Time                `json:"activated,omitzero"`
	Until       time.Time                `json:"until,omitzero"` // zero while it is pending, unless the holder set an end
	Ended       time.Time                `json:"ended,omitzero"`
	EndedBy     string                   `json:"ended_by,omitempty"`
}

// Owner returns the id of the party whose grant it is.
func (g *Grant) Owner() string {
	if g.Acting != "" {
		return g.Acting
	}
	return g.Party
}

// Parts returns the parts of a license that may be read: all that were chosen, for whichever material.
func (g *Grant) Parts(id audit.ID) []string {
	parts := []string{}
	for _, l := range g.Licenses {
		if l.License == id {
			parts = append(parts, l.Fields...)
		}
	}
	slices.Sort(parts)
	return slices.Compact(parts)
}

// Withheld returns the parts below the holders of a license that may not be read, although the holders may: those
// that are withheld for each material for which the holders were chosen.
func (g *Grant) Withheld(id audit.ID) []string {
	var parts []string
	first := true
	for _, l := range g.Licenses {
		if l.License != id || !slices.Contains(l.Fields, catalog.PartHolders) {
			continue
		}
		if first {
			parts, first = slices.Clone(l.Withheld), false
		}
		parts = slices.DeleteFunc(parts, func(p string) bool { return !slices.Contains(l.Withheld, p) })
	}
	return parts
}

// Record is a grant as a store keeps it. Party and case are personal:
// they are sealed in Body and found by lookup keys.
type Record struct {
	ID        ID
	Revision  int64 // counts changes, from 1; 0 for a new record
	State     State
	Client    string
	Item      catalog.ItemCode
	Basis     Basis
	Recurring bool
	Created   time.Time // never changes
	Expires   time.Time // pending: when it lapses; active: Until; ended: when it ended (later in older records)
	Body      []byte    // sealed: Grant, and what the consent was bound to
	// Code is the hash of the authorization code that activated it; nil before.
	Code []byte
	// Party has the lookup keys that lead from the party to its grant. They are written with a new grant, and not
	// read back.
	Party []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // its register, likewise; nil before revision 2
}

// Config says what a [Service] works with. All of it but Live is required.
type Config struct {
	Store   Stores // see AuthenticStores
	Vault   *vault.Vault
	Records *license.Records
	Types   *catalog.Types
	Offers  *offer.Service
	Journal *journal.Recorder
	// Still reports whether a license still proves a relationship of somebody with these codes.
	Still func(ctx context.Context, codes []party.Code, id audit.ID, version int) (bool, error)
	// Live returns a *refusal.Error unless the person with a party id may still use a representation. Nil: nobody may.
	Live func(ctx context.Context, representation, party string) error
	Step func(name string) // is called with the name of each step of a change: failpoints of tests
}

// Service keeps what holders agreed to, and delivers it to the clients that it is for.
// Safe for concurrent use.
type Service struct {
	c     Config
	codes codes
}

// New returns a Service.
func New(c Config) *Service { return &Service{c, codes{c.Vault}} }

// Stores are what a [Service] keeps its records in.
type Stores interface {
	Store
	KeyStore
}

// Store keeps grants. Every driver passes storagetest/grants.Grants.
type Store interface {
	// SaveGrant stores a new grant (Revision 0) as revision 1, or a change of a grant whose stored revision is
	// still g.Revision. It also adds the use codes and the event, all or nothing. It returns ErrNotFound for an
	// unknown grant, and ErrConflict if the stored revision is another one, or if a new grant's ID or a use code
	// is stored already.
	SaveGrant(ctx context.Context, g Record, codes []UseCodeRecord, e journal.Event) error
	// LoadGrant returns a grant and its use codes, ordered by license and
	// number, or ErrNotFound.
	LoadGrant(ctx context.Context, id ID) (Record, []UseCodeRecord, error)
	// ListGrants returns up to limit grants that come after a place and to which one of a party's keys leads,
	// newest first, then by ID.
	ListGrants(ctx context.Context, party []signing.Lookup, before license.Cursor, limit int) ([]Record, error)
}
