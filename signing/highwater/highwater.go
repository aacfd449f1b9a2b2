// Package highwater finds what somebody took out of a database, or put back in it,
// who can write it but has no keystore.
//
// A record's authenticator and its register (see [signing.Authenticator]) say that
// it is as it was written here, and whether it is the newest. They can't say so if
// both are put back together, or are gone, or if all of the database is of
// yesterday. So each node remembers beside its keys how far the database had come:
// the revision of each register, the events at the end of each log, the logins that
// ended here, the codes that were spent here. What is remembered was on disk in the
// database before; so the memory may be behind the database, and never ahead of it.
// A [Watch] compares both, and refuses once they don't fit.
package highwater

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"yizheng.internal/signing"
)

// ErrLost says that the database lacks what this node saw in it.
var ErrLost = errors.New("the database is not what this node saw of it")

// Every is how often a node compares.
const Every = time.Minute

// Memory keeps data outside the database, authenticated. signing/installation has one.
type Memory interface {
	// Remember keeps data under a name, in place of what was kept before.
	Remember(name string, data []byte) error
	// Remembered returns it, nil if nothing was kept.
	Remembered(name string) ([]byte, error)
	// Forget keeps it no longer.
	Forget(name string) error
}

// Log names a log of events.
type Log string

// The logs that are compared.
const (
	Events         Log = "events"          // of the registry, about no one license
	ProviderEvents Log = "provider_events" // of logins and administration
)

// tables are those whose records have revisions that are all remembered. The files hold
// their places in it: it may only grow at its end. Grants are taken away when they have
// lapsed; the register of a consent that was withdrawn names the second when it would
// have expired, and goes then; no others ever are.
var tables = []string{"keys", "participants", "clients", "parties", "accounts", "licenses", lapsing, "license_types", "service_items", "delegations", expiring}

// versioned are those of them whose rows are the versions of a kind of the catalog's entries.
var versioned = []string{"license_types", "service_items"}

const (
	lapsing  = "grants"
	expiring = "consents"
)

// Tables returns the tables whose records' revisions are compared, as facts name them:
// those that are read in full, and those of which what ended is.
func Tables() (read, ended []string) { return slices.Clone(tables), slices.Clone(overTables) }

// Register is the newest revision of a record.
type Register struct {
	ID       string
	Mark     []byte // see signing.Authenticator.Register; nil: the table has no registers …
	Revision int64  // … and this is the record's own
}

// Row is an event's place in its log.
type Row struct {
	Seq  int64
	At   time.Time
	Hash [32]byte
	// Table and Ended are the session or family that ended with it; mostly empty.
	Table, Ended string
}

// Standing is a session or family as it is stored.
type Standing struct {
	ID       string
	Revision int64
	Ended    bool
	Expires  time.Time
}

// ErrReplica says that the database is a copy, which may lag: nothing is compared with it.
var ErrReplica = errors.New("this is a replica, which may lag behind its primary: nothing can be compared with it")

// MaxText is how long an id is at most that a Store returns. What is longer was written
// by somebody else, and is left out, so that nobody can fill a node's memory with it.
const MaxText = 200

// Store is what a database says of itself. Every driver passes storagetest.HighWater.
// Each method returns ErrReplica (wrapped) where it would read a replica, and an error
// soon where somebody holds a lock.
type Store interface {
	// Registers returns up to limit registers of a table by the record's id, those
	// after one. For the kinds of the catalog's entries these are the versions, by
	// code/version.
	Registers(ctx context.Context, table, after string, limit int) ([]Register, error)
	// Newest returns the newest event of a log, the zero Row if there is none. None
	// with a smaller Seq is stored after that.
	Newest(ctx context.Context, log Log) (Row, error)
	// Rows returns up to limit events with a Seq after one and up to another, by Seq.
	Rows(ctx context.Context, log Log, after, upTo int64, limit int) ([]Row, error)
	// Standing returns those sessions or families of the ids that are stored.
	Standing(ctx context.Context, table string, ids []string) ([]Standing, error)
	// Missing returns those of the hashes that are not spent.
	Missing(ctx context.Context, hashes [][32]byte) ([][32]byte, error)
}

// Config says what a Watch compares. Memory, Store and Auth are required.
type Config struct {
	Memory Memory
	Store  Store
	Auth   *signing.Authenticator
	Log    *slog.Logger // default: discards
}

// Watch remembers and compares. It is a [signing.Witness]. Safe for concurrent use.
type Watch struct {
	c        Config
	checking sync.Mutex // held by a comparison, or by who starts anew
	past     past
	findings findings
}

// New returns a Watch that remembers what its memory holds.
func New(c Config) (*Watch, error) {
	if c.Memory == nil || c.Store == nil || c.Auth == nil {
		return nil, errors.New("highwater: Config needs Memory, Store and Auth")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	key, err := c.Auth.Digest(signing.NewFacts("highwater", "key of hashes", 0))
	if err != nil {
		return nil, err
	}
	w := &Watch{c: c, past: past{hashKey: key}, findings: findings{memory: c.Memory, log: c.Log}}
	w.forget()
	return w, w.load()
}

// forget begins anew, without any memory and with nothing found.
func (w *Watch) forget() {
	w.past.mu.Lock()
	w.past.forget()
	w.past.checked = time.Time{}
	w.past.mu.Unlock()
	w.findings.confirmed()
}

// Wrote implements [signing.Witness].
func (w *Watch) Wrote(table, id string, revision int64) { w.past.wrote(table, id, revision) }

// Over implements [signing.Witness].
func (w *Watch) Over(table, id string, revision int64, until time.Time) {
	w.past.ended(table, id, revision, until)
}

// Spent implements [signing.Witness].
func (w *Watch) Spent(hash [32]byte, keep time.Time) { w.past.spend(hash, keep) }

// WasSpent implements [signing.Witness].
func (w *Watch) WasSpent(hash [32]byte) bool { return w.past.wasSpent(hash) }

// Lost implements [signing.Witness]: nothing is decided here from now on.
func (w *Watch) Lost(why string) { w.findings.lose([]loss{{text: why}}) }

// Refusal returns nil, or why nothing is decided here: ErrLost (wrapped).
func (w *Watch) Refusal() error { return w.findings.refused() }

// Findings returns what was lost, as far as it is known, and at the end that there is
// more, if there is.
func (w *Watch) Findings() []string { return w.findings.named() }

// Status is what a Watch remembers.
type Status struct {
	Records int       // whose revisions are remembered
	Events  int64     // that are remembered
	Checked time.Time // when all fitted the last time; zero: never
	Full    bool      // more is there than is remembered
}

// Status returns what is remembered.
func (w *Watch) Status() Status { return w.past.status() }

// lastWithin is how long the last comparison may take, when Run ends.
const lastWithin = 2 * time.Second

// Run compares and writes what is remembered until ctx ends; then it does so once
// more and returns ctx's error.
func (w *Watch) Run(ctx context.Context) error {
	compare, save := time.NewTicker(Every), time.NewTicker(time.Second)
	defer compare.Stop()
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWithin)
			defer cancel()
			if err := w.Check(last); err != nil && !errors.Is(err, ErrLost) {
				return cmp.Or(w.Save(), ctx.Err())
			}
			return ctx.Err()
		case <-compare.C:
			if err := w.Check(ctx); err != nil && !errors.Is(err, ErrLost) && ctx.Err() == nil {
				w.c.Log.Warn("comparing the database with what this node saw of it; it is tried again", "error", err)
			}
		case <-save.C:
			if err := w.Save(); err != nil {
				w.c.Log.Warn("remembering what was seen of the database; it is tried again", "error", err)
			}
		}
	}
}
