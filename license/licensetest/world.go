// Package licensetest has what tests of the registry and its rooms share: a registry on a
// database of its own, with one Authority and one published type.
package licensetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/license/verify"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/storage/sqlite"
)

// World is a registry on a database of its own.
type World struct {
	*library.Library
	DB *sqlite.DB
	In *installation.Installation
}

// New opens a registry with one Authority and one published type. It is a copy of a registry that is made once,
// because making keys waits for the disk again and again.
func New(t testing.TB) *World {
	t.Helper()
	template, err := worldTemplate()
	if err != nil {
		t.Fatal(err)
	}
	w, dir := &World{}, t.TempDir()
	if err := copyTree(dir, template); err != nil {
		t.Fatal(err)
	}
	if w.DB, w.In, err = openWorld(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.DB.Close() })
	w.Library = w.Open(t)
	return w
}

// openWorld opens the database and the keys in a directory, and makes what isn't there.
func openWorld(ctx context.Context, dir string) (*sqlite.DB, *installation.Installation, error) {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "yizheng.db")})
	if err != nil {
		return nil, nil, err
	}
	if _, err := db.Migrate(ctx); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	in, err := installation.Open(ctx, installation.Config{
		Dir: filepath.Join(dir, "data"), Records: db.Keys(), RegistryName: "样例证照库", RegistryUSCC: OtherDept,
	}, time.Now())
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, in, nil
}

// worldTemplate returns the directory that worlds are copies of.
var worldTemplate = sync.OnceValues(func() (dir string, err error) {
	ctx := context.Background()
	if dir, err = os.MkdirTemp("", "yizheng-license-test-"); err != nil {
		return "", err
	}
	dropTemplate = func() error { return os.RemoveAll(dir) }
	db, in, err := openWorld(ctx, dir)
	if err != nil {
		return "", err
	}
	ca, err := installation.OpenRoot(filepath.Join(dir, "data", "root"), filepath.Join(dir, "data", "root.pass"))
	if err != nil {
		return "", err
	}
	if _, err := in.AddAuthority(ctx, ca, pki.Subject{Name: "样例厅", USCC: Authority}, time.Now()); err != nil {
		return "", err
	}
	r, err := library.New(ctx, Config(db.Licenses(), db.Journal(), in))
	if err != nil {
		return "", err
	}
	if _, err := r.Catalog().Delegations().Give(ctx, audit.Actor{Client: "cli"}, DefinerOf(Cataloguer), National, "样例函〔2026〕0号"); err != nil {
		return "", err
	}
	if _, _, err := r.Catalog().Types().Put(ctx, Cataloguer, TypeCode, Definition()); err != nil {
		return "", err
	}
	if _, err := r.Catalog().Types().Publish(ctx, Cataloguer, TypeCode); err != nil {
		return "", err
	}
	return dir, db.Close() // the last connection's end leaves no log behind
})

var dropTemplate = func() error { return nil }

// Main runs the tests of a package, and drops what they shared; it ends the process.
func Main(m *testing.M) {
	code := m.Run()
	if err := dropTemplate(); err != nil {
		fmt.Fprintln(os.Stderr, "dropping the tests' template:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// copyTree copies a directory with its files' modes, which keys depend on.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if d.IsDir() {
			return os.MkdirAll(target, info.Mode().Perm())
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, info.Mode().Perm())
	})
}

// Open returns another registry on the same database, as another node has.
func (w *World) Open(t testing.TB) *library.Library {
	t.Helper()
	return w.OpenOn(t, w.DB.Licenses(), nil)
}

// OpenOn is Open with stores, and perhaps steps, of the test's own.
func (w *World) OpenOn(t testing.TB, stores library.Stores, step func(string)) *library.Library {
	t.Helper()
	c := Config(stores, w.DB.Journal(), w.In)
	c.Step = step
	r, err := library.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Config is what registries of tests work with.
func Config(stores library.Stores, events journal.Store, in *installation.Installation) library.Config {
	return library.Config{
		Lawful: lawful(),
		Stores: stores, Journal: events, Keyrings: in.Keyrings(), Vault: in.Vault(), Anchors: in.Anchors(), PublicURL: PublicURL,
		AuthorityName: func(_ context.Context, c party.USCC) (string, error) {
			if c == Authority {
				return "样例厅", nil
			}
			return "", license.ErrNotFound
		},
	}
}

// Events returns a license's events as an auditor sees them: whole.
func (w *World) Events(t testing.TB, id audit.ID) (es []registry.Event) {
	t.Helper()
	records, err := w.DB.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: string(id)}, 0, 1000)
	if err != nil || len(records) == 0 {
		t.Fatalf("history: %+v, %v", records, err)
	}
	for _, rec := range records {
		_, detail, err := journal.Opened(t.Context(), w.In.Vault(), rec)
		if err != nil {
			t.Fatal(err)
		}
		es = append(es, registry.Event{
			Seq: rec.Seq, ID: rec.ID, At: rec.At, Action: rec.Action, Client: rec.Actor.ID, Participant: rec.Actor.Participant,
			RequestID: rec.RequestID, License: audit.ID(rec.Subject), Version: rec.Version, Result: rec.Result, Detail: detail,
		})
	}
	return es
}

// Restamp renews the authenticators of records that a test changed, as if the records had been stored so.
func (w *World) Restamp(records ...any) {
	auth := w.In.Vault().Auth()
	for _, record := range records {
		var err error
		switch x := record.(type) {
		case *license.VersionRecord:
			x.Auth, _, err = auth.Stamp(x.Facts())
		case *grant.UseCodeRecord:
			x.Auth, _, err = auth.Stamp(x.Facts())
		case *grant.Record:
			x.Auth, x.Mark, err = auth.Stamp(x.Facts(x.Revision))
		default:
			panic("no such record")
		}
		if err != nil {
			panic(err)
		}
	}
}

// Verifier returns a service that verifies credentials as the library does, but reads their status from s.
func (w *World) Verifier(s credential.StatusSource) *verify.Service {
	return verify.New(verify.Config{
		Records: w.Records, Keyrings: w.In.Keyrings(), Vault: w.In.Vault(), Anchors: w.In.Anchors(), Signatures: jose.NewVerifier(sm2.Config{}), Status: s,
	})
}
