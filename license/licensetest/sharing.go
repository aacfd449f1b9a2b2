package licensetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
)

// Consumer is a client that asks for licenses.
var Consumer = audit.Actor{Client: "food-license", Participant: "p3", USCC: OtherDept, RequestID: "r3"}

// Spouse is another citizen's number, with its check digit.
const Spouse = "110105194912310038"

// NewSharing opens a registry with a published item.
func NewSharing(t testing.TB) *World {
	t.Helper()
	w := New(t)
	w.PublishItem(t, ItemCode, Item()) // a spouse's certificate among its materials
	return w
}

// Ask returns what the Consumer asks for.
func Ask() offer.Ask { return offer.Ask{Item: ItemCode, Case: "2026-000123"} }

// Subject returns the subject whose licenses are asked for.
func Subject() offer.Subject {
	return offer.Subject{Party: "party-1", Codes: []party.Code{{Type: party.Citizen, Value: Citizen}}, Assurance: 2}
}

// IssueTo issues a license to somebody.
func (w *World) IssueTo(t testing.TB, number string, alter func(*registry.IssueRequest)) registry.Issued {
	t.Helper()
	q := Request(number)
	if alter != nil {
		alter(&q)
	}
	out, err := w.Registry.Issue(t.Context(), Issuer, q, number)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// ToSpouse makes a license the spouse's.
func ToSpouse(q *registry.IssueRequest) {
	q.Holders[0].Name, q.Holders[0].Code = "样例配偶", Spouse
}

// Offer asks for the licenses of a subject.
func Offer(t testing.TB, r *library.Library, s offer.Subject) offer.Offer {
	t.Helper()
	o, err := r.Offers.Offer(t.Context(), Consumer, Ask(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Stores are a registry's stores with some calls changed.
type Stores struct {
	library.Stores
	OnSearch    func() error
	OnLoad      func(*license.VersionRecord)
	OnLoadUse   func(*access.Used)
	OnSaveUse   func(*access.Reading) error
	OnLoadGrant func(*grant.Record)
}

// Search implements [license.Store].
func (s Stores) Search(ctx context.Context, q license.Query) ([]license.Record, error) {
	if s.OnSearch != nil {
		if err := s.OnSearch(); err != nil {
			return nil, err
		}
	}
	return s.Stores.Search(ctx, q)
}

// Load implements [license.Store].
func (s Stores) Load(ctx context.Context, id audit.ID, version int) (license.Record, license.VersionRecord, error) {
	rec, v, err := s.Stores.Load(ctx, id, version)
	if s.OnLoad != nil {
		s.OnLoad(&v)
	}
	return rec, v, err
}

// LoadUse implements [access.Store].
func (s Stores) LoadUse(ctx context.Context, g grant.ID, code [32]byte, request string) (access.Used, error) {
	u, err := s.Stores.LoadUse(ctx, g, code, request)
	if s.OnLoadUse != nil {
		s.OnLoadUse(&u)
	}
	return u, err
}

// SaveUse implements [access.Store].
func (s Stores) SaveUse(ctx context.Context, u access.Reading) error {
	if s.OnSaveUse != nil {
		if err := s.OnSaveUse(&u); err != nil {
			return err
		}
	}
	return s.Stores.SaveUse(ctx, u)
}

// LoadGrant implements [grant.Store].
func (s Stores) LoadGrant(ctx context.Context, id grant.ID) (grant.Record, []grant.UseCodeRecord, error) {
	g, codes, err := s.Stores.LoadGrant(ctx, id)
	if s.OnLoadGrant != nil {
		s.OnLoadGrant(&g)
	}
	return g, codes, err
}

// ConsentTo chooses the first license of each material, without sensitive parts.
func ConsentTo(o offer.Offer) grant.Consent {
	c := grant.Consent{
		Form: "form-" + rand.Text(), Session: [32]byte{1}, Request: [32]byte{2}, Shown: o.Hash, Channel: grant.ChannelOnline,
	}
	for _, m := range o.Materials {
		if len(m.Licenses) == 0 {
			continue
		}
		l := m.Licenses[0]
		fields := slices.DeleteFunc(slices.Clone(l.Fields), func(f string) bool { return slices.Contains(l.Sensitive, f) })
		c.Chosen = append(c.Chosen, offer.ChosenLicense{Material: m.Material.ID, License: l.ID, Version: l.Version.Version, Fields: fields})
	}
	return c
}

// Agree makes a pending grant of all that a subject has.
func (w *World) Agree(t testing.TB, alter func(*grant.Consent)) grant.Grant {
	t.Helper()
	c := ConsentTo(Offer(t, w.Library, Subject()))
	if alter != nil {
		alter(&c)
	}
	g, err := w.Grants.Agree(t.Context(), Consumer, Ask(), Subject(), c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// CodeHash is the hash of the authorization code that Deliver redeems.
var CodeHash = [32]byte{3}

// Deliver redeems a grant's authorization code.
func (w *World) Deliver(t testing.TB, id grant.ID) grant.Delivery {
	t.Helper()
	d, err := w.Grants.Deliver(t.Context(), Consumer, id, CodeHash)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Suspend suspends a license.
func (w *World) Suspend(t testing.TB, id audit.ID) {
	t.Helper()
	if _, err := w.Registry.Suspend(t.Context(), Issuer, id, Suspension(), registry.Terms{}); err != nil {
		t.Fatal(err)
	}
}

// Change replaces a license.
func (w *World) Change(t testing.TB, id audit.ID) {
	t.Helper()
	q := Request("A-1")
	rep := registry.ReplaceRequest{Kind: license.Change, Reason: "变更", Number: q.Number, Holders: q.Holders, ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil, Fields: q.Fields}
	if _, err := w.Registry.Replace(t.Context(), Issuer, id, rep, Seen(1)); err != nil {
		t.Fatal(err)
	}
}

// Nonce is what a reading is bound to.
const Nonce = "nonce-of-the-consumer"

// Kin is the subject's spouse.
func Kin() map[catalog.Relation][]party.Code {
	return map[catalog.Relation][]party.Code{catalog.RelationSpouse: {{Type: party.Citizen, Value: Spouse}}}
}

// Redeem reads the first license of a delivery.
func Redeem(d grant.Delivery, request string) access.RedeemRequest {
	return access.RedeemRequest{UseCode: d.Materials[0].UseCode.Reveal(), RequestID: request, Nonce: Nonce}
}

// NewDelivery opens a registry with one license, agreed to and delivered.
func NewDelivery(t testing.TB) (*World, registry.Issued, grant.Delivery) {
	t.Helper()
	w := NewSharing(t)
	out := w.IssueOne(t, "A-1")
	return w, out, w.Deliver(t, w.Agree(t, nil).ID)
}

// Results returns the results of a subject's access records, newest first.
func (w *World) Results(t testing.TB, s offer.Subject) []string {
	t.Helper()
	all, err := w.Readings.AccessRecords(t.Context(), s, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	results := []string{}
	for _, a := range all.Records {
		results = append(results, a.Result)
	}
	return results
}

// Recurring makes an active recurring grant of all that a subject has, sensitive
// parts too.
func (w *World) Recurring(t testing.TB, alter func(*grant.Consent)) grant.Grant {
	t.Helper()
	g := w.Agree(t, func(c *grant.Consent) {
		c.Recurring, c.Until = true, time.Now().Add(24*time.Hour)
		c.Chosen[0].Fields = append(c.Chosen[0].Fields, "fields/grade")
		if alter != nil {
			alter(c)
		}
	})
	return w.Deliver(t, g.ID).Grant
}

// OnPages returns the actor for a subject that looks at our pages.
func OnPages(s offer.Subject) audit.Actor {
	return audit.Actor{Client: "portal", Party: s.Party, RequestID: "r9"}
}

// LastEvent returns the last event of a license.
func (w *World) LastEvent(t testing.TB, id audit.ID) registry.Event {
	t.Helper()
	es := w.Events(t, id)
	return es[len(es)-1]
}

// KeptOnce issues a license of the Spouse's, of which the subject was the keeper
// in the version before the newest.
func (w *World) KeptOnce(t testing.TB, number string) registry.Issued {
	t.Helper()
	out := w.IssueTo(t, number, func(q *registry.IssueRequest) {
		keeper := q.Holders[0]
		keeper.Role = "keeper"
		ToSpouse(q)
		q.Holders = append(q.Holders, keeper)
	})
	q := Request(number)
	ToSpouse(&q)
	rep := registry.ReplaceRequest{Kind: license.Change, Reason: "变更", Number: q.Number, Holders: q.Holders, ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil, Fields: q.Fields}
	if _, err := w.Registry.Replace(t.Context(), Issuer, out.ID, rep, Seen(1)); err != nil {
		t.Fatal(err)
	}
	return out
}

// Many issues licenses with the numbers A-0001, A-0002 and so on, the newest last.
func (w *World) Many(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		w.IssueOne(t, fmt.Sprintf("A-%04d", i+1))
	}
}

// Ending returns a request that ends a license today.
func Ending() registry.EndRequest {
	today := party.DateOf(time.Now())
	return registry.EndRequest{
		Reason: "持证人申请", Kind: license.Cancelled, EffectiveFrom: today,
		Document: license.Document{Number: "样例〔2026〕1号", Date: today, Basis: "行政许可法第七十条"},
	}
}

// Suspension returns a request that suspends a license.
func Suspension() registry.SuspendRequest {
	return registry.SuspendRequest{Reason: "暂扣", Document: Ending().Document}
}

// Seen are the terms of a caller that saw a revision of the license.
func Seen(revision int64) registry.Terms { return registry.Terms{Revisions: []int64{revision}} }

// CachedStatus is a status source that says valid at once, without a look-up.
func CachedStatus(context.Context, string, int) (credential.StatusValue, error) {
	return credential.StatusValid, nil
}
