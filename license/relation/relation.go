// Package relation knows which relationships licenses prove: who represents an organization by law, whose child
// somebody is, and to whom somebody is married. A license proves one only by the codes of the holders that it
// names, in the roles that the operator believes, and only while it is in force: never by a name, and never by what
// stands in a face field. Where licenses contradict each other, they prove nothing.
//
// Nothing is cached: a license that is suspended proves nothing from then on, on any node.
package relation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
)

// Config says what a [Service] works with. All of it is required but Believed.
type Config struct {
	Records  *license.Records
	Types    *catalog.Types
	Believed []Believed // as CheckBelieved accepts them; none: no license proves anything
	Log      *slog.Logger
}

// Service reads relationships from licenses. Safe for concurrent use.
type Service struct {
	c    Config
	mu   sync.Mutex
	said map[string]time.Time // when something was logged, by what
}

// New returns a Service.
func New(c Config) *Service { return &Service{c: c, said: map[string]time.Time{}} }

// Bounds of one question.
const (
	maxOpened   = 1000 // licenses that are opened; with more, the question has no answer
	maxVersions = 100  // versions of a license that are read to find since when it says something
	page        = 100  // records read at a time
)

// ErrTooMany says that so many licenses bear on a question that they aren't all read: nothing is proved then.
var ErrTooMany = errors.New("too many licenses bear on a relationship")

// Fact is a relationship that licenses in force prove.
type Fact struct {
	Kind     Kind
	Codes    []party.Code // of the other: the organization, the child, the spouse
	Name     string       // of the other
	License  audit.ID
	Version  int // the newest
	Type     credential.TypeCode
	TypeName string
	Since    time.Time  // when that version was issued
	Born     party.Date // of a child; zero: not known
}

// Head says who represents an organization by law.
type Head struct {
	Known bool         // a license names, or once named, a representative by a code
	Codes []party.Code // of the present one; empty: nobody's
	Since time.Time    // since when that is so
	// Disputed says that licenses in force contradict each other, one of which names a representative by a code.
	Disputed bool
}

// looking answers one question.
type looking struct {
	r      *Service
	now    time.Time
	opened map[audit.ID]*found // nil: a license that wasn't issued
	lost   bool                // a license that bears on the question can't be opened
}

// found is a license in its newest version.
type found struct {
	license.License
	by  *Believed
	why refusal.Reason // why it proves nothing now; "": nothing is wrong with it
}

// unreadable stands for a license that can't be opened.
var unreadable = new(found)

func (r *Service) look() *looking {
	return &looking{r: r, now: time.Now(), opened: map[audit.ID]*found{}}
}

// licenses returns the licenses of types that prove one of the kinds, in a state (empty: any), that name one of
// the codes as a holder in one of the roles that roles returns.
func (g *looking) licenses(ctx context.Context, codes []party.Code, state license.State, roles func(*Believed) []string, kinds ...Kind) ([]*found, error) {
	if len(codes) == 0 {
		return nil, nil
	}
	keys, err := g.r.c.Records.HolderKeys(ctx, codes)
	if err != nil {
		return nil, err
	}
	var all []*found
	for i := range g.r.c.Believed {
		b := &g.r.c.Believed[i]
		if !slices.Contains(kinds, b.Proves) {
			continue
		}
		q := license.Query{Kind: license.LookupHolder, Keys: keys, Type: b.Type, State: state, Limit: page}
		for {
			records, err := g.r.c.Records.Search(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("searching licenses of type %s: %w", b.Type, err)
			}
			for _, rec := range records {
				f, err := g.open(ctx, rec.ID, b)
				if err != nil {
					return nil, err
				}
				// The lookup keys of earlier versions also lead here, and those may have named other holders.
				if f != nil && heldIn(f.Holders, roles(b), codes) {
					all = append(all, f)
				}
			}
			if len(records) < page {
				break
			}
			last := records[len(records)-1]
			q.Before = license.Cursor{Created: last.Created, ID: last.ID}
		}
	}
	return all, nil
}

// open opens the newest version of a license; nil if it isn't issued, or can't be opened.
func (g *looking) open(ctx context.Context, id audit.ID, b *Believed) (*found, error) {
	if f, ok := g.opened[id]; ok {
		if f == unreadable {
			g.lost, f = true, nil
		}
		return f, nil
	}
	if len(g.opened) >= maxOpened {
		return nil, ErrTooMany
	}
	g.opened[id] = nil
	rec, v, err := g.r.c.Records.Load(ctx, id, 0)
	var l license.License
	if err == nil {
		l, err = g.r.c.Records.Open(ctx, rec, v)
	}
	switch {
	case license.Unreadable(err):
		g.r.say(ctx, string(id), "a license that may prove a relationship can't be opened", "license", id, "error", err)
		g.lost, g.opened[id] = true, unreadable
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading license %s: %w", id, err)
	case rec.Type != b.Type, !issued(v.State):
		return nil, nil
	}
	f := &found{License: l, by: b, why: v.Unusable(g.now)}
	g.opened[id] = f
	return f, nil
}

// issued reports whether a version in this state was ever in force.
func issued(s license.State) bool {
	return s == license.Active || s == license.Suspended || s == license.Superseded || s == license.Ended
}

// believed reports whether the operator believes what a license says: its authority may say it, and nobody
// uploaded it.
func (f *found) believed() bool {
	return (len(f.by.Authorities) == 0 || slices.Contains(f.by.Authorities, f.Authority)) &&
		(f.TrustGrade == credential.GradeA || f.TrustGrade == credential.GradeB)
}

// says is what one version of a license says.
type says struct {
	principal       credential.Holder
	representatives []party.Code // sorted
	ok              bool         // it says who both are, by codes
}

// read returns what holders say in a type's roles. A license with two principals, or without a code of the
// representative, says nothing; nor does one that has several legal representatives.
func (b *Believed) read(holders []credential.Holder) (s says) {
	principals := 0
	for _, h := range holders {
		code := codeOf(h)
		switch {
		case h.Role == b.Principal && b.Principal != "":
			s.principal = h
			principals++
		case !slices.Contains(b.Representatives, h.Role):
		case code.Value == "" || h.CodeType.Class() != party.Person:
			return says{principal: s.principal}
		case !slices.Contains(s.representatives, code):
			s.representatives = append(s.representatives, code)
		}
	}
	slices.SortFunc(s.representatives, compareCodes)
	class := party.Person
	if b.Proves == LegalRepresentative {
		class = party.Organization
	}
	s.ok = principals == 1 && s.principal.Code != "" && s.principal.CodeType.Class() == class && len(s.representatives) > 0 &&
		(b.Proves != LegalRepresentative || len(s.representatives) == 1)
	return s
}

func (f *found) read() says { return f.by.read(f.Holders) }

func codeOf(h credential.Holder) party.Code { return party.Code{Type: h.CodeType, Value: h.Code} }

func compareCodes(a, b party.Code) int {
	switch {
	case a == b:
		return 0
	case a.Type < b.Type || a.Type == b.Type && a.Value < b.Value:
		return -1
	}
	return 1
}

// heldIn reports whether a holder in one of the roles has one of the codes.
func heldIn(hs []credential.Holder, roles []string, codes []party.Code) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return role != "" && license.HeldBy(hs, role, codes) })
}

func principals(b *Believed) []string      { return []string{b.Principal} }
func representatives(b *Believed) []string { return b.Representatives }

// said is how long the same isn't logged again.
const (
	quiet   = time.Hour
	maxSaid = 1024
)

// say logs something about a license, unless it was logged within the hour: representations are checked each time
// that they are used.
func (r *Service) say(ctx context.Context, key, text string, args ...any) {
	now := time.Now()
	r.mu.Lock()
	at, ok := r.said[key]
	if ok && now.Sub(at) < quiet {
		r.mu.Unlock()
		return
	}
	if len(r.said) >= maxSaid {
		clear(r.said)
	}
	r.said[key] = now
	r.mu.Unlock()
	r.c.Log.WarnContext(ctx, text, args...)
}

// ids names licenses in the log.
func ids(fs []*found) []string {
	var all []string
	for _, f := range fs {
		all = append(all, string(f.ID))
	}
	slices.Sort(all)
	return all
}

// errLost says that what bears on a question can't be read.
var errLost = fmt.Errorf("a license that bears on a relationship can't be opened: %w", signing.ErrSealed)
