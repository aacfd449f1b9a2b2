package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/problem"
	"yizheng.internal/license"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
)

// resolver joins the two halves: what the provider asks of a [oidc.Resolver],
// the registry answers.
type resolver struct {
	registry *license.Registry
	turns    *limit.Holders
}

// NewResolver returns what finds and delivers the licenses that authorization
// requests ask for. The View of its descriptions is a *license.Offer.
func NewResolver(r *license.Registry) oidc.Resolver {
	return &resolver{r, limit.NewHolders(runtime.GOMAXPROCS(0))}
}

// portal stands in events where a client would, for what a person does on pages
// of ours.
const portal = "portal"

// holderActor is who the registry records as acting when a person looks at
// licenses and grants on pages of ours, or changes them.
func holderActor(ctx context.Context, party string) license.Actor {
	return license.Actor{Client: portal, Party: party, RequestID: problem.RequestID(ctx)}
}

// subjectOf is a person who is logged in, as the registry wants to know them:
// licenses are found by all codes that they have or had.
func subjectOf(p identity.Party, assurance int) license.Subject {
	return license.Subject{Party: p.ID, Codes: p.AllCodes(), Assurance: assurance}
}

// askerOf is who asks for licenses: the client, while the person is there.
func askerOf(f oidc.DetailFacts) license.Actor {
	return license.Actor{
		Client: f.Client.ID, Participant: f.Participant.ID, USCC: string(f.Participant.USCC),
		RequestID: f.RequestID, Party: f.Party.ID,
	}
}

// actorOf is a client that acts alone.
func actorOf(ctx context.Context, c oidc.Client) license.Actor {
	return license.Actor{Client: c.ID, Participant: c.Participant, RequestID: problem.RequestID(ctx)}
}

// takeTurn waits for somebody's turn to look for licenses. Whoever gets none is shown a page
// that says so.
func takeTurn(ctx context.Context, turns *limit.Holders, person, client string) (leave func(), err error) {
	leave, err = turns.Enter(ctx, person, client)
	if errors.Is(err, limit.ErrBusy) {
		return nil, problem.Later(http.StatusServiceUnavailable, "unavailable", "", problem.RetrySoon)
	}
	return leave, err
}

// ask reads a detail and checks that the client is registered for its item.
func (j *resolver) ask(ctx context.Context, c oidc.Client, a license.Actor, detail jsontext.Value) (license.Ask, error) {
	q, err := license.ParseAsk(detail)
	if err == nil && !slices.Contains(c.ServiceItems, string(q.Item)) {
		err = &refusal.Error{Kind: refusal.KindInvalid, Reason: "item_unregistered", Detail: "The client is not registered for this service item. Ask the operator."}
	}
	if e, ok := errors.AsType[*refusal.Error](err); ok {
		if err := j.registry.Refused(ctx, a, license.ActionOffer, "", e.Reason); err != nil {
			return license.Ask{}, joinError(err)
		}
		return license.Ask{}, joinError(e)
	}
	return q, joinError(err)
}

// Check implements [oidc.Resolver].
func (j *resolver) Check(ctx context.Context, c oidc.Client, detail jsontext.Value) error {
	a := actorOf(ctx, c)
	q, err := j.ask(ctx, c, a, detail)
	if err != nil {
		return err
	}
	_, err = j.registry.CheckAsk(ctx, a, q)
	return joinError(err)
}

// Describe implements [oidc.Resolver].
func (j *resolver) Describe(ctx context.Context, f oidc.DetailFacts, detail jsontext.Value, find map[string]string) (oidc.Description, error) {
	q, err := j.ask(ctx, f.Client, askerOf(f), detail)
	if err != nil {
		return oidc.Description{}, err
	}
	leave, err := takeTurn(ctx, j.turns, f.Party.ID, f.Client.ID)
	if err != nil {
		return oidc.Description{}, err
	}
	defer leave()
	o, err := j.registry.Offer(ctx, askerOf(f), q, subjectOf(f.Party, f.Assurance), find)
	if err != nil {
		return oidc.Description{}, joinError(err)
	}
	return oidc.Description{Shown: o.Hash, View: &o}, nil
}

// Grant implements [oidc.Resolver].
func (j *resolver) Grant(ctx context.Context, f oidc.DetailFacts, detail jsontext.Value, a oidc.Agreement) (string, error) {
	q, err := j.ask(ctx, f.Client, askerOf(f), detail)
	if err != nil {
		return "", err
	}
	c := license.Consent{
		Form: a.Form, Session: f.Session, Request: f.Request, Shown: a.Shown, Find: a.Find,
		Channel: license.ChannelOnline, Until: a.Until, Recurring: a.Recurring,
	}
	for _, l := range a.Chosen {
		c.Chosen = append(c.Chosen, license.ChosenLicense{Material: l.Material, License: license.ID(l.License), Version: l.Version, Fields: l.Fields})
	}
	leave, err := takeTurn(ctx, j.turns, f.Party.ID, f.Client.ID)
	if err != nil {
		return "", err
	}
	defer leave()
	g, err := j.registry.Agree(ctx, askerOf(f), q, subjectOf(f.Party, f.Assurance), c)
	if e, ok := errors.AsType[*refusal.Error](err); ok && e.Kind == refusal.KindInvalid && !itemChanged[e.Reason] || ok && e.Reason == "consent_used" {
		return "", &oidc.Error{Code: oidc.InvalidRequest, Description: oauthText(e), Reason: e.Reason, Err: e} // the form's fault, not the client's
	}
	if err != nil {
		return "", joinError(err)
	}
	return string(g.ID), nil
}

// Reuse implements [oidc.Resolver].
func (j *resolver) Reuse(ctx context.Context, f oidc.DetailFacts, detail jsontext.Value) (string, error) {
	q, err := j.ask(ctx, f.Client, askerOf(f), detail)
	if err != nil {
		return "", err
	}
	leave, err := takeTurn(ctx, j.turns, f.Party.ID, f.Client.ID)
	if err != nil {
		return "", err
	}
	defer leave()
	id, err := j.registry.Reusable(ctx, askerOf(f), q, subjectOf(f.Party, f.Assurance))
	return string(id), joinError(err)
}

// Deliver implements [oidc.Resolver].
func (j *resolver) Deliver(ctx context.Context, c oidc.Client, grant string, code [32]byte) (jsontext.Value, error) {
	d, err := j.registry.Deliver(ctx, actorOf(ctx, c), license.GrantID(grant), code)
	if err != nil {
		return nil, joinError(err)
	}
	details, err := json.Marshal([]grantedDetail{detailOf(d)}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding what grant %s delivers: %w", grant, err)
	}
	return details, nil
}

// grantedDetail is an authorization detail as it was granted (RFC 9396 section
// 7). It holds use codes: only the token endpoint's answer ever has it.
type grantedDetail struct {
	Type      string            `json:"type"`
	Item      license.ItemCode  `json:"service_item"`
	Case      string            `json:"case"`
	Grant     license.GrantID   `json:"grant_id"`
	Expires   time.Time         `json:"expires"`
	Materials []grantedMaterial `json:"materials"`
}

// grantedMaterial says what became of one material.
type grantedMaterial struct {
	license.DeliveredMaterial
	UseCode string `json:"use_code,omitempty"`
}

func detailOf(d license.Delivery) grantedDetail {
	g := grantedDetail{
		Type: license.AskType, Item: d.Grant.Item, Case: d.Grant.Case, Grant: d.Grant.ID,
		Expires: d.Grant.Until.UTC().Truncate(time.Second), Materials: make([]grantedMaterial, 0, len(d.Materials)),
	}
	for _, m := range d.Materials {
		code := m.UseCode.Reveal()
		m.UseCode = license.UseCode{}
		g.Materials = append(g.Materials, grantedMaterial{m, code})
	}
	return g
}

// Live implements [oidc.Resolver].
func (j *resolver) Live(ctx context.Context, grant string) (bool, error) {
	g, err := j.registry.State(ctx, license.GrantID(grant))
	if e, ok := errors.AsType[*refusal.Error](err); ok && e.Kind == refusal.KindMissing {
		return false, nil
	}
	return err == nil && g.State == license.GrantActive, joinError(err)
}

// Revoke implements [oidc.Resolver].
func (j *resolver) Revoke(ctx context.Context, c oidc.Client, grant, reason string) error {
	ended := map[string]string{oidc.GrantCodeReuse: license.EndedByReuse, oidc.GrantTokenRevoked: license.EndedByToken}[reason]
	return joinError(j.registry.Revoke(ctx, actorOf(ctx, c), license.GrantID(grant), ended))
}

// joinError maps what the registry says to what the provider knows. Of a fault
// it tells the client nothing.
func joinError(err error) error {
	if errors.Is(err, license.ErrUnavailable) {
		return &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: "the service can not answer now; try again shortly", Err: err}
	}
	e, ok := errors.AsType[*refusal.Error](err)
	if !ok {
		return err
	}
	out := &oidc.Error{Code: oidc.InvalidGrant, Description: oauthText(e), Reason: e.Reason, Err: e}
	switch {
	case e.Reason == oidc.ErrShownChanged.Reason:
		return oidc.ErrShownChanged
	case e.Reason == oidc.ErrRefusedAll.Reason:
		return oidc.ErrRefusedAll
	case e.Reason == "assurance_too_low":
		out.Code = oidc.UnmetAuthenticationRequirements
	case e.Kind == refusal.KindInvalid:
		out.Code = oidc.InvalidAuthorizationDetails
	}
	return out
}

// itemChanged are reasons for refusing a detail that was good when it came in:
// its item is another one now.
var itemChanged = map[string]bool{
	"item_unknown": true, "ask_outside": true, "ask_large": true, "material_unknown": true, "type_outside": true, "field_outside": true,
}

// oauthText says what is wrong in the characters that RFC 6749 section 5.2
// allows. A first violation is named by its place; neither names a value.
func oauthText(e *refusal.Error) string {
	s := e.Detail
	if len(e.Violations) > 0 {
		v := e.Violations[0]
		if place := v.Pointer + " " + v.Message; s != place { // a single one may be the detail itself
			s = strings.TrimSuffix(strings.TrimSuffix(s, "; see violations."), ".") + ": " + place
		}
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return -1
		}
		return c
	}, strings.TrimSuffix(s, "."))
}
