package attacks

import (
	"context"
	"strings"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/suite"
)

// Entries does with SQL alone what must change no entry of a status list: suspended ones
// become valid, valid ones suspended, rows are put back, deleted, taken from another. Who
// saw the entry as it was refuses the list, and has no verdict on its license.
func Entries(t *testing.T, open func(t *testing.T) *Attacked) {
	for _, a := range entryAttacks {
		t.Run(a.name, func(t *testing.T) { t.Parallel(); a.run(t, newVictims(t, open(t))) })
	}
	t.Run("what a node wrote and nobody looked at", func(t *testing.T) { t.Parallel(); writtenUnseen(t, newVictims(t, open(t))) })
	t.Run("of an earlier version", func(t *testing.T) { t.Parallel(); upgradedEntries(t, newVictims(t, open(t))) })
	t.Run("resumed before the upgrade", func(t *testing.T) { t.Parallel(); resumedBefore(t, newVictims(t, open(t))) })
	t.Run("nothing", func(t *testing.T) { t.Parallel(); entriesInUse(t, newVictims(t, open(t))) })
}

// listMemory is a node's.
type listMemory struct{ memory }

func (m listMemory) AllRemembered(prefix string) (names []string, err error) {
	for name := range m.memory {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// node opens a registry of another node, or one that begins anew.
func (v *victims) node(t *testing.T, m status.Memory) *library.Library {
	t.Helper()
	r, err := library.New(t.Context(), library.Config{
		Stores: v.Licenses, Journal: v.Journal, Keyrings: v.in.Keyrings(), Vault: v.in.Vault(), Anchors: v.in.Anchors(), PublicURL: "https://yizheng.example", Seen: m,
		AuthorityName: func(context.Context, party.USCC) (string, error) { return "样例单位", nil },
	})
	suite.Must(t, "another node", err)
	return r
}

type entryAttack struct {
	name   string
	change []func(*testing.T, *victims)
	copied int // the rows are copied after so many changes
	sql    []string
	truth  credential.Verdict // of the license, before the attack and once it is mended
	unseen bool               // refused also by a node that never saw the list
	gone   bool               // the row, so that nothing more can be done with its license
}

const (
	setValid   = `UPDATE status_entries SET value = 0 WHERE value = 2`
	asNew      = `UPDATE status_entries SET value = 0, serial = NULL, auth = NULL WHERE value = 2`
	rowsBack   = `UPDATE status_entries SET (value, serial, auth) = (SELECT value, serial, auth FROM was) WHERE auth IS NOT NULL`
	copyOfRows = `CREATE TABLE was AS SELECT value, serial, auth FROM status_entries WHERE auth IS NOT NULL`
)

var entryAttacks = []entryAttack{
	{name: "suspended set to valid", change: does(suspended), sql: []string{setValid}, truth: credential.Invalid, unseen: true},
	{name: "suspended as if it never changed", change: does(suspended), sql: []string{asNew}, truth: credential.Invalid},
	{name: "suspended, its row deleted", change: does(suspended), sql: []string{`DELETE FROM status_entries WHERE value = 2`}, truth: credential.Invalid, gone: true},
	{name: "suspended, its serial raised", change: does(suspended), sql: []string{`UPDATE status_entries SET value = 0, serial = serial + 7 WHERE value = 2`},
		truth: credential.Invalid, unseen: true},
	{name: "suspended, resumed, suspended, put back to resumed", change: does(suspended, resumedOne, suspended), copied: 2, sql: []string{rowsBack}, truth: credential.Invalid},
	{name: "suspended with another's resumption", change: does(suspended, anotherResumed), sql: []string{
		`UPDATE status_entries SET (value, serial, auth) = (SELECT value, serial, auth FROM status_entries WHERE value = 0 AND auth IS NOT NULL) WHERE value = 2`},
		truth: credential.Invalid, unseen: true},
	{name: "resumed, put back to suspended", change: does(suspended, resumedOne), copied: 1, sql: []string{rowsBack}, truth: credential.Valid},
	{name: "resumed, put back to before, and then to suspended", change: does(suspended, resumedOne), copied: 1, sql: []string{
		`UPDATE status_entries SET serial = NULL, auth = NULL`, rowsBack + ` OR serial IS NULL AND 0 < (SELECT count(*) FROM was)`}, truth: credential.Valid},
	{name: "all entries suspended", sql: []string{`UPDATE status_entries SET value = 2`}, truth: credential.Valid, unseen: true},
	{name: "all entries ended, with serials", sql: []string{`UPDATE status_entries SET value = 1, serial = 9`}, truth: credential.Valid, unseen: true},
	{name: "ended set to suspended", change: does(endedLicense), sql: []string{`UPDATE status_entries SET value = 2 WHERE value = 1`}, truth: credential.Invalid, unseen: true},
	{name: "ended, its row deleted", change: does(endedLicense), sql: []string{`DELETE FROM status_entries WHERE value = 1`}, truth: credential.Invalid, gone: true},
}

func does(all ...func(*testing.T, *victims)) []func(*testing.T, *victims) { return all }

func resumedOne(t *testing.T, v *victims) {
	_, err := v.reg.Registry.Resume(t.Context(), v.officer, v.out.ID, registry.ResumeRequest{Reason: "a reason"}, registry.Terms{})
	suite.Must(t, "resuming", err)
}

// anotherResumed leaves another license's entry valid again, with a greater serial.
func anotherResumed(t *testing.T, v *victims) {
	mine := v.out
	var err error
	v.out, err = v.reg.Registry.Issue(t.Context(), v.officer, v.request("N-2", "样例丙", "110101199003071233"), "key-2")
	suite.Must(t, "issuing another", err)
	suspended(t, v)
	resumedOne(t, v)
	v.out = mine
}

func (a *entryAttack) run(t *testing.T, v *victims) {
	ctx := t.Context()
	other := v.node(t, listMemory{memory{}})
	looked := func() {
		t.Helper()
		suite.Must(t, "who writes", v.reg.Lists().Look(ctx))
		suite.Must(t, "another node", other.Lists().Look(ctx))
	}
	looked()
	for n, change := range a.change {
		if n == a.copied && n > 0 {
			v.sql(t, "", copyOfRows)
		}
		change(t, v)
		looked()
	}
	readers := map[string]*library.Library{"who wrote": v.reg, "the next process": v.registry(ctx), "another node": other}
	if a.unseen {
		readers["a new node"] = v.node(t, listMemory{memory{}})
	}
	v.compareVersions(t)
	suite.Same(t, "what doctor finds before the attack", v.in.Keyrings().Auth().Refusals()["status_entries"], int64(0))
	for name, r := range readers {
		suite.Same(t, name+" before the attack", r.Verifications.Verify(ctx, v.out.Credential).Verdict, a.truth)
	}
	for _, sql := range append(a.sql, "{later list}") {
		v.sql(t, "", sql)
	}
	for name, r := range readers {
		suite.Is(t, name+" looks", r.Lists().Look(ctx), signing.ErrAltered)
		_, err := r.Lists().StatusList(ctx, 1)
		if name != "who wrote" { // it has one of a moment ago
			suite.Is(t, name+" signs the list", err, signing.ErrAltered)
		}
		if got := r.Verifications.Verify(ctx, v.out.Credential).Verdict; got != credential.Indeterminate && !(a.gone && got == a.truth) {
			t.Errorf("%s: the verdict is %s", name, got)
		}
	}
	if v.in.Keyrings().Auth().Refusals()["status_lists"] == 0 {
		t.Error("the refusal is not counted")
	}
	// Who remembers nothing sees by the licenses that they differ, as doctor does.
	before := v.in.Keyrings().Auth().Refusals()["status_entries"]
	v.compareVersions(t)
	if v.in.Keyrings().Auth().Refusals()["status_entries"] == before {
		t.Error("the license's state is not what its entry says, and nothing tells of it")
	}
	a.accept(t, v)
}

// compareVersions compares all versions with their entries.
func (v *victims) compareVersions(t *testing.T) {
	t.Helper()
	vs, err := v.stores.Versions(t.Context(), license.Located{}, 100)
	suite.Must(t, "Versions", err)
	suite.Must(t, "comparing entries", license.EntryCheck(v.node(t, listMemory{memory{}}).Lists())(t.Context(), vs))
}

// accept has an operator accept it on each node: the licenses' records say what their
// entries are to be.
func (a *entryAttack) accept(t *testing.T, v *victims) {
	ctx := t.Context()
	command := v.registry(ctx)
	losses, err := command.Lists().Losses(ctx)
	suite.Must(t, "Losses", err)
	if len(losses) != 1 || losses[0].List != 1 {
		t.Fatalf("lost: %v", losses)
	}
	suite.Must(t, "accepting", command.Lists().Accept(ctx, losses))
	losses, err = command.Lists().Losses(ctx)
	suite.Must(t, "Losses afterwards", err)
	suite.Same(t, "losses afterwards", len(losses), 0)
	for name, r := range map[string]*library.Library{"who wrote": v.reg, "the next process": v.registry(ctx), "a new node": v.node(t, listMemory{memory{}})} {
		suite.Must(t, name+" looks afterwards", r.Lists().Look(ctx))
		suite.Same(t, name+" afterwards", r.Verifications.Verify(ctx, v.out.Credential).Verdict, a.truth)
	}
}

// writtenUnseen puts an entry back before anybody has read the list that it changed.
func writtenUnseen(t *testing.T, v *victims) {
	ctx := t.Context()
	suspended(t, v)
	v.sql(t, "", asNew)
	v.sql(t, "", "{later list}")
	suite.Same(t, "who wrote", v.reg.Verifications.Verify(ctx, v.out.Credential).Verdict, credential.Indeterminate)
	suite.Is(t, "who wrote looks", v.reg.Lists().Look(ctx), signing.ErrAltered)
	_, err := v.registry(ctx).Lists().StatusList(ctx, 1)
	suite.Is(t, "the next process signs the list", err, signing.ErrAltered)
	losses, err := v.registry(ctx).Lists().Losses(ctx)
	suite.Must(t, "Losses", err)
	if len(losses) != 1 || len(losses[0].Behind) != 1 {
		t.Errorf("lost: %v", losses)
	}
}

// upgradedEntries has no entry with an authenticator, as a database of an earlier version.
func upgradedEntries(t *testing.T, v *victims) {
	ctx := t.Context()
	mine := v.out
	suspended(t, v)
	anotherResumed(t, v) // no entry tells of that in the end
	var err error
	v.out, err = v.reg.Registry.Issue(ctx, v.officer, v.request("N-3", "样例丁", "110101199003074012"), "key-3")
	suite.Must(t, "issuing a third", err)
	endedLicense(t, v)
	third := v.out
	v.sql(t, "", `UPDATE status_entries SET serial = NULL, auth = NULL`)
	v.sql(t, "", "{later list}")
	fresh := func() *library.Library { return v.node(t, listMemory{memory{}}) }
	suite.Is(t, "before the upgrade", fresh().Lists().Look(ctx), signing.ErrAltered)
	v.sql(t, "", `UPDATE status_entries SET value = 3 WHERE value = 1`)
	suite.Must(t, "Upgrade", fresh().Lists().Upgrade(ctx))
	suite.Is(t, "one that is not what its license says", fresh().Lists().Look(ctx), signing.ErrAltered)
	suite.Same(t, "one that is", fresh().Verifications.Verify(ctx, mine.Credential).Verdict, credential.Invalid)
	suite.Same(t, "its license", fresh().Verifications.Verify(ctx, third.Credential).Verdict, credential.Indeterminate)
	v.sql(t, "", `UPDATE status_entries SET value = 1 WHERE value = 3`)
	suite.Must(t, "Upgrade again", fresh().Lists().Upgrade(ctx))
	suite.Must(t, "after the upgrade", fresh().Lists().Look(ctx))
	suite.Same(t, "the third", fresh().Verifications.Verify(ctx, third.Credential).Verdict, credential.Invalid)
	v.out = mine
	resumedOne(t, v)
	suite.Same(t, "resumed", fresh().Verifications.Verify(ctx, mine.Credential).Verdict, credential.Valid)
	suite.Must(t, "after that", fresh().Lists().Look(ctx))
}

// resumedBefore was suspended when this node saw it, and resumed by an earlier version.
func resumedBefore(t *testing.T, v *victims) {
	ctx := t.Context()
	m := listMemory{memory{}}
	suspended(t, v)
	suite.Must(t, "a look", v.node(t, m).Lists().Look(ctx))
	old := func() {
		for name, data := range m.memory { // what earlier versions kept had no serials
			m.memory[name] = data[:8+credential.StatusListSize/4]
		}
	}
	old()
	v.sql(t, "", asNew)
	v.sql(t, "", "{later list}")
	suite.Must(t, "Upgrade of a license that is suspended", v.node(t, m).Lists().Upgrade(ctx))
	suite.Is(t, "it is valid all the same", v.node(t, m).Lists().Look(ctx), signing.ErrAltered)
	v.sql(t, "", `UPDATE status_entries SET value = 2`) // of any license: only one is used
	suite.Must(t, "Upgrade", v.node(t, m).Lists().Upgrade(ctx))
	resumedOne(t, v)
	v.sql(t, "", `UPDATE status_entries SET value = 0, serial = NULL, auth = NULL`)
	v.sql(t, "", "{later list}")
	old()
	suite.Is(t, "before the upgrade", v.node(t, m).Lists().Look(ctx), signing.ErrAltered)
	suite.Must(t, "Upgrade of one that is active", v.node(t, m).Lists().Upgrade(ctx))
	suite.Must(t, "after the upgrade", v.node(t, m).Lists().Look(ctx))
	suite.Same(t, "its license", v.node(t, m).Verifications.Verify(ctx, v.out.Credential).Verdict, credential.Valid)
}

// entriesInUse does what is usual, on nodes that look and nodes that don't.
func entriesInUse(t *testing.T, v *victims) {
	ctx := t.Context()
	often, seldom := v.node(t, listMemory{memory{}}), v.node(t, listMemory{memory{}})
	verdict := func(what string, want credential.Verdict) {
		t.Helper()
		suite.Must(t, what+": who looks often", often.Lists().Look(ctx))
		for name, r := range map[string]*library.Library{"who writes": v.reg, "the next process": v.registry(ctx), "often": often, "seldom": seldom} {
			suite.Same(t, what+": "+name, r.Verifications.Verify(ctx, v.out.Credential).Verdict, want)
		}
		if _, err := v.registry(ctx).Lists().StatusList(ctx, 1); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for range 3 {
		suspended(t, v)
		verdict("suspended", credential.Invalid)
		resumedOne(t, v)
		verdict("resumed", credential.Valid)
	}
	suite.Must(t, "who looks seldom", seldom.Lists().Look(ctx))
	suspended(t, v)
	endedLicense(t, v)
	verdict("ended", credential.Invalid)
	for _, r := range []*library.Library{v.reg, often, seldom, v.node(t, listMemory{memory{}})} {
		suite.Must(t, "at the end", r.Lists().Look(ctx))
		losses, err := r.Lists().Losses(ctx)
		suite.Must(t, "Losses", err)
		suite.Same(t, "losses", len(losses), 0)
	}
	if n := v.in.Keyrings().Auth().Refusals(); len(n) > 0 {
		t.Errorf("refused: %v", n)
	}
}
