package upkeep

import (
	"context"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/licenses"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
)

// Backed is a database that can be saved into a folder.
type Backed struct {
	suite.Database
	Save func(ctx context.Context, dir string, progress func(done, total int64)) error
}

// Restorer makes a new database of what was saved in a folder, and returns it, or
// what is in the way.
type Restorer func(t *testing.T, dir string, list int64) (suite.Database, error)

// Backups tests what storage.Admin says of Save, and storage.Restore of what
// becomes of it.
func Backups(t *testing.T, open func(t *testing.T) Backed, restore Restorer) {
	t.Run("Drill", func(t *testing.T) { drill(t, open(t), restore) })
	t.Run("Ended", func(t *testing.T) {
		if err := open(t).Save(suite.Ended(), t.TempDir(), nil); err == nil {
			t.Error("saved although the context had ended")
		}
	})
}

// kept is what a database held before it was saved.
type keptBefore struct {
	licenses []license.SaveRequest
	session  session.Record
	family   token.FamilyRecord
	code     [32]byte
	grant    grant.Record
}

// drill issues, saves while others write, goes on, restores elsewhere, twice, and
// issues again.
func drill(t *testing.T, db Backed, restore Restorer) {
	ctx, dir := t.Context(), t.TempDir()
	before := fillBefore(t, db.Database)
	given := map[[2]int64]bool{}
	for _, r := range before.licenses {
		given[entryOf(r)] = true
	}
	during := whileWriting(t, db.Database, func() {
		steps, last := 0, int64(0)
		suite.Must(t, "Save", db.Save(ctx, dir, func(done, total int64) {
			if steps++; done < last || done > total {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		}))
		if steps == 0 {
			t.Error("no progress was shown")
		}
	})
	after := []license.SaveRequest{licenses.Issue(t, db.Licensing()), licenses.Issue(t, db.Licensing())}
	for _, r := range after {
		licenses.Save(t, db.Licensing(), r)
	}
	for _, r := range append(during, after...) {
		given[entryOf(r)] = true
	}
	if len(during) == 0 {
		t.Error("nobody wrote while it was saved: it proves nothing")
	}
	_, lastEvent := newestSeq(t, db.Database)

	lists := map[int64]bool{}
	for range 2 {
		restored, err := restore(t, dir, 1+int64(len(lists))*1000)
		suite.Must(t, "Restore", err)
		sameBefore(t, restored, before)
		whole(t, restored, during)
		for _, r := range after {
			_, _, err := restored.Licenses.Load(ctx, r.Record.ID, 0)
			suite.Is(t, "a license issued after the backup", err, license.ErrNotFound)
		}
		fresh := map[int64]bool{}
		for range 20 {
			r := licenses.Issue(t, restored.Licensing())
			licenses.Save(t, restored.Licensing(), r)
			if given[entryOf(r)] || lists[r.Add.StatusList] {
				t.Fatalf("entry %v is given out twice", entryOf(r))
			}
			given[entryOf(r)], fresh[r.Add.StatusList] = true, true
		}
		for list := range fresh {
			lists[list] = true
		}
		suite.Must(t, "AppendEvents", restored.Journal.AppendEvents(ctx, journal.Event{Log: journal.Provider, ID: suite.NewText(), At: suite.At(0)}))
		if n, seq := newestSeq(t, restored); n == 0 || seq == lastEvent {
			t.Errorf("the newest event has the number %d, as one that is lost had", seq)
		}
	}
	if _, err := restore(t, t.TempDir(), 1); err == nil {
		t.Error("an empty folder was restored")
	}
}

func entryOf(r license.SaveRequest) [2]int64 {
	return [2]int64{r.Add.StatusList, int64(r.Add.StatusIndex)}
}

// newestSeq returns how many of the provider's events there are, and the number of the last.
func newestSeq(t *testing.T, db suite.Database) (n int, seq int64) {
	t.Helper()
	es, err := db.Journal.ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 10_000)
	suite.Must(t, "ListEvents", err)
	for _, e := range es {
		seq = e.Seq
	}
	return len(es), seq
}

// fillBefore stores some of everything.
func fillBefore(t *testing.T, db suite.Database) (k keptBefore) {
	t.Helper()
	for range 20 {
		r := licenses.Issue(t, db.Licensing())
		licenses.Save(t, db.Licensing(), r)
		k.licenses = append(k.licenses, r)
	}
	k.session = provider.CreateSession(t, db.Provider, provider.NewSession())
	k.family, k.code = provider.NewFamily(), suite.NewHash()
	_, err := db.Provider.RedeemCode(t.Context(), k.code, suite.At(600), k.family, journal.Event{Log: journal.Provider, ID: suite.NewText(), At: suite.At(0)})
	suite.Must(t, "RedeemCode", err)
	k.grant = grant.Record{ID: grant.ID(suite.NewText()), State: grant.Active, Client: "c", Item: "i", Created: suite.At(0), Expires: suite.At(60),
		Body: []byte("sealed grant")}
	suite.Must(t, "SaveGrant", grants.SaveGrant(t, db.Licensing(), k.grant))
	suite.Must(t, "AppendEvents", db.Journal.AppendEvents(t.Context(), ledger.Event("", journal.ActionTypeRead)))
	return k
}

// whileWriting runs f while others issue licenses, and returns those.
func whileWriting(t *testing.T, db suite.Database, f func()) (made []license.SaveRequest) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				r := licenses.Issue(t, db.Licensing())
				if err := db.Licenses.Save(t.Context(), r); err != nil {
					t.Errorf("issuing while a backup is made: %v", err)
					return
				}
				mu.Lock()
				made = append(made, r)
				mu.Unlock()
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	f()
	close(stop)
	wg.Wait()
	return made
}

// sameBefore checks that everything is back, but for what must not live again.
func sameBefore(t *testing.T, db suite.Database, k keptBefore) {
	t.Helper()
	ctx := t.Context()
	whole(t, db, k.licenses)
	for _, r := range k.licenses {
		if _, _, err := db.Licenses.Load(ctx, r.Record.ID, 0); err != nil {
			t.Errorf("license %s: %v", r.Record.ID, err)
		}
	}
	grants.SameGrant(t, db.Licensing(), "the grant", k.grant)
	provider.IsSpent(t, db.Provider, k.code, true)
	_, err := db.Provider.LoadSession(ctx, k.session.ID)
	suite.Is(t, "a session", err, oidc.ErrNotFound)
	_, err = db.Provider.FindSession(ctx, k.session.Cookie)
	suite.Is(t, "its cookie", err, oidc.ErrNotFound)
	_, err = db.Provider.LoadFamily(ctx, k.family.ID)
	suite.Is(t, "a family", err, oidc.ErrNotFound)
	n, _ := newestSeq(t, db)
	if n == 0 {
		t.Error("no event is back")
	}
	// Who logs in again finds the same keys free.
	suite.Must(t, "the same session", db.Provider.CreateSession(ctx, k.session))
	suite.Must(t, "UpdateSession", db.Provider.UpdateSession(ctx, k.session))
	suite.Must(t, "a search", func() error {
		_, err := db.Licenses.Search(ctx, license.Query{Authority: party.USCC(licenses.Authority), State: license.Ended, Limit: 5})
		return err
	}())
}

// whole checks that of each license all is there, or nothing.
func whole(t *testing.T, db suite.Database, made []license.SaveRequest) {
	t.Helper()
	for _, r := range made {
		rec, version, err := db.Licenses.Load(t.Context(), r.Record.ID, 0)
		history := ledger.Listed(t, db.Journal, ledger.HistoryOf(r.Record.ID), 10)
		at, lerr := db.Licenses.Locate(t.Context(), license.LookupIdentifier, r.Lookups[0].Keys)
		value, serr := db.Licenses.LoadStatus(t.Context(), r.Add.StatusList, r.Add.StatusIndex)
		if err != nil {
			suite.Is(t, "a license issued meanwhile", err, license.ErrNotFound)
			suite.Is(t, "where its identifier leads", lerr, license.ErrNotFound)
			suite.Same(t, "its history", len(history), 0)
			continue
		}
		want := r.Record
		want.Revision = 1
		suite.Same(t, "the record", rec, want)
		suite.Same(t, "the version", version, *r.Add)
		suite.Same(t, "where its identifier leads", at, license.Located{License: r.Record.ID, Version: 1})
		suite.Same(t, "its history", len(history), 1)
		suite.Same(t, "its status", value.Value, r.Status[len(r.Status)-1].Value)
		suite.Must(t, "Locate", lerr)
		suite.Must(t, "LoadStatus", serr)
	}
}
