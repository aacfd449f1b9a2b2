package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// change is something that a caller of the stores does once.
type change struct {
	do     func(*DB) error
	stored func(t *testing.T, db *DB) int // how often it is there
	again  error                          // what doing it again yields, once it is there
}

var changes = map[string]func(t *testing.T, direct *DB) change{
	"a license is issued": func(_ *testing.T, _ *DB) change {
		r := newSave()
		return change{
			do: func(db *DB) error { return db.Licenses().Save(context.Background(), r) },
			stored: func(t *testing.T, db *DB) int {
				whole(t, db, r.Record.ID, false)
				return events(t, db, r.Record.ID)
			},
			again: license.ErrRequestTaken,
		}
	},
	"a license is suspended": func(t *testing.T, direct *DB) change {
		r := newSave()
		mustSave(t, direct, r)
		c := changeOf(r, 1)
		return change{
			do: func(db *DB) error { return db.Licenses().Save(context.Background(), c) },
			stored: func(t *testing.T, db *DB) int {
				record, version, err := db.Licenses().Load(context.Background(), r.Record.ID, 0)
				if err != nil {
					t.Fatal(err)
				}
				n := events(t, db, r.Record.ID) - 1
				if int(record.Revision)-1 != n || (record.State == license.Suspended) != (n == 1) || record.State != version.State {
					t.Errorf("revision %d, %s, version %s, %d events", record.Revision, record.State, version.State, n)
				}
				return n
			},
			again: license.ErrConflict,
		}
	},
	"a code is redeemed": func(*testing.T, *DB) change {
		var code [32]byte
		rand.Read(code[:])
		f := token.FamilyRecord{ID: rand.Text(), Client: "client", Created: epoch, Expires: epoch, Body: make([]byte, 200)}
		e := journal.Event{Log: journal.Provider, ID: rand.Text(), At: epoch, Action: "login", Result: "ok"}
		return change{
			do: func(db *DB) error {
				_, err := db.Provider().RedeemCode(context.Background(), code, epoch, f, e)
				return err
			},
			stored: func(t *testing.T, db *DB) int {
				n := count(t, db, "SELECT count(*) FROM families WHERE id = $1", f.ID)
				spent := count(t, db, "SELECT count(*) FROM spent WHERE hash = $1", code[:])
				told := count(t, db, "SELECT count(*) FROM provider_events WHERE id = $1", e.ID)
				if n != spent || n != told {
					t.Errorf("%d families, %d spent codes, %d events", n, spent, told)
				}
				return n
			},
			again: token.ErrSpent,
		}
	},
	"a token is rotated": func(t *testing.T, direct *DB) change {
		f := newFamily(t, direct)
		return change{
			do: func(db *DB) error { return db.Provider().UpdateFamily(context.Background(), f) },
			stored: func(t *testing.T, db *DB) int {
				n := count(t, db, "SELECT count(*) FROM families WHERE id = $1 AND revision = 2", f.ID)
				if marks := count(t, db, "SELECT count(*) FROM registers WHERE kind = 'families' AND id = $1", f.ID); marks != n {
					t.Errorf("%d families, %d registers", n, marks)
				}
				return n
			},
			again: oidc.ErrConflict,
		}
	},
	"a hash is spent": func(*testing.T, *DB) change {
		var hash [32]byte
		rand.Read(hash[:])
		return change{
			do: func(db *DB) error { return db.Provider().Spend(context.Background(), hash, epoch) },
			stored: func(t *testing.T, db *DB) int {
				return count(t, db, "SELECT count(*) FROM spent WHERE hash = $1", hash[:])
			},
			again: token.ErrSpent,
		}
	},
}

func events(t *testing.T, db *DB, id audit.ID) int {
	t.Helper()
	es, err := db.Journal().ListEvents(context.Background(), journal.Stream{Log: journal.License, License: string(id)}, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}

func count(t *testing.T, db *DB, sql string, args ...any) (n int) {
	t.Helper()
	if err := db.engine.Conns.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLostAtCommit cuts the connection at each piece of a change that travels to
// the server, its COMMIT among them: before the server has seen it, and after it
// has done it but before anybody hears of it. The caller gets nil only for what is
// stored, and license.ErrUnavailable where nobody knows; nothing is stored twice
// or in part; and who asks again is told what became of it, or gets it done.
func TestLostAtCommit(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	direct := openDB(t, Config{URL: address})
	for name, begin := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, through := newWire(t, address)
			db := openDB(t, Config{URL: through, MaxConns: 1})
			before := begin(t, direct) // has a connection prepare what the others need
			if err := before.do(db); err != nil {
				t.Fatal(err)
			}
			lost, kept := 0, 0 // what was answered by ErrUnavailable, by what became of it
			for _, unseen := range []bool{true, false} {
				for piece := range 20 {
					c := begin(t, direct)
					w.cutAt(piece, unseen)
					err := c.do(db)
					if w.heal() { // all pieces have gone
						if err != nil || piece == 0 {
							t.Errorf("without a cut, at piece %d: %v", piece, err)
						}
						break
					}
					switch n := c.check(t, db, direct, err); {
					case err != nil && n == 0:
						lost++
					case err != nil:
						kept++
					}
				}
			}
			if lost == 0 || kept == 0 {
				t.Errorf("%d COMMITs that the server didn't see, and %d whose answer was lost: both must occur", lost, kept)
			}
		})
	}
}

// check checks what became of a change that was answered with err, tries it again,
// and returns how often it was stored at first.
func (c change) check(t *testing.T, db, direct *DB, err error) int {
	t.Helper()
	if err != nil && !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("the caller gets %v, want nil or ErrUnavailable", err)
	}
	n := c.stored(t, direct)
	if n > 1 || err == nil && n != 1 {
		t.Errorf("stored %d times, answered %v", n, err)
	}
	again := c.do(db)
	if n == 0 && again != nil || n == 1 && !errors.Is(again, c.again) {
		t.Errorf("stored %d times, and doing it again yields %v", n, again)
	}
	if n := c.stored(t, direct); n != 1 {
		t.Errorf("stored %d times after doing it again", n)
	}
	return n
}
