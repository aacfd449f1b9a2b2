package license

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
)

// StatusValue is an entry of a status list, 2 bits (Token Status List, section 7).
type StatusValue uint8

const (
	StatusValid      StatusValue = 0
	StatusInvalid    StatusValue = 1 // ended
	StatusSuspended  StatusValue = 2
	StatusSuperseded StatusValue = 3 // application-specific: a newer version is in its place
)

// StatusListSize is how many entries a list has: 32 KiB of 2 bits before
// compression. At most half are ever taken, so that an index says nothing.
const StatusListSize = 1 << 17

const (
	statusBits = 2
	statusMost = StatusListSize / 2

	// statusTTL is how long a verifier may use a list before it asks again.
	statusTTL = time.Minute
	// statusLife is how long a list can be used by verifiers that are offline.
	statusLife = 24 * time.Hour
	// statusResign is the age at which an unchanged list is signed anew.
	statusResign = time.Hour
	// statusFresh is how long a list serves without asking the store for changes.
	statusFresh = time.Second

	// maxStatusToken bounds what OpenStatusList reads, maxStatusBytes what it inflates.
	maxStatusToken = 4 << 20
	maxStatusBytes = 4 << 20
)

// slot is an entry of a status list that a version is to have.
type slot struct {
	list  int64
	index int
}

// slots hands out entries of status lists. They are reserved in blocks, ahead
// of the signature that names them, and come back if nothing that names them was
// stored; those unused at the end of the process stay reserved, and valid, for good.
type slots struct {
	store StatusStore
	mu    sync.Mutex
	ready []slot
	block int
}

// Blocks grow as they are used up, so that a short run wastes little.
const (
	firstBlock = 32
	lastBlock  = 1024
)

// take returns an entry that nobody else has.
func (s *slots) take(ctx context.Context) (slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 {
		s.block = min(max(firstBlock, 2*s.block), lastBlock)
		list, taken, err := s.store.Reserve(ctx, distinct(s.block, StatusListSize), statusMost, time.Now())
		if err != nil {
			return slot{}, fmt.Errorf("reserving entries of a status list: %w", err)
		}
		// In whatever order the store took them: an index must not tell when it was given.
		rand.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		for _, index := range taken {
			s.ready = append(s.ready, slot{list, index})
		}
	}
	last := len(s.ready) - 1
	taken := s.ready[last]
	s.ready = s.ready[:last]
	return taken, nil
}

// give takes an entry back. What was signed with it was neither stored nor shown.
func (s *slots) give(unused slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, unused)
	last := len(s.ready) - 1
	i := rand.IntN(len(s.ready)) // an index must not tell that it was given back
	s.ready[i], s.ready[last] = s.ready[last], s.ready[i]
}

// distinct returns n different random numbers below limit. (math/rand/v2's
// global source is ChaCha8, seeded by the system.)
func distinct(n, limit int) []int {
	seen := make(map[int]bool, n)
	out := make([]int, 0, n)
	for len(out) < n {
		if i := rand.IntN(limit); !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}

// lists keeps the signed status lists.
type lists struct {
	mu     sync.Mutex
	sealed map[int64]*publishedList
}

type publishedList struct {
	mu       sync.Mutex
	revision int64
	token    string
	made     time.Time
	looked   time.Time
}

// get returns the place of list n; it holds nothing yet if the list is new here.
func (l *lists) get(n int64) (p *publishedList, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, known = l.sealed[n]
	if !known {
		p = &publishedList{revision: -1}
	}
	return p, known
}

func (l *lists) keep(n int64, p *publishedList) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sealed[n] = p
}

// statusClaims are the claims of a status list token (Token Status List, section 5.1).
type statusClaims struct {
	Subject  string     `json:"sub"`
	IssuedAt int64      `json:"iat"`
	Expires  int64      `json:"exp"`
	TTL      int64      `json:"ttl"`
	List     statusBody `json:"status_list"`
}

type statusBody struct {
	Bits int    `json:"bits"`
	List string `json:"lst"` // zlib, base64url
}

// StatusList returns status list n, signed (a JWT, typ statuslist+jwt). A
// change of a license's state is in it a second later at most.
func (r *Registry) StatusList(ctx context.Context, n int64) (string, error) {
	p, known := r.lists.get(n)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.token != "" && now.Sub(p.looked) < statusFresh {
		return p.token, nil
	}
	seen := p.revision
	if now.Sub(p.made) >= statusResign {
		seen = -1
	}
	list, err := r.lookAt(ctx, n, seen)
	if errors.Is(err, ErrNotFound) {
		return "", missing("status_list_unknown", "There is no status list with this number.")
	} else if err != nil {
		return "", err
	}
	if list != nil {
		if p.token, err = r.signStatusList(ctx, n, list, now); err != nil {
			return "", err
		}
		p.revision, p.made = list.revision, now
	}
	p.looked = now
	if !known {
		r.lists.keep(n, p)
	}
	return p.token, nil
}

func (r *Registry) signStatusList(ctx context.Context, n int64, list *seenList, now time.Time) (string, error) {
	key, err := r.c.Keyrings.Active(ctx, signing.PurposeStatus, "")
	if err != nil {
		return "", fmt.Errorf("finding the status key: %w", err)
	}
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(list.packed); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	token, err := jose.Sign(key.Signer, jose.Header{
		Typ: jose.TypStatusList, Algorithm: jose.SM2, KeyID: key.KID(), X5C: key.Chain,
	}, statusClaims{
		Subject: r.statusListURI(n), IssuedAt: now.Unix(), Expires: now.Add(statusLife).Unix(),
		TTL:  int64(statusTTL.Seconds()),
		List: statusBody{statusBits, base64.RawURLEncoding.EncodeToString(b.Bytes())},
	})
	if err != nil {
		return "", fmt.Errorf("signing status list %d: %w", n, err)
	}
	return token, nil
}

// status is the registry's own StatusSource: what the store says now.
func (r *Registry) status(ctx context.Context, uri string, index int) (StatusValue, error) {
	number, ours := strings.CutPrefix(uri, r.c.PublicURL+statusListPath)
	list, err := strconv.ParseInt(number, 10, 64)
	if !ours || err != nil {
		return 0, errors.New("the status list is not one of this registry")
	}
	if index >= StatusListSize {
		return 0, errStatusIndex
	}
	return r.lookAtOne(ctx, list, index)
}

// errStatusIndex says that a list has no entry with a credential's index.
var errStatusIndex = errors.New("the status list has no such entry")

// OpenStatusList checks a status list token as of a time, and returns a source
// for the entries of its list alone. A list whose key was revoked says nothing.
func (v *CredentialVerifier) OpenStatusList(ctx context.Context, token string, at time.Time) (StatusSource, error) {
	var chainErr error
	_, payload, err := jose.Verify(ctx, token, jose.Expectation{
		Typ: jose.TypStatusList, Max: maxStatusToken, Verifier: v.Signatures,
		Key: func(h jose.Header) (crypto.PublicKey, error) {
			leaf, err := v.Anchors.Verify(ctx, v.Signatures, h.X5C, at)
			if err == nil {
				err = v.listKey(ctx, leaf)
			}
			if err != nil {
				chainErr = err
				return nil, err
			}
			return leaf.PublicKey, nil
		},
	})
	if chainErr != nil {
		return nil, fmt.Errorf("status list: %w", chainErr)
	}
	if err != nil {
		return nil, fmt.Errorf("status list: %w", err)
	}
	var c statusClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, errors.New("status list: claims are malformed")
	}
	switch {
	case c.List.Bits != statusBits || c.Subject == "":
		return nil, errors.New("status list: not one of two bits an entry with a subject")
	case c.IssuedAt <= 0 || c.TTL <= 0 || c.Expires-c.IssuedAt > int64(statusLife/time.Second):
		return nil, errors.New("status list: without a time of issue or to live, or made for more than a day")
	case c.IssuedAt > at.Add(clockSkew).Unix():
		return nil, errors.New("status list: issued in the future")
	case c.Expires <= at.Unix():
		return nil, errors.New("status list: expired; fetch a new one")
	}
	packed, err := inflate(c.List.List)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, uri string, index int) (StatusValue, error) {
		if uri != c.Subject {
			return 0, errors.New("this is another status list")
		}
		if index < 0 || index/4 >= len(packed) {
			return 0, errStatusIndex
		}
		return StatusValue(packed[index/4] >> (index % 4 * statusBits) & 3), nil
	}, nil
}

// listKey checks that a certificate is one of a status key, and not revoked.
func (v *CredentialVerifier) listKey(ctx context.Context, leaf *pki.Certificate) error {
	if leaf.Profile != pki.ProfileStatus {
		return errors.New("the certificate is not one of a status key")
	}
	if v.Revoked == nil {
		return nil
	}
	reason, _, revoked, err := v.Revoked(ctx, leaf.Raw)
	switch {
	case err != nil:
		return fmt.Errorf("whether its certificate was revoked: %w", err)
	case revoked:
		return fmt.Errorf("its certificate was revoked (%s): fetch a new one", reason)
	}
	return nil
}

func inflate(list string) ([]byte, error) {
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(list)
	if err != nil {
		return nil, errors.New("status list: lst is not base64url")
	}
	z, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, errors.New("status list: lst is not zlib data")
	}
	packed, err := io.ReadAll(io.LimitReader(z, maxStatusBytes+1))
	if err != nil {
		return nil, errors.New("status list: lst does not inflate")
	}
	if len(packed) > maxStatusBytes {
		return nil, errors.New("status list: lst inflates to too much")
	}
	return packed, nil
}
