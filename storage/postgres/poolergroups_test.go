package postgres

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/provider"
)

// The most that one license has: docs/operating.md, "Sizes and times".
const (
	mostHolders    = 100
	mostCredential = 128 << 10
	mostBody       = 96 << 10 // fields, holders and all, sealed
	keyringKeys    = 2        // lookup keys while they are rotated: each value has a row for each
)

// largest makes a license as large as one can be.
func largest() license.SaveRequest {
	r := newSave()
	r.Add.Body, r.Add.Credential = random(mostBody), random(mostCredential)
	r.Add.HolderKey, r.Event.Sealed, r.Record.Auth, r.Add.Auth = random(300), random(2000), random(60), random(60)
	r.Lookups = r.Lookups[:0]
	keys := func() (all []signing.Lookup) {
		for serial := range keyringKeys {
			k := newKeys()[0]
			k.Serial = int32(serial + 1)
			all = append(all, k)
		}
		return all
	}
	r.Request.Keys = keys()
	for _, kind := range []license.LookupKind{license.LookupIdentifier, license.LookupVerification, license.LookupNumber} {
		r.Lookups = append(r.Lookups, license.LookupRow{Kind: kind, Keys: keys(), Exclusive: kind == license.LookupNumber})
	}
	for range mostHolders {
		r.Lookups = append(r.Lookups, license.LookupRow{Kind: license.LookupHolder, Keys: keys()})
	}
	return r
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// TestPoolerGroups writes full groups of the largest licenses, of codes and of rotated
// tokens through a real PgBouncer in transaction mode, which has two connections for
// the nine writers of each of two nodes: one of each group is refused, and the others
// are stored, whole, as without a pooler.
func TestPoolerGroups(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	direct := openDB(t, Config{URL: address})
	through := with(t, startPooler(t, address), "default_query_exec_mode", "cache_describe")
	nodes := []*DB{openDB(t, Config{URL: through}), openDB(t, Config{URL: through})}
	for round := range 3 { // the first describes the statements, the others know them
		for n, db := range nodes {
			t.Run(fmt.Sprint("licenses/", round, "/", n), func(t *testing.T) { pooledIssues(t, db, direct) })
			t.Run(fmt.Sprint("codes/", round, "/", n), func(t *testing.T) { pooledCodes(t, db, direct) })
		}
	}
	// All at once, so that groups of both nodes share the pooler's connections.
	const each = 2 * engine.GroupMost
	errs := make(chan error)
	var rs []license.SaveRequest
	for range each {
		for _, db := range nodes {
			r, code := newSave(), newRedemption()
			rs = append(rs, r)
			go func() { errs <- saves(db, r)() }()
			go func() { errs <- redeems(db, code, new(string))() }()
		}
	}
	for range 2 * len(rs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, r := range rs {
		whole(t, direct, r.Record.ID, true)
	}
}

func pooledIssues(t *testing.T, db, direct *DB) {
	const bad = 11
	taken := largest()
	mustSave(t, direct, taken)
	rs, calls := make([]license.SaveRequest, engine.GroupMost), make([]func() error, engine.GroupMost)
	for i := range rs {
		rs[i] = largest()
		if i == bad {
			rs[i].Lookups[2].Keys = taken.Lookups[2].Keys
		}
		calls[i] = saves(db, rs[i])
	}
	for i, err := range together(t, db.records.Issues, calls...) {
		if i == bad {
			if !errors.Is(err, license.ErrNumberTaken) {
				t.Errorf("the one whose number is taken is told %v", err)
			}
			whole(t, direct, rs[i].Record.ID, false)
			continue
		}
		if err != nil {
			t.Fatalf("license %d: %v", i, err)
		}
		_, v, err := direct.Licenses().Load(t.Context(), rs[i].Record.ID, 1)
		if err != nil || !bytes.Equal(v.Body, rs[i].Add.Body) || !bytes.Equal(v.Credential, rs[i].Add.Credential) || !bytes.Equal(v.Auth, rs[i].Add.Auth) {
			t.Errorf("license %d isn't as it was saved: %v", i, err)
		}
		var held int
		if err := direct.engine.Conns.QueryRow(t.Context(), "SELECT count(*) FROM holdings WHERE license = $1", rs[i].Record.ID).Scan(&held); err != nil || held != mostHolders*keyringKeys {
			t.Errorf("%d keys of holders lead to license %d: %v", held, i, err)
		}
	}
}

func pooledCodes(t *testing.T, db, direct *DB) {
	const bad = 5
	spent := newRedemption()
	if err := redeems(direct, spent, new(string))(); err != nil {
		t.Fatal(err)
	}
	rs, calls, firsts := make([]provider.Redemption, engine.GroupMost), make([]func() error, engine.GroupMost), make([]string, engine.GroupMost)
	for i := range rs {
		rs[i] = newRedemption()
		rs[i].Family.Body = random(8 << 10)
		rs[i].Family.Party = append(newKeys(), newKeys()...)
		if i == bad {
			rs[i].Code = spent.Code
		}
		calls[i] = redeems(db, rs[i], &firsts[i])
	}
	for i, err := range together(t, db.families.Redemptions, calls...) {
		if i == bad {
			if !errors.Is(err, token.ErrSpent) || firsts[i] != spent.Family.ID {
				t.Errorf("the code that was spent: %v, first %q", err, firsts[i])
			}
			continue
		}
		f, lerr := direct.Provider().LoadFamily(t.Context(), rs[i].Family.ID)
		if err != nil || lerr != nil || !bytes.Equal(f.Body, rs[i].Family.Body) {
			t.Errorf("code %d: %v, %v", i, err, lerr)
		}
	}
	rs = slices.Delete(rs, bad, bad+1)
	pooledRotations(t, db, direct, engine.Column(rs, func(r *provider.Redemption) token.FamilyRecord { return r.Family }))
}

// pooledRotations rotates the tokens of stored families, of which one changed meanwhile.
func pooledRotations(t *testing.T, db, direct *DB, fs []token.FamilyRecord) {
	const bad = 3
	calls := make([]func() error, len(fs))
	for i := range fs {
		fs[i].Revision, fs[i].Number, fs[i].Rotated, fs[i].Body, fs[i].Mark = 1, 2, epoch, random(8<<10), random(25)
		if i == bad {
			fs[i].Revision = 7
		}
		calls[i] = func() error { return db.Provider().Rotate(t.Context(), fs[i]) }
	}
	for i, err := range together(t, db.families.Rotations, calls...) {
		f, lerr := direct.Provider().LoadFamily(t.Context(), fs[i].ID)
		switch {
		case lerr != nil:
			t.Errorf("family %d: %v", i, lerr)
		case i == bad && (!errors.Is(err, oidc.ErrConflict) || f.Revision != 1):
			t.Errorf("the family that changed meanwhile: %v, revision %d", err, f.Revision)
		case i != bad && (err != nil || f.Revision != 2 || !bytes.Equal(f.Body, fs[i].Body)):
			t.Errorf("family %d: %v, revision %d", i, err, f.Revision)
		}
	}
}
