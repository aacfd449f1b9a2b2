package acting_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// shelf keeps representations in memory, as storagetest/identities.Representations wants it: databases never
// run in a bubble.
type shelf struct {
	mu      sync.Mutex
	records map[string]representation.Record
	events  []journal.Event
}

func (s *shelf) taken(r representation.Record) bool {
	for _, other := range s.records {
		if other.ID != r.ID && slices.ContainsFunc(other.Unique, func(k signing.Lookup) bool { return slices.Contains(r.Unique, k) }) {
			return true
		}
	}
	return false
}

func (s *shelf) CreateRepresentation(_ context.Context, r representation.Record, es ...journal.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.records[r.ID]; ok || s.taken(r) {
		return identity.ErrExists
	}
	r.Revision = 1
	s.records[r.ID] = r
	s.events = append(s.events, es...)
	return nil
}

func (s *shelf) LoadRepresentation(_ context.Context, id string) (representation.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[id]
	if !ok {
		return representation.Record{}, identity.ErrNotFound
	}
	return r, nil
}

func (s *shelf) UpdateRepresentation(_ context.Context, r representation.Record, es ...journal.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[r.ID].Revision != r.Revision {
		return identity.ErrConflict
	}
	if s.taken(r) {
		return identity.ErrExists
	}
	r.Revision++
	s.records[r.ID] = r
	s.events = append(s.events, es...)
	return nil
}

func (s *shelf) FindRepresentations(_ context.Context, keys []signing.Lookup, limit int) (all []representation.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if slices.ContainsFunc(r.Keys, func(k signing.Lookup) bool { return slices.Contains(keys, k) }) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b representation.Record) int {
		ended := func(r representation.Record) int { return map[bool]int{true: 1}[r.State == acting.Ended] }
		return cmp.Or(ended(a)-ended(b), b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	return all[:min(len(all), limit)], nil
}

func (s *shelf) ListRepresentations(_ context.Context, after string, limit int) (all []representation.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.records {
		if id > after {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b representation.Record) int { return cmp.Compare(a.ID, b.ID) })
	return all[:min(len(all), limit)], nil
}

// registry is what licenses prove. It can be changed while somebody acts.
type registry struct {
	mu     sync.Mutex
	facts  map[party.Code][]acting.Fact // of a representative's code
	heads  map[party.Code]acting.Head   // of an organization's code
	spouse map[party.Code]*acting.Fact
	fails  error
	fail   map[party.Code]error // of Head alone
	asked  int                  // how often Head was asked
}

func (r *registry) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

func (r *registry) Represented(_ context.Context, codes []party.Code) (all []acting.Fact, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range codes {
		all = append(all, r.facts[c]...)
	}
	return all, r.fails
}

func (r *registry) Head(_ context.Context, codes []party.Code) (acting.Head, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	for _, c := range codes {
		if r.fail[c] != nil {
			return acting.Head{}, r.fail[c]
		}
		if h, ok := r.heads[c]; ok {
			return h, r.fails
		}
	}
	return acting.Head{}, r.fails
}

func (r *registry) Spouse(_ context.Context, codes []party.Code) (*acting.Fact, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range codes {
		if f := r.spouse[c]; f != nil {
			return f, r.fails
		}
	}
	return nil, r.fails
}

// These codes are made up, and of people who are of age in 2000, when a bubble's time begins, but one: area 990101 is not assigned.
var (
	noodles    = uscc("91990101MA0000000")
	newborn    = party.Code{Type: party.OtherPerson, Value: "Y990000001"}
	wangCode   = citizen("99010119600302001")
	zhaoCode   = citizen("99010119650607002")
	sunCode    = citizen("99010119700909003")
	minorCode  = citizen("99010119880229004")
	shopName   = "青禾面馆有限公司"
	personName = map[party.Code]string{
		identitytest.ZhangCode: "张小䶮", identitytest.LiCode: "李建国", wangCode: "王芳", zhaoCode: "赵敏", sunCode: "孙杰", minorCode: "小明",
	}
)

// uscc adds the check character to a unified social credit code.
func uscc(first17 string) party.Code {
	for _, last := range "0123456789ABCDEFGHJKLMNPQRTUWXY" {
		if c, err := party.ParseCode(party.SocialCredit, first17+string(last)); err == nil {
			return c
		}
	}
	panic(first17)
}

// citizen adds the check digit to a citizen's number.
func citizen(first17 string) party.Code {
	for _, last := range "0123456789X" {
		if c, err := party.ParseCode(party.Citizen, first17+string(last)); err == nil {
			return c
		}
	}
	panic(first17)
}

type world struct {
	*identitytest.World
	*acting.Service
	shelf    *shelf
	registry *registry
	t        *testing.T
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		World: identitytest.NewWorld(t), t: t, shelf: &shelf{records: map[string]representation.Record{}},
		registry: &registry{facts: map[party.Code][]acting.Fact{}, heads: map[party.Code]acting.Head{}, spouse: map[party.Code]*acting.Fact{}},
	}
	w.Service = w.node()
	return w
}

// node returns another node over the same stores.
func (w *world) node() *acting.Service {
	w.t.Helper()
	j := journal.NewRecorder(journal.Config{Log: journal.Provider, Store: w.Memory, Reason: identity.ReasonOf})
	s, err := acting.New(acting.Config{
		Store: w.shelf, People: w.World.Service, Registry: w.registry, Vault: w.Vault, Journal: j, Notices: notice.New(w.SMS, j, nil),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// someone registers a person, and returns them logged in with two factors.
func (w *world) someone(code party.Code) acting.Me {
	w.t.Helper()
	a, p, err := w.Register(w.t.Context(), identity.Registration{
		Name: personName[code], Code: code, Actor: "cli", Phone: "1380013" + code.Value[13:17],
		Proofing: &identity.Proofing{Level: 2, Method: identity.MethodCounter, Source: "cli"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return acting.Me{Account: a.ID, Party: p, Assurance: 2, RequestID: "r"}
}

// leads has the noodle shop's license name a legal representative, and nobody else.
func (w *world) leads(code party.Code) {
	w.registry.set(func() {
		clear(w.registry.facts)
		w.registry.heads[noodles] = acting.Head{Known: true, Since: time.Now()}
		if code != (party.Code{}) {
			w.registry.heads[noodles] = acting.Head{Known: true, Codes: []party.Code{code}, Since: time.Now()}
			w.registry.facts[code] = []acting.Fact{{
				Kind: acting.LegalRepresentative, Of: identity.Organization, Codes: []party.Code{noodles}, Name: shopName,
				License: "license-1", Version: 1, Type: "business-license", TypeName: "营业执照", Since: time.Now(),
			}}
		}
	})
}

// as has somebody choose the only one for whom they may act.
func (w *world) as(me acting.Me) *acting.Acting {
	w.t.Helper()
	all, err := w.Choices(w.t.Context(), me, acting.Wanted{})
	if err != nil || len(all) != 1 {
		w.t.Fatalf("the choices are %+v, %v", all, err)
	}
	a, err := w.Choose(w.t.Context(), me, acting.Wanted{}, all[0].Key)
	if err != nil {
		w.t.Fatal(err)
	}
	return &a
}

// proposes has somebody propose a representation for everything.
func (w *world) proposes(me acting.Me, as *acting.Acting, kind acting.Kind, to party.Code) acting.Representation {
	w.t.Helper()
	r, err := w.Propose(w.t.Context(), me, as, appointment(kind, to))
	if err != nil {
		w.t.Fatalf("proposing: %v", err)
	}
	return r
}

// appoints is proposes, and the representative accepts.
func (w *world) appoints(me acting.Me, as *acting.Acting, kind acting.Kind, to acting.Me) acting.Representation {
	w.t.Helper()
	r := w.proposes(me, as, kind, to.Party.Codes[0].Code)
	r, err := w.Answer(w.t.Context(), to, r.ID, true)
	if err != nil {
		w.t.Fatalf("accepting: %v", err)
	}
	return r
}

func appointment(kind acting.Kind, to party.Code) acting.Appointment {
	return acting.Appointment{Kind: kind, Name: personName[to], Code: to, Bounds: acting.Bounds{Acts: acting.Acts()}}
}

// may checks that somebody may use a representation, or may not for a reason.
func (w *world) may(what string, me acting.Me, id string, reason acting.Reason) {
	w.t.Helper()
	_, err := w.Check(w.t.Context(), me, acting.Wanted{Act: acting.Apply}, id)
	identitytest.IsReason(w.t, what, err, string(reason))
	if live := w.Live(w.t.Context(), id, me.Party.ID); identity.ReasonOf(live) != identity.ReasonOf(err) && reason != acting.ReasonAssurance && reason != acting.ReasonBounds {
		w.t.Fatalf("%s: tokens say %v, and the flow %v", what, live, err)
	}
}

func inBubble(t *testing.T, do func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { do(t, newWorld(t)) })
}

var errDown = errors.New("the registry is down")
