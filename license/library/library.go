// Package library puts the rooms of the license library together: each gets what it uses.
package library

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/license/relation"
	"yizheng.internal/license/status"
	"yizheng.internal/license/verify"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/signing/vault"
)

// Stores are what a [Library] keeps the records of its rooms in.
type Stores interface {
	license.Stores
	status.Stores
	entry.Stores
	grant.Stores
	access.Stores
}

// Config says what a [Library] works with.
type Config struct {
	Stores   Stores
	Journal  journal.Store
	Keyrings *signing.Keyrings
	Vault    *vault.Vault
	Anchors  *pki.Anchors
	Verifier *jose.Verifier // default: a new one
	// AuthorityName returns the name of the department with that code, as the
	// credential shall carry it, or ErrNotFound if it is not a participant.
	AuthorityName func(ctx context.Context, code party.USCC) (string, error)
	PublicURL     string              // absolute, without a slash at the end: status lists' addresses build on it
	Log           *slog.Logger        // default: discards
	Believed      []relation.Believed // which licenses prove relationships; default: none does
	Lawful        []offer.Lawful      // which legal bases of items count; default: none does
	Seen          status.Memory       // what was seen of status lists, beside the keys; default: remembered until the process ends
	// Live returns a *refusal.Error unless the person with a party id may still use a representation; see
	// [grant.Config].
	Live func(ctx context.Context, representation, party string) error
	// Step, if set, is called with the name of each step of a change: failpoints of tests.
	Step func(name string)
}

// Library is the license library: its rooms, each with what it uses. Safe for concurrent use.
type Library struct {
	Records       *license.Records
	Registry      *registry.Service
	Lookups       *license.Lookups
	Verifications *verify.Service
	Relations     *relation.Service
	Offers        *offer.Service
	Grants        *grant.Service
	Readings      *access.Service

	journal *journal.Recorder
	catalog *catalog.Catalog
	lists   *status.Lists
}

// New checks c and returns a Library. It stores the public URL at the first
// start, and refuses another one later: signed credentials carry it.
func New(ctx context.Context, c Config) (*Library, error) {
	if c.Stores == nil || c.Journal == nil || c.Keyrings == nil || c.Vault == nil || c.Anchors == nil || c.AuthorityName == nil {
		return nil, errors.New("library: Config needs Stores, a Journal, Keyrings, Vault, Anchors and AuthorityName")
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
	if c.Step == nil {
		c.Step = func(string) {}
	}
	stored, err := c.Stores.ClaimSetting(ctx, settingPublicURL, c.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("claiming the public URL: %w", err)
	}
	if stored != c.PublicURL {
		return nil, &PublicURLError{Stored: stored, Given: c.PublicURL}
	}
	return c.assemble(ctx)
}

// assemble makes the rooms, each with what it uses.
func (c *Config) assemble(ctx context.Context) (*Library, error) {
	auth := c.Vault.Auth()
	stores := AuthenticStores(c.Stores, auth) // for all rooms but status, whose lists are compared with what was seen of them
	r := &Library{journal: journal.NewRecorder(journal.Config{Log: journal.Registry, Store: c.Journal, Vault: c.Vault, Logger: c.Log})}
	var err error
	if r.catalog, err = catalog.New(catalog.Config{
		Store: stores, Auth: auth, Journal: r.journal, PublicURL: c.PublicURL,
	}); err != nil {
		return nil, err
	}
	types := r.catalog.Types()
	r.Records = license.NewRecords(license.RecordsConfig{Store: stores, Vault: c.Vault, Types: types})
	r.Lookups = license.NewLookups(license.LookupsConfig{Store: stores, Vault: c.Vault, Records: r.Records, Types: types, Log: c.Log})
	if _, err := r.Lookups.NumbersFolded(ctx); err != nil {
		return nil, err
	}
	if r.lists, err = status.New(status.Config{
		Store: c.Stores, Keyrings: c.Keyrings, Auth: auth, PublicURL: c.PublicURL,
		Standing: r.Records.Standing, Memory: c.Seen, Log: c.Log,
	}); err != nil {
		return nil, err
	}
	authorities := license.NewAuthorities(c.AuthorityName)
	r.Registry = registry.New(registry.Config{
		Store: stores, Records: r.Records, Types: types, Lists: r.lists, Authorities: authorities, Keyrings: c.Keyrings, Vault: c.Vault,
		Journal: r.journal, Events: c.Journal, PublicURL: c.PublicURL, Log: c.Log, Step: c.Step,
	})
	r.Verifications = verify.New(verify.Config{
		Records: r.Records, Keyrings: c.Keyrings, Vault: c.Vault, Anchors: c.Anchors, Signatures: c.Verifier, Status: r.lists.Value,
	})
	r.Relations = relation.New(relation.Config{Records: r.Records, Types: types, Believed: c.Believed, Log: c.Log})
	r.Offers = offer.New(offer.Config{
		Records: r.Records, Items: r.catalog.Items(), Types: types, Authorities: authorities, Journal: r.journal, Log: c.Log, Lawful: c.Lawful,
	})
	r.Grants = grant.New(grant.Config{
		Store: stores, Vault: c.Vault, Records: r.Records, Types: types, Offers: r.Offers, Journal: r.journal, Step: c.Step,
		Still: r.Relations.Still, Live: c.Live,
	})
	r.Readings = access.New(access.Config{
		Store: stores, Vault: c.Vault, Records: r.Records, Grants: r.Grants, Journal: r.journal, Step: c.Step,
	})
	return r, nil
}

// settingPublicURL names the setting that binds an installation to its URL.
const settingPublicURL = "public_url"

// StoredPublicURL returns the public URL that an installation is bound to. It returns ErrNotFound if there is
// none yet, because the first start has not come that far.
func StoredPublicURL(ctx context.Context, s license.SettingStore) (string, error) {
	return s.LoadSetting(ctx, settingPublicURL)
}

// PublicURLError says that the installation was started with another public
// URL before, which stands in every credential that it signs.
type PublicURLError struct{ Stored, Given string }

func (e *PublicURLError) Error() string {
	return fmt.Sprintf("the public URL is %s since the first start, and cannot become %s: signed credentials carry it; see docs/operating.md on moving", e.Stored, e.Given)
}

// Catalog returns what can be issued and asked for.
func (r *Library) Catalog() *catalog.Catalog { return r.catalog }

// Lists returns the library's status lists.
func (r *Library) Lists() *status.Lists { return r.lists }

// Run writes the merged events until ctx ends, and then those that are left.
func (r *Library) Run(ctx context.Context) { r.journal.Run(ctx) }

// Upgrade adds the authenticators to records that an earlier version of the program stored without them. It can
// be interrupted and run again, and several nodes can run it at once. It is called only while an installation is
// being upgraded: only then are records without authenticators accepted as they are.
func (r *Library) Upgrade(ctx context.Context, s signing.AuthStore) error {
	if err := r.catalog.Upgrade(ctx, s); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context, signing.AuthStore) error
	}{
		{"licenses", r.Lookups.Upgrade}, {"grants", r.Grants.Upgrade},
	} {
		if err := step.do(ctx, s); err != nil {
			return fmt.Errorf("giving %s their authenticators: %w", step.what, err)
		}
	}
	return nil
}

// Rehash gives every stored version, grant and access record its lookup keys under all live lookup keys, and
// calls progress, if not nil, with how many it has done. It can be run again, and while a server is running.
// Idempotency keys are not stored, so their lookup keys can't be renewed: keep an old lookup key until no client
// will repeat a request made under it.
func (r *Library) Rehash(ctx context.Context, progress func(done int)) error {
	done := 0
	count := func() {
		if done++; progress != nil && done%progressEach == 0 {
			progress(done)
		}
	}
	// The licenses come last: Lookups.Rehash notes that they are done, and this note stands for all records.
	for _, rehash := range []func(context.Context, func()) error{r.Grants.Rehash, r.Readings.Rehash, r.Lookups.Rehash} {
		if err := rehash(ctx, count); err != nil {
			return err
		}
	}
	if progress != nil {
		progress(done)
	}
	return nil
}

// progressEach is the number of records after which progress is called again.
const progressEach = 200

// AuthenticStores returns the stores of all rooms as each room authenticates them. So whoever reads all records
// gets none whose authenticator nobody checked. Access records have no authenticators: their bodies are sealed.
func AuthenticStores(s Stores, a *signing.Authenticator) Stores {
	return allStores{license.AuthenticStores(s, a), grant.AuthenticStores(s, a), access.AuthenticStores(s, a), status.AuthenticStores(s, a), entry.AuthenticStores(s, a)}
}

// allStores are the stores of all rooms.
type allStores struct {
	licenseStores
	grantStores
	accessStores
	listStores
	catalogStores
}

type (
	licenseStores interface{ license.Stores }
	grantStores   interface{ grant.Stores }
	accessStores  interface{ access.Stores }
	listStores    interface{ status.Stores }
	catalogStores interface{ entry.Stores }
)

// Refused records that an authenticated caller was refused something before it
// reached the library, such as for a missing scope. Refusals that repeat are merged.
func (r *Library) Refused(ctx context.Context, a audit.Actor, action journal.Action, id audit.ID, reason string) error {
	return audit.Refused(ctx, r.journal, a, action, id, reason)
}
