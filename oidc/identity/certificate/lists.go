package certificate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"strings"
	"time"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// How often lists are read anew: files for what changed in them, and addresses, which others run.
const (
	everyFile    = time.Minute
	everyAddress = time.Hour
	everyFailed  = 5 * time.Minute // after an address didn't answer
	tick         = 30 * time.Second
)

// list is a revocation list whose signature was verified.
type list struct {
	number  *big.Int
	next    time.Time
	revoked map[string]string // serial, hexadecimal, to the reason
}

// source is where a list comes from.
type source struct {
	of      string // the authority's id
	at      string // file or address
	private bool
	file    Files
}

func (f *source) remote() bool { return strings.Contains(f.at, "://") }

func (f *source) check() error {
	switch {
	case f.at == "":
		return errors.New("a file or an address")
	case f.remote():
		return checkAddress(f.at, f.private)
	}
	return nil
}

// reading is what came of a source.
type reading struct {
	due     time.Time
	sum     [32]byte // of what was read last
	problem string   // empty: there is none
}

// Run reads the lists, and reads them anew, until ctx is done.
func (s *Service) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	told := map[string]string{} // what the log has of each list
	for {
		s.Refresh(ctx)
		s.tell(ctx, told)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Refresh reads the lists that are due. What can't be read leaves those that are there, for as long as they count.
func (s *Service) Refresh(ctx context.Context) {
	for i := range s.c.Authorities {
		a := &s.c.Authorities[i]
		for j := range a.sources {
			s.refresh(ctx, a, &a.sources[j], time.Now())
		}
	}
}

func (s *Service) refresh(ctx context.Context, a *Authority, from *source, now time.Time) {
	s.mu.RLock()
	had := *s.read[from]
	s.mu.RUnlock()
	if now.Before(had.due) {
		return
	}
	next := reading{due: now.Add(everyFile), sum: had.sum}
	if from.remote() {
		next.due = now.Add(everyAddress)
	}
	text, err := s.fetch(ctx, from)
	sum := sha256.Sum256(text)
	var issuer *pki.Certificate
	var found *list
	switch {
	case err != nil:
		next.problem = err.Error()
	case sum == had.sum:
		next.problem = had.problem
	default:
		if issuer, found, err = s.parse(ctx, a, text, now); err != nil {
			next.problem = err.Error()
		}
		next.sum = sum
	}
	if err != nil && from.remote() {
		next.due = now.Add(everyFailed)
	}
	if errors.Is(err, sm2.ErrUndecided) || errors.Is(err, errEarly) {
		next.sum = [32]byte{} // it may be read later
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.read[from] = next
	if found == nil {
		return
	}
	if known := s.lists[issuer]; known == nil || known.number.Cmp(found.number) <= 0 { // an older one brings nothing back
		s.lists[issuer] = found
	}
}

func (s *Service) fetch(ctx context.Context, from *source) ([]byte, error) {
	if !from.remote() {
		return from.file(from.at)
	}
	return s.c.Fetch(ctx, from.at, from.private)
}

var errEarly = errors.New("it is not in force yet: is the clock right?")

// parse reads a list and finds which of the authority's CAs signed it.
func (s *Service) parse(ctx context.Context, a *Authority, text []byte, now time.Time) (*pki.Certificate, *list, error) {
	if block, _ := pem.Decode(text); block != nil && block.Type == "X509 CRL" {
		text = block.Bytes
	}
	err := errors.New("there is no CA that could have signed it")
	for _, ca := range a.cas {
		l, refused := pki.ParseRevocationList(ctx, text, ca, s.c.Verifier)
		if refused != nil {
			err = refused
			continue
		}
		if l.Partial { // marked as critical or not: who isn't on it may have been revoked
			return nil, nil, errors.New("it isn't complete: it has an issuingDistributionPoint or a deltaCRLIndicator")
		}
		if l.ThisUpdate.After(now.Add(pki.ClockSkew)) {
			return nil, nil, errEarly
		}
		found := &list{l.Number, l.NextUpdate, make(map[string]string, len(l.Entries))}
		for _, e := range l.Entries {
			found.revoked[e.Serial.Text(16)] = e.Reason
		}
		return ca, found, nil
	}
	return nil, nil, err
}

// ListState is how it stands with the list of a CA, or with where it should come from.
type ListState struct {
	Authority string
	Issuer    string        // what the CA is called; empty: it isn't known whose list it is
	At        string        // where it comes from; empty: of a CA
	Until     time.Time     // certificates of the CA are taken
	Left      time.Duration // until no certificate of the CA is taken any more; negative: none is
	Entries   int
	Problem   string // why it couldn't be read last
}

// Lists returns how it stands with all lists: one for each that is there, and one for each source that has a
// problem.
func (s *Service) Lists(now time.Time) (all []ListState) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.c.Authorities {
		a := &s.c.Authorities[i]
		for _, ca := range a.cas {
			if l := s.lists[ca]; l != nil {
				all = append(all, ListState{Authority: a.ID, Issuer: nameOf(ca), Until: l.next.Add(a.grace), Left: l.next.Add(a.grace).Sub(now), Entries: len(l.revoked)})
			}
		}
		for j := range a.sources {
			if r := s.read[&a.sources[j]]; r.problem != "" {
				all = append(all, ListState{Authority: a.ID, At: a.sources[j].at, Problem: r.problem})
			}
		}
	}
	return all
}

// nameOf returns what a CA is called: its common name and, so that two aren't mixed up, the beginning of its
// certificate's SHA-256.
func nameOf(ca *pki.Certificate) string {
	sum := sha256.Sum256(ca.Raw)
	return called(ca.Certificate.Subject.CommonName) + " " + hex.EncodeToString(sum[:4])
}

// Examine reads all lists of authorities once, and returns how it stands with them.
func Examine(ctx context.Context, all []Authority, fetch func(ctx context.Context, address string, private bool) ([]byte, error)) []ListState {
	s := newService(Config{Authorities: all, Fetch: fetch, Verifier: jose.NewVerifier(sm2.Config{})})
	s.Refresh(ctx)
	return s.Lists(time.Now())
}

// tell logs what changed about the lists.
func (s *Service) tell(ctx context.Context, told map[string]string) {
	now := time.Now()
	said := map[string]string{}
	for _, l := range s.Lists(now) {
		name, what := l.Authority+" "+l.Issuer+l.At, ""
		switch {
		case l.Problem != "":
			what = l.Problem
		case l.Left < 0:
			what = "it is out of date"
		}
		if said[name] = what; what != "" && told[name] != what {
			s.c.Log.LogAttrs(ctx, slog.LevelError, "a revocation list can't be used: once the one before it is out of date, nobody logs in with a certificate of that CA",
				slog.String("authority", l.Authority), slog.String("issuer", l.Issuer), slog.String("from", l.At), slog.String("problem", what))
		}
	}
	clear(told)
	maps.Copy(told, said)
}

// Title returns what people call the authority with an id in a language, or "" if it isn't trusted any more.
func (s *Service) Title(id, language string) string {
	for i := range s.c.Authorities {
		if a := &s.c.Authorities[i]; a.ID == id {
			return a.title(language)
		}
	}
	return ""
}

// Titles returns what people call all authorities, in the operator's order.
func (s *Service) Titles(language string) (all []string) {
	for i := range s.c.Authorities {
		all = append(all, s.c.Authorities[i].title(language))
	}
	return all
}
