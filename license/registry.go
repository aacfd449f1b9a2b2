package license

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// Stores are what a Registry keeps its records in, and its rooms theirs.
type Stores interface {
	ownStores
	status.Stores
	catalog.Stores
}

type ownStores interface {
	Store
	LookupStore
	SettingStore
	GrantStore
	UseStore
	PartyKeyStore
}

// Config says what a Registry works with.
type Config struct {
	Stores   Stores
	Journal  journal.Store
	Keyrings *signing.Keyrings
	Vault    *signing.Vault
	Anchors  *pki.Anchors
	Verifier *jose.Verifier // default: a new one
	// AuthorityName returns the name of the department with that code, as the
	// credential shall carry it, or ErrNotFound if it is not a participant.
	AuthorityName func(ctx context.Context, code party.USCC) (string, error)
	PublicURL     string        // absolute, without a slash at the end: status lists' addresses build on it
	Log           *slog.Logger  // default: discards
	Seen          status.Memory // of status lists, beside the keys; default: they are remembered until the end of the process
	// Step, if set, is called with the name of each step of a change: failpoints of tests.
	Step func(name string)
}

// Registry issues, changes, shows and verifies licenses. Safe for concurrent
// use. Refusals that a caller may see are *refusal.Error.
type Registry struct {
	c        Config
	catalog  *catalog.Catalog
	names    names
	lists    *status.Lists
	tries    tries
	looks    looks
	journal  *journal.Recorder
	scratch  sync.Pool // of *scratch
	verifier credential.Verifier
}

// New checks c and returns a Registry. It stores the public URL at the first
// start, and refuses another one later: signed credentials carry it.
func New(ctx context.Context, c Config) (*Registry, error) {
	if c.Stores == nil || c.Journal == nil || c.Keyrings == nil || c.Vault == nil || c.Anchors == nil || c.AuthorityName == nil {
		return nil, errors.New("license: Config needs Stores, a Journal, Keyrings, Vault, Anchors and AuthorityName")
	}
	if err := credential.CheckPublicURL(c.PublicURL); err != nil {
		return nil, err
	}
	if c.Verifier == nil {
		c.Verifier = jose.NewVerifier(sm2.Config{})
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	stores := c.Stores
	c.Stores = AuthenticStores(stores, c.Vault.Auth())
	stored, err := c.Stores.ClaimSetting(ctx, settingPublicURL, c.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("claiming the public URL: %w", err)
	}
	if stored != c.PublicURL {
		return nil, &PublicURLError{Stored: stored, Given: c.PublicURL}
	}
	r := &Registry{c: c, journal: journal.NewRecorder(journal.Config{Log: journal.Registry, Store: c.Journal, Vault: c.Vault, Logger: c.Log})}
	if _, err := r.NumbersFolded(ctx); err != nil {
		return nil, err
	}
	if r.catalog, err = catalog.New(catalog.Config{
		Store: stores, Auth: c.Vault.Auth(), Journal: catalogJournal{r}, PublicURL: c.PublicURL,
	}); err != nil {
		return nil, err
	}
	r.names = names{load: c.AuthorityName, known: map[party.USCC]knownName{}}
	if r.lists, err = status.New(status.Config{
		Store: stores, Keyrings: c.Keyrings, Auth: c.Vault.Auth(), PublicURL: c.PublicURL,
		Standing: r.standing, Memory: c.Seen, Log: c.Log,
	}); err != nil {
		return nil, err
	}
	r.tries = tries{wrong: map[[32]byte]wrongTries{}}
	r.verifier = credential.Verifier{Anchors: c.Anchors, Signatures: c.Verifier, Status: r.lists.Value, Revoked: r.revoked}
	return r, nil
}

// settingPublicURL names the setting that binds an installation to its URL.
const settingPublicURL = "public_url"

// StoredPublicURL returns the public URL that an installation is bound to, or
// ErrNotFound if it has none yet: its first start has not come so far.
func StoredPublicURL(ctx context.Context, s SettingStore) (string, error) {
	return s.LoadSetting(ctx, settingPublicURL)
}

// PublicURLError says that the installation was started with another public
// URL before, which stands in every credential that it signs.
type PublicURLError struct{ Stored, Given string }

func (e *PublicURLError) Error() string {
	return fmt.Sprintf("the public URL is %s since the first start, and cannot become %s: signed credentials carry it; see docs/operating.md on moving", e.Stored, e.Given)
}

// Catalog returns what can be issued and asked for.
func (r *Registry) Catalog() *catalog.Catalog { return r.catalog }

// catalogJournal records what is done with the catalog: events of no one license.
type catalogJournal struct{ r *Registry }

// Audit implements [catalog.Journal].
func (j catalogJournal) Audit(ctx context.Context, err *error, a Actor, act journal.Action) {
	j.r.audit(ctx, err, a, act, "", 0)
}

// Event implements [catalog.Journal].
func (j catalogJournal) Event(ctx context.Context, a Actor, act journal.Action, detail map[string]string) (journal.Event, error) {
	return j.r.journal.Event(ctx, a.Did(act, "", 0, ResultOK, detail))
}

// Reading implements [catalog.Journal].
func (j catalogJournal) Reading(ctx context.Context, a Actor, act journal.Action, detail map[string]string) error {
	return j.r.journal.Repeating(ctx, a.Did(act, "", 0, ResultOK, detail))
}

func (r *Registry) step(name string) {
	if r.c.Step != nil {
		r.c.Step(name)
	}
}

// names keeps authorities' names for a short while.
type names struct {
	load  func(ctx context.Context, code party.USCC) (string, error)
	mu    sync.Mutex
	known map[party.USCC]knownName
}

type knownName struct {
	name string
	read time.Time
}

// namesFresh is how long an authority's name serves before it is read again.
const namesFresh = 2 * time.Second

// name returns an authority's name, or ErrNotFound. Only names that exist are kept.
func (n *names) name(ctx context.Context, code party.USCC) (string, error) {
	n.mu.Lock()
	k, ok := n.known[code]
	n.mu.Unlock()
	if ok && time.Since(k.read) < namesFresh {
		return k.name, nil
	}
	now := time.Now()
	name, err := n.load(ctx, code)
	if err != nil {
		return "", err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known[code] = knownName{name, now}
	return name, nil
}

// IssueRequest is what an authority says of a new license.
type IssueRequest struct {
	TypeCode   credential.TypeCode `json:"type_code" doc:"a published type, whose authorities name your participant"`
	Number     string              `json:"number" doc:"the license's number 证照编号, 1 to 100 characters; personal, so it is sealed"`
	Holders    []credential.Holder `json:"holders" doc:"持证主体, as many of each role as the type demands"`
	ValidFrom  party.Date          `json:"valid_from,omitzero" required:"true" doc:"the first day of validity, civil, UTC+8"`
	ValidUntil party.Date          `json:"valid_until,omitzero" doc:"the last day of validity; absent: long-term 长期, if the type allows it"`
	AreaCode   string              `json:"area_code,omitempty" doc:"6, 9 or 12 digits (GB/T 2260, GB/T 10114)"`
	Fields     json.RawMessage     `json:"fields" doc:"the face fields 照面信息, by the type's schema; at most 64 KiB"`
	Serial     string              `json:"serial,omitempty" doc:"the serial of the identifier 流水号, 1 to 64 digits and upper-case letters, no citizen number in it; absent: a random one"`
}

// ReplaceRequest is the whole content of the version that takes the newest one's place.
type ReplaceRequest struct {
	Kind       ReplaceKind         `json:"kind" doc:"变更 change, 延续 renewal, 更正 correction: of a license that is active, or suspended and stays so; reinstated: its ending was overturned" enum:"change,renewal,correction,reinstated"`
	Reason     string              `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
	Number     string              `json:"number" doc:"as in issuing"`
	Holders    []credential.Holder `json:"holders" doc:"as in issuing; the same as before, by role and code, but for roles that the type calls replaceable"`
	ValidFrom  party.Date          `json:"valid_from,omitzero" required:"true" doc:"as in issuing"`
	ValidUntil party.Date          `json:"valid_until,omitzero" doc:"as in issuing"`
	AreaCode   string              `json:"area_code,omitempty" doc:"as in issuing"`
	Fields     json.RawMessage     `json:"fields" doc:"as in issuing"`
}

// SuspendRequest suspends a license.
type SuspendRequest struct {
	Reason   string   `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
	Document Document `json:"document" doc:"the legal document that the suspension rests on"`
}

// ResumeRequest puts a suspended license back in force.
type ResumeRequest struct {
	Reason string `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
}

// EndRequest ends a license.
type EndRequest struct {
	Reason        string     `json:"reason" doc:"why, 1 to 500 characters; it stands in the history"`
	Kind          EndingKind `json:"kind" doc:"注销 cancelled, 撤销 rescinded, 吊销 revoked, 撤回 withdrawn, 失效 lapsed" enum:"cancelled,rescinded,revoked,withdrawn,lapsed"`
	EffectiveFrom party.Date `json:"effective_from,omitzero" required:"true" doc:"the first day on which the license is no longer in force: from the day of issue, or of validity, to today"`
	Document      Document   `json:"document" doc:"the legal document that the ending rests on"`
}

// Issued answers an issue or a replacement.
type Issued struct {
	ID               ID                    `json:"id" doc:"opaque; it names the license through all its versions, and is all that URLs carry"`
	Identifier       credential.Identifier `json:"identifier" doc:"电子证照标识 (GB/T 36904) of this version"`
	VerificationCode string                `json:"verification_code" doc:"查验码 of this version, to be printed on the license"`
	Version          int                   `json:"version" doc:"of the license, from 1"`
	Revision         int64                 `json:"revision,omitzero" doc:"of the license, as of this request; the ETag, for If-Match"`
	State            State                 `json:"state" doc:"as of this request" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	Credential       string                `json:"credential" doc:"the signed SD-JWT VC, with all disclosures"`
	Replayed         bool                  `json:"-"` // the answer to an earlier request with the same key
}

// Changed answers a change of a license's state.
type Changed struct {
	License
	Replayed bool `json:"-"` // the answer to an earlier request with the same key
}

// SearchRequest finds the caller's licenses. Empty members don't restrict; at
// most one of Identifier, Number and Holder may be set. Number needs TypeCode.
type SearchRequest struct {
	Identifier  string              `json:"identifier,omitempty" doc:"a whole identifier; one of identifier, number and holder may be given"`
	Number      string              `json:"number,omitempty" doc:"a whole number; type_code must be given too"`
	Holder      *party.Code         `json:"holder,omitempty" doc:"a holder's code"`
	TypeCode    credential.TypeCode `json:"type_code,omitempty" doc:"licenses of this type"`
	State       State               `json:"state,omitempty" doc:"licenses whose newest version has this state" enum:"active,suspended,superseded,ended"`
	CreatedFrom party.Date          `json:"created_from,omitzero" doc:"issued on this day, UTC+8, or later"`
	CreatedTo   party.Date          `json:"created_to,omitzero" doc:"issued on this day or earlier"`
	Cursor      string              `json:"cursor,omitempty" doc:"next_cursor of the page before"`
	Limit       int                 `json:"limit,omitzero" doc:"how many at the most, 1 to 100; default 20"`
}

// SearchResult is one page of found licenses, without personal data.
type SearchResult struct {
	Licenses   []Summary `json:"licenses" doc:"newest first"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"the cursor of the next page; absent on the last"`
}
