// Package highwater finds out when somebody who can write the database, but has no
// keystore, deleted something from it or put an earlier state of it back.
//
// A record's authenticator and its register (see [signing.Authenticator]) show that the
// record is as it was written here, and that it is the newest. They can't show it if both
// were put back together, if both are gone, or if the whole database is yesterday's. So
// each node remembers beside its keys how far the database had come: the revision of each
// register, the events at the end of each log, the logins that ended here, and the codes
// that were spent here. It remembers only what is on disk in the database already, so its
// memory may be behind the database, but never ahead of it. A [Watch] compares both, and
// refuses everything once they don't fit.
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
	// Remember keeps data under a name. It replaces what was kept under that name.
	Remember(name string, data []byte) error
	// Remembered returns the data kept under a name, or nil if there is none.
	Remembered(name string) ([]byte, error)
	// Forget removes the data kept under a name.
	Forget(name string) error
}

// Log names a log of events.
type Log string

// The logs that are compared.
const (
	Events         Log = "events"          // the registry's, about no single license
	ProviderEvents Log = "provider_events" // about logins and administration
)

// tables are the tables of which every record's revision is remembered. The files name a
// table by its index here, so this list may only grow at its end. Grants are deleted after
// they have lapsed. The register of a withdrawn consent holds, as its revision, the second
// when the consent would have expired, and is deleted then. No other record is ever deleted.
var tables = []string{"keys", "participants", "clients", "parties", "accounts", "licenses", lapsing, "license_types", "service_items", "delegations", expiring, "sources", "representations"}

// versioned are the tables whose rows are versions of entries of the catalog.
var versioned = []string{"license_types", "service_items"}

const (
	lapsing  = "grants"
	expiring = "consents"
)

// Tables returns the tables whose records' revisions are compared, by the names that facts
// use: those that are read in full, and those of which only ended records are read.
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
	// Table and Ended name the session or family that ended with this event. They are
	// empty for most events.
	Table, Ended string
}

// Standing is a session or family as it is stored.
type Standing struct {
	ID       string
	Revision int64
	Ended    bool
	Expires  time.Time
}

// ErrReplica says that the database is a replica. It may lag, so nothing is compared with it.
var ErrReplica = errors.New("this is a replica, which may lag behind its primary: nothing can be compared with it")

// MaxText is the length of the longest id that a Store returns. A longer one was not written
// by this service. It is left out, so that nobody can fill a node's memory with it.
const MaxText = 200

// Store is what a database says of itself. Every driver passes storagetest.HighWater.
// Each method returns ErrReplica (wrapped) if it would read a replica. If somebody holds a
// lock, it soon returns an error instead of waiting.
type Store interface {
	// Registers returns up to limit registers of a table, ordered by the record's id,
	// beginning behind the id after. For entries of the catalog it returns their versions,
	// with the id code/version.
	Registers(ctx context.Context, table, after string, limit int) ([]Register, error)
	// Newest returns the newest event of a log, or the zero Row if there is none. After
	// that, no event with a smaller Seq is stored any more.
	Newest(ctx context.Context, log Log) (Row, error)
	// Rows returns up to limit events with after < Seq ≤ upTo, ordered by Seq.
	Rows(ctx context.Context, log Log, after, upTo int64, limit int) ([]Row, error)
	// Standing returns the sessions or families with these ids that are stored.
	Standing(ctx context.Context, table string, ids []string) ([]Standing, error)
	// Missing returns the hashes that the database doesn't know as spent.
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
	checking sync.Mutex // held during a comparison, and while another era begins
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

// forget drops everything that is remembered and that was found.
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

// Lost implements [signing.Witness]. From now on Refusal returns an error.
func (w *Watch) Lost(why string) { w.findings.lose([]loss{{text: why}}) }

// Refusal returns ErrLost (wrapped) if something was found that no operator has accepted
// yet, else nil. While it returns an error, this node answers no requests that depend on
// the database.
func (w *Watch) Refusal() error { return w.findings.refused() }

// Findings says in words what was lost. The last line says that there is more, if there is.
func (w *Watch) Findings() []string { return w.findings.named() }

// Status is what a Watch remembers.
type Status struct {
	Records int       // records whose revisions are remembered
	Events  int64     // events that are remembered
	Checked time.Time // when everything fitted for the last time; zero: never
	Full    bool      // there is more than can be remembered
}

// Status says how much is remembered.
func (w *Watch) Status() Status { return w.past.status() }

// lastWithin is how long the comparison at the end of Run may take.
const lastWithin = 2 * time.Second

// Run compares once a minute, and saves once a second what has changed, until ctx ends.
// Then it does both a last time and returns ctx's error.
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
