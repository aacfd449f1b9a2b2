package signing

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/signing/gcm"
)

// ErrAltered says that a stored record is not as it was written here: somebody
// changed it in the database, or put an earlier state of it back.
var ErrAltered = errors.New("the stored record is not as it was written here: it was altered, or put back to an earlier state")

// Authenticator makes and checks what keeps somebody who can write the
// database, but has no keystore, from changing a decision. A record has
//
//   - an authenticator, in its own row: a MAC over its table, id, revision and every
//     column that decides something;
//   - from its second revision on a register, in another table: the record's revision
//     with a MAC. If an earlier row is put back, it doesn't fit the register.
//
// The MACs' key is derived from a secret in the keystore that serves nothing else and has
// no record in the database. Safe for concurrent use.
type Authenticator struct {
	module Module
	log    *slog.Logger
	macs   atomic.Pointer[sync.Pool] // of *mac; nil before the first use

	mu       sync.Mutex
	refused  map[string]int64     // by table
	logged   map[string]time.Time // by table and id
	tolerant atomic.Bool          // see Tolerate

	witness atomic.Pointer[Witness] // nil: there is none
}

// AuthenticatorKey is the secret in the keystore from which the key of
// authenticators is derived. It has no record in the database. It is not rotated: somebody
// who has stolen the keystore needs no forged records.
const AuthenticatorKey KeyID = "records-1"

// An authenticator is a format byte and half of an HMAC-SM3. A register is the record's
// revision (8 bytes) and an authenticator of it.
const (
	authFormat = 1
	authSum    = 16
	markLength = 8 + AuthLength
	// AuthLength is how long an authenticator is, in bytes.
	AuthLength = 1 + authSum
)

// logAgain is how long a record that doesn't fit is not logged again.
const logAgain = time.Minute

// NewAuthenticator returns an authenticator under a module's keys. Log may be nil.
func NewAuthenticator(m Module, log *slog.Logger) *Authenticator {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Authenticator{module: m, log: log, refused: map[string]int64{}, logged: map[string]time.Time{}}
}

// Facts are what an authenticator covers: a record's table and id, the revision under which
// it is stored, and its columns in a fixed order.
type Facts struct {
	table, id string
	revision  int64
	b         []byte
	first     [256]byte // b begins in it, so that most facts need no other memory
}

// NewFacts begins the facts of a record. Revision is 0 for records that have none.
func NewFacts(table, id string, revision int64) *Facts {
	f := new(Facts)
	f.begin(table, id, revision)
	return f
}

// begin makes f the facts of another record.
func (f *Facts) begin(table, id string, revision int64) {
	f.table, f.id, f.revision = table, id, revision
	f.b = append(f.first[:0], "yizheng record\x00"...)
	f.Text(table, id).Int(revision)
}

// Text adds texts.
func (f *Facts) Text(values ...string) *Facts {
	for _, v := range values {
		f.b = append(f.b, 't')
		f.b = binary.BigEndian.AppendUint32(f.b, uint32(len(v)))
		f.b = append(f.b, v...)
	}
	return f
}

// Int adds numbers.
func (f *Facts) Int(values ...int64) *Facts {
	for _, v := range values {
		f.b = append(f.b, 'i')
		f.b = binary.BigEndian.AppendUint64(f.b, uint64(v))
	}
	return f
}

// Flag adds a yes or no.
func (f *Facts) Flag(v bool) *Facts {
	if v {
		return f.Int(1)
	}
	return f.Int(0)
}

// Time adds times, to the microsecond, as databases keep them.
func (f *Facts) Time(values ...time.Time) *Facts {
	for _, v := range values {
		if v.IsZero() {
			f.b = append(f.b, 'z')
			continue
		}
		f.b = append(f.b, 'm')
		f.b = binary.BigEndian.AppendUint64(f.b, uint64(v.UnixMicro()))
	}
	return f
}

// Bytes adds bytes as they are.
func (f *Facts) Bytes(values ...[]byte) *Facts {
	for _, v := range values {
		if v == nil {
			f.b = append(f.b, 'n')
			continue
		}
		f.b = append(f.b, 'b')
		f.b = binary.BigEndian.AppendUint32(f.b, uint32(len(v)))
		f.b = append(f.b, v...)
	}
	return f
}

// Sealed adds sealed columns by their header, nonce and tag. Under one key and nonce no
// other contents have the same tag, and opening the column checks the tag.
func (f *Facts) Sealed(values ...[]byte) *Facts {
	for _, v := range values {
		if len(v) < SealedExtra {
			f.Bytes(v)
			continue
		}
		f.b = append(f.b, 's')
		f.b = binary.BigEndian.AppendUint32(f.b, uint32(len(v)))
		f.b = append(f.b, v[:SealedHeader+gcm.Nonce]...)
		f.b = append(f.b, v[len(v)-gcm.Tag:]...)
	}
	return f
}

// Stamp returns a record's authenticator, and its register if this isn't its
// first revision.
func (a *Authenticator) Stamp(f *Facts) (auth, mark []byte, err error) {
	sum, err := a.sum(f)
	if err != nil {
		return nil, nil, err
	}
	both := append(make([]byte, 0, AuthLength+markLength), sum[:]...)
	auth = both[:AuthLength:AuthLength]
	if f.revision < 2 {
		return auth, nil, nil
	}
	if sum, err = a.markSum(f.table, f.id, f.revision); err != nil {
		return nil, nil, err
	}
	both = binary.BigEndian.AppendUint64(both, uint64(f.revision))
	return auth, append(both, sum[:]...)[AuthLength:], nil
}

// Verify returns ErrAltered (wrapped) unless a record's authenticator and its register were
// made of these facts. It logs and counts what doesn't fit.
func (a *Authenticator) Verify(f *Facts, auth, mark []byte) error {
	if err := a.VerifyAlone(f, auth); err != nil {
		return err
	}
	why := ""
	switch {
	case mark == nil && (f.revision < 2 || a.tolerant.Load()):
		return nil
	case mark == nil:
		why = "its register is gone"
	case len(mark) != markLength:
		why = "its register is malformed"
	default:
		revision := int64(binary.BigEndian.Uint64(mark))
		want, err := a.markSum(f.table, f.id, revision)
		switch {
		case err != nil:
			return err
		case !same(want[:], mark[8:]):
			why = "its register was altered"
		case revision != f.revision:
			why = fmt.Sprintf("it has revision %d, and its register %d: one of them was put back", f.revision, revision)
		default:
			return nil
		}
	}
	return a.Refuse(f.table, f.id, why)
}

// VerifyAlone is Verify for records without registers.
func (a *Authenticator) VerifyAlone(f *Facts, auth []byte) error {
	if auth == nil {
		if a.tolerant.Load() {
			return nil
		}
		return a.Refuse(f.table, f.id, "it has no authenticator")
	}
	want, err := a.sum(f)
	if err != nil {
		return err
	}
	if !same(want[:], auth) {
		return a.Refuse(f.table, f.id, "its authenticator does not fit")
	}
	return nil
}

// Fits is VerifyAlone without the log: the caller reports the records that don't fit.
func (a *Authenticator) Fits(f *Facts, auth []byte) (bool, error) {
	if auth == nil {
		return a.tolerant.Load(), nil
	}
	want, err := a.sum(f)
	return err == nil && same(want[:], auth), err
}

// Tolerate(true) accepts records without authenticators and registers as they are, and
// Tolerate(false) ends that. It is for the time in which a database of an earlier version
// is upgraded.
func (a *Authenticator) Tolerate(on bool) { a.tolerant.Store(on) }

// Tolerates reports whether records without authenticators are accepted.
func (a *Authenticator) Tolerates() bool { return a.tolerant.Load() }

// Refuse logs and counts a record that doesn't fit, and returns its error.
func (a *Authenticator) Refuse(table, id, why string) error {
	a.mu.Lock()
	a.refused[table]++
	key := table + "\x00" + id
	loud := time.Since(a.logged[key]) > logAgain
	if loud {
		if len(a.logged) > 10_000 {
			clear(a.logged)
		}
		a.logged[key] = time.Now()
	}
	a.mu.Unlock()
	if loud {
		a.log.Error("a stored record was altered and is refused", "table", table, "record", id, "why", why)
	}
	return fmt.Errorf("%s %s: %s: %w", table, id, why, ErrAltered)
}

// Refusals returns how often records of each table were refused since the start.
func (a *Authenticator) Refusals() map[string]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.refused)
}

func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// Refused names some of the records that were refused lately, by table and id.
func (a *Authenticator) Refused() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.logged {
		all = append(all, strings.Replace(key, "\x00", " ", 1))
	}
	slices.Sort(all)
	return all
}

// mac is an HMAC-SM3 that has absorbed the key already. It has buffers of its own: memory
// that is passed to a hash.Hash would be allocated each time.
type mac struct {
	hash hash.Hash
	mark Facts
	out  [sm3.Size]byte
}

// sum is the MAC of a message.
func (m *mac) sum(message []byte) [sm3.Size]byte {
	m.hash.Reset()
	m.hash.Write(message)
	m.hash.Sum(m.out[:0])
	return m.out
}

// authenticator is an authenticator as it is stored.
type authenticator [AuthLength]byte

func authenticatorOf(sum [sm3.Size]byte) (a authenticator) {
	a[0] = authFormat
	copy(a[1:], sum[:authSum])
	return a
}

// sum returns the authenticator of facts.
func (a *Authenticator) sum(f *Facts) (authenticator, error) {
	sum, err := a.whole(f)
	return authenticatorOf(sum), err
}

// markSum returns the authenticator in the register of a record that has a revision.
func (a *Authenticator) markSum(table, id string, revision int64) (authenticator, error) {
	macs, err := a.key()
	if err != nil {
		return authenticator{}, err
	}
	m := macs.Get().(*mac)
	defer macs.Put(m)
	m.mark.begin("registers", table, revision)
	return authenticatorOf(m.sum(m.mark.Text(id).b)), nil
}

func (a *Authenticator) whole(f *Facts) (sum [sm3.Size]byte, err error) {
	macs, err := a.key()
	if err != nil {
		return sum, err
	}
	m := macs.Get().(*mac)
	defer macs.Put(m)
	return m.sum(f.b), nil
}

// key derives the key at the first use.
func (a *Authenticator) key() (*sync.Pool, error) {
	if macs := a.macs.Load(); macs != nil {
		return macs, nil
	}
	key, err := a.module.MAC(AuthenticatorKey, []byte("yizheng authenticators of records v1"))
	if err != nil {
		return nil, fmt.Errorf("deriving the key of records' authenticators: %w", err)
	}
	macs := &sync.Pool{New: func() any { return &mac{hash: hmac.New(sm3.New, key)} }}
	a.macs.Store(macs)
	return macs, nil
}
