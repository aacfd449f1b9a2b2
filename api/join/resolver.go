// Package join joins the two halves: what the provider asks about licenses while somebody
// logs in, the license library answers. It alone knows both, puts the one's words into the
// other's, and turns refusals of licenses into errors of OAuth.
package join

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
)

// Config says what a Resolver works with.
type Config struct {
	Asks   *offer.Service  // finds what can be granted of what a client asks for
	Grants *grants.Service // keeps what holders agreed to, and delivers it
	// Turns are of those who look for licenses. Default: as many as there are processors.
	Turns *limit.Holders
}

// Resolver implements [oidc.Resolver]. Safe for concurrent use.
type Resolver struct{ c Config }

// New checks c and returns what finds and delivers the licenses that authorization
// requests ask for.
func New(c Config) (*Resolver, error) {
	if c.Asks == nil || c.Grants == nil {
		return nil, errors.New("join: Config needs Asks and Grants")
	}
	if c.Turns == nil {
		c.Turns = limit.NewHolders(runtime.GOMAXPROCS(0))
	}
	return &Resolver{c}, nil
}

// askerOf is who asks for licenses: the client, while the person is there.
func askerOf(f oidc.DetailFacts) audit.Actor {
	return audit.Actor{
		Client: f.Client.ID, Participant: f.Participant.ID, USCC: string(f.Participant.USCC),
		RequestID: f.RequestID, Party: f.Party.ID,
	}
}

// actorOf is a client that acts alone.
func actorOf(ctx context.Context, c oidc.Client) audit.Actor {
	return audit.Actor{Client: c.ID, Participant: c.Participant, RequestID: problem.RequestID(ctx)}
}

// registered checks that the client is registered for an item, and records if it isn't, or if
// its detail could not be read.
func (j *Resolver) registered(ctx context.Context, c oidc.Client, a audit.Actor, item catalog.ItemCode, unread error) error {
	err := unread
	if err == nil && !slices.Contains(c.ServiceItems, string(item)) {
		err = refusal.Invalid("item_unregistered", "The client is not registered for this service item. Ask the operator.")
	}
	if e, ok := errors.AsType[*refusal.Error](err); ok {
		if err := j.c.Asks.Refused(ctx, a, string(e.Reason)); err != nil {
			return joinError(err)
		}
	}
	return joinError(err)
}

// Read implements [oidc.Resolver].
func (j *Resolver) Read(ctx context.Context, c oidc.Client, detail jsontext.Value) (oidc.Detail, error) {
	a := actorOf(ctx, c)
	q, err := offer.ParseAsk(detail)
	if err := j.registered(ctx, c, a, q.Item, err); err != nil {
		return oidc.Detail{}, err
	}
	if _, err = j.c.Asks.CheckAsk(ctx, a, q); err != nil {
		return oidc.Detail{}, joinError(err)
	}
	return readOf(q), nil
}

// begin returns a detail in the library's words, and waits until this person and client may
// look for licenses: leave says that they are done. The client's registration is checked
// again, for it may have changed since the detail was read.
func (j *Resolver) begin(ctx context.Context, f oidc.DetailFacts, d oidc.Detail) (q offer.Ask, leave func(), err error) {
	q = askOf(d)
	if err := j.registered(ctx, f.Client, askerOf(f), q.Item, nil); err != nil {
		return offer.Ask{}, nil, err
	}
	leave, err = j.c.Turns.Enter(ctx, f.Party.ID, f.Client.ID)
	return q, leave, err
}

// Describe implements [oidc.Resolver]. What it returns is for [OfferOf].
func (j *Resolver) Describe(ctx context.Context, f oidc.DetailFacts, d oidc.Detail, find map[string]string) (oidc.Offer, error) {
	q, leave, err := j.begin(ctx, f, d)
	if err != nil {
		return nil, err
	}
	defer leave()
	o, err := j.c.Asks.Offer(ctx, askerOf(f), q, Subject(f.Party, f.Assurance, f.Acting, f.Kin), find)
	if err != nil {
		return nil, askError(err)
	}
	return offered{&o}, nil
}

// Grant implements [oidc.Resolver].
func (j *Resolver) Grant(ctx context.Context, f oidc.DetailFacts, d oidc.Detail, a oidc.Agreement) (string, error) {
	q, leave, err := j.begin(ctx, f, d)
	if err != nil {
		return "", err
	}
	defer leave()
	c := grants.Consent{
		Form: a.Form, Session: f.Session, Request: f.Request, Shown: a.Shown, Find: a.Find,
		Channel: grants.ChannelOnline, Until: a.Until, Recurring: a.Recurring,
	}
	for _, l := range a.Chosen {
		c.Chosen = append(c.Chosen, offer.ChosenLicense{Material: l.Material, License: audit.ID(l.License), Version: l.Version, Fields: l.Fields})
	}
	g, err := j.c.Grants.Agree(ctx, askerOf(f), q, Subject(f.Party, f.Assurance, f.Acting, f.Kin), c)
	if e, ok := errors.AsType[*refusal.Error](err); ok && e.Kind == refusal.KindInvalid && !itemChanged[e.Reason] || ok && e.Reason == refusal.ReasonConsentUsed {
		return "", &oidc.Error{Code: oidc.InvalidRequest, Description: oauthText(e), Reason: oidc.Reason(e.Reason), Err: e} // the form's fault, not the client's
	}
	if err != nil {
		return "", askError(err)
	}
	return string(g.ID), nil
}

// Reuse implements [oidc.Resolver].
func (j *Resolver) Reuse(ctx context.Context, f oidc.DetailFacts, d oidc.Detail) (string, error) {
	q, leave, err := j.begin(ctx, f, d)
	if err != nil {
		return "", err
	}
	defer leave()
	id, err := j.c.Grants.Reusable(ctx, askerOf(f), q, Subject(f.Party, f.Assurance, f.Acting, f.Kin))
	return string(id), askError(err)
}

// Deliver implements [oidc.Resolver].
func (j *Resolver) Deliver(ctx context.Context, c oidc.Client, grant string, code [32]byte) (jsontext.Value, error) {
	d, err := j.c.Grants.Deliver(ctx, actorOf(ctx, c), grants.ID(grant), code)
	if err != nil {
		return nil, joinError(err)
	}
	details, err := json.Marshal([]grantedDetail{detailOf(d)}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encoding what grant %s delivers: %w", grant, err)
	}
	return details, nil
}

// Live implements [oidc.Resolver].
func (j *Resolver) Live(ctx context.Context, grant string) (bool, error) {
	g, err := j.c.Grants.State(ctx, grants.ID(grant))
	if e, ok := errors.AsType[*refusal.Error](err); ok && e.Kind == refusal.KindMissing {
		return false, nil
	}
	return err == nil && g.State == grants.Active, joinError(err)
}

// endedBy says in the library's words why the provider ends a grant.
var endedBy = map[string]string{oidc.GrantCodeReuse: grants.EndedByReuse, oidc.GrantTokenRevoked: grants.EndedByToken}

// Revoke implements [oidc.Resolver].
func (j *Resolver) Revoke(ctx context.Context, c oidc.Client, grant, reason string) error {
	return joinError(j.c.Grants.Revoke(ctx, actorOf(ctx, c), grants.ID(grant), endedBy[reason]))
}
