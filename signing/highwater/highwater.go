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
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	c   Config
	key [16]byte // of the hashes under which records are remembered

	checking sync.Mutex // held by a comparison, or by who starts anew

	mu      sync.Mutex // guards the rest
	era     string     // of the memory: another one was begun by who accepted what was lost
	marks   map[uint64]mark
	over    map[overKey]overMark
	spent   map[[32]byte]int64 // until then, in seconds
	logs    map[Log][]stretch
	pending []entry // what isn't in the large file yet
	changed bool    // since the small file was written
	dirty   bool    // since the large file was written
	full    bool    // more is there than is remembered
	grants  int     // of the marks
	pass    uint8
	turn    map[Log]int // which stretch is counted next, of those that aren't each time
	checked time.Time
	lost    []string         // what was found; sticky
	more    int              // how much was found beside that
	looking bool             // only: nothing is written
	found   []loss           // while only looking: all that was found
	excused map[overKey]bool // what Accept has accepted to live again
	altered bool             // what was remembered can't be read
	refusal atomic.Pointer[error]
}

// loss is something that the database lacks.
type loss struct {
	text string
	// accept has the memory agree with the database in this, with the lock held; nil:
	// there is nothing to change.
	accept func()
}

// New returns a Watch that remembers what its memory holds.
func New(c Config) (*Watch, error) {
	if c.Memory == nil || c.Store == nil || c.Auth == nil {
		return nil, errors.New("highwater: Config needs Memory, Store and Auth")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watch{c: c}
	key, err := c.Auth.Digest(signing.NewFacts("highwater", "key of hashes", 0))
	if err != nil {
		return nil, err
	}
	w.key = key
	w.forget()
	return w, w.load()
}

// forget begins anew, without any memory.
func (w *Watch) forget() {
	w.era = rand.Text()
	w.marks, w.over, w.spent = map[uint64]mark{}, map[overKey]overMark{}, map[[32]byte]int64{}
	w.logs, w.turn, w.pending, w.excused = map[Log][]stretch{}, map[Log]int{}, nil, map[overKey]bool{}
	w.changed, w.dirty, w.full, w.grants = true, true, false, 0
	w.confirmed()
}

// confirmed ends the refusal. The lock is held.
func (w *Watch) confirmed() {
	w.lost, w.more, w.found, w.altered = nil, 0, nil, false
	w.refusal.Store(nil)
}

// Lost implements [signing.Witness]: nothing is decided here from now on.
func (w *Watch) Lost(why string) { w.lose([]loss{{text: why}}) }

const maxLost = 20 // findings that are kept

func (w *Watch) lose(lost []loss) {
	if len(lost) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looking {
		w.found = append(w.found, lost...)
	}
	news := 0
	for _, one := range lost {
		switch {
		case slices.Contains(w.lost, one.text):
		case len(w.lost) < maxLost:
			w.lost = append(w.lost, one.text)
			news++
		default:
			w.more++
		}
	}
	if news == 0 {
		return
	}
	w.refuse()
	if w.looking {
		return
	}
	w.c.Log.Error("the database is not what this node saw of it: nothing is decided here until an operator has confirmed what was lost (yizheng integrity accept)",
		"lost", w.lost)
	if err := w.c.Memory.Remember(lostName, []byte(strings.Join(w.lost, "\n"))); err != nil {
		w.c.Log.Error("remembering that the database lost something", "error", err)
	}
}

// refuse makes Refusal refuse. The lock is held.
func (w *Watch) refuse() {
	more := ""
	if n := len(w.lost) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	err := fmt.Errorf("%w: %s%s; see yizheng doctor, find out what happened, then confirm what was lost with yizheng integrity accept", ErrLost, w.lost[0], more)
	w.refusal.Store(&err)
}

// Refusal returns nil, or why nothing is decided here: ErrLost (wrapped).
func (w *Watch) Refusal() error {
	if err := w.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// Findings returns what was lost, as far as it is known, and at the end that there is
// more, if there is.
func (w *Watch) Findings() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := append([]string(nil), w.lost...)
	if w.more > 0 {
		found = append(found, fmt.Sprintf("and more, which isn't named: found %d times", w.more))
	}
	return found
}

// Status is what a Watch remembers.
type Status struct {
	Records int       // whose revisions are remembered
	Events  int64     // that are remembered
	Checked time.Time // when all fitted the last time; zero: never
	Full    bool      // more is there than is remembered
}

// Status returns what is remembered.
func (w *Watch) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{Records: len(w.marks) + len(w.over), Checked: w.checked, Full: w.full}
	for _, all := range w.logs {
		for _, one := range all {
			s.Events += one.count
		}
	}
	return s
}

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
