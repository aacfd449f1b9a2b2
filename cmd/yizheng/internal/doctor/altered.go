package doctor

import (
	"context"
	"errors"
	"strings"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/license"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/officer"
)

// alteredAtOnce is how many rows are read at once.
const alteredAtOnce = 500

// altered reads the records that carry authenticators, as far as there is time, and
// names those that are refused. Sessions and families are looked at when they are used.
func (e *examination) altered(ctx context.Context, in *install.Installation) {
	const about = "integrity"
	if e.CheckWithin > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.CheckWithin)
		defer cancel()
	}
	n, err := readRecords(ctx, in)
	auth := in.Keys.Keyrings().Auth()
	if refused := auth.Refused(); len(refused) > 0 {
		more := ""
		if len(refused) > install.RefusedShown {
			refused, more = refused[:install.RefusedShown], e.words.Say("doctor.altered.more")
		}
		e.fail(about, "doctor.altered.todo",
			"doctor.altered", strings.Join(refused, ", "), more)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		e.warn(about, "doctor.time.todo", "doctor.partly_read", e.CheckWithin, n)
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	default:
		e.ok(about, "doctor.read", n)
	}
}

// readRecords reads all records through what checks their authenticators, and returns
// how many fit.
func readRecords(ctx context.Context, in *install.Installation) (n int, err error) {
	auth, provider := in.Keys.Keyrings().Auth(), in.DB.Provider()
	stores := library.AuthenticStores(in.DB.Licenses(), auth)
	clients, participants := client.Authentic(provider, auth), identity.AuthenticParticipants(provider, auth)
	parties, accounts := identity.AuthenticParties(provider, auth), identity.AuthenticAccounts(provider, auth)
	sources, posts := intake.AuthenticSources(provider, auth), officer.Authentic(provider, auth)
	entries := license.EntryCheck(in.Library.Lists())
	for _, read := range []func() (int, error){
		wholeList(func(after string) ([]identity.Participant, error) {
			return participants.ListParticipants(ctx, after, alteredAtOnce)
		},
			func(p identity.Participant) string { return p.ID }),
		wholeList(func(after string) ([]client.Record, error) {
			return clients.ListClients(ctx, "", after, alteredAtOnce)
		},
			func(c client.Record) string { return c.ID }),
		wholeList(func(after string) ([]identity.PartyRecord, error) {
			return parties.ListParties(ctx, after, alteredAtOnce)
		},
			func(p identity.PartyRecord) string { return p.ID }),
		wholeList(func(after string) ([]identity.AccountRecord, error) {
			return accounts.ListAccounts(ctx, after, alteredAtOnce)
		},
			func(a identity.AccountRecord) string { return a.ID }),
		wholeList(func(after string) ([]intake.Source, error) {
			return sources.ListSources(ctx, after, alteredAtOnce)
		},
			func(s intake.Source) string { return s.Name }),
		wholeList(func(after string) ([]officer.Record, error) {
			return posts.ListPosts(ctx, officer.Filter{}, after, alteredAtOnce)
		},
			func(p officer.Record) string { return p.ID }),
		func() (int, error) { return readEntries(ctx, stores) },
		wholeList(func(after string) ([]entry.DelegationRecord, error) {
			return stores.ListDelegations(ctx, after, alteredAtOnce)
		}, func(d entry.DelegationRecord) string { return d.ID }),
		wholeList(func(after grant.ID) ([]grant.Record, error) {
			return stores.GrantsAfter(ctx, after, alteredAtOnce)
		},
			func(g grant.Record) grant.ID { return g.ID }),
		wholeList(func(before license.Cursor) ([]license.Record, error) {
			return stores.Search(ctx, license.Query{Before: before, Limit: alteredAtOnce})
		}, func(r license.Record) license.Cursor { return license.Cursor{Created: r.Created, ID: r.ID} }),
		wholeList(func(after license.Located) ([]license.VersionRecord, error) {
			vs, err := stores.Versions(ctx, after, alteredAtOnce)
			return vs, errors.Join(err, entries(ctx, vs))
		},
			func(v license.VersionRecord) license.Located {
				return license.Located{License: v.License, Version: v.Version}
			}),
	} {
		more, err := read()
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}

// readEntries reads the newest version of each entry of the catalog.
func readEntries(ctx context.Context, stores entry.Store) (n int, err error) {
	for _, k := range entry.Kinds {
		more, err := wholeList(func(after string) ([]entry.Record, error) {
			return stores.ListEntries(ctx, k, entry.Drafts{All: true}, after, alteredAtOnce)
		}, func(r entry.Record) string { return r.Code })()
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}

// wholeList reads all pages of a list and returns how many records they have.
func wholeList[T, P any](page func(after P) ([]T, error), place func(T) P) func() (int, error) {
	return func() (n int, err error) {
		var after P
		for {
			all, err := page(after)
			if n += len(all); err != nil || len(all) < alteredAtOnce {
				return n, err
			}
			after = place(all[len(all)-1])
		}
	}
}
