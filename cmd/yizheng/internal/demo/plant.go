package demo

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"yizheng.internal/signing/pki"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/provider"
)

// planted is a sample participant as it is registered.
type planted struct {
	identity.Participant
	actor audit.Actor
}

// plant registers and issues the samples, and returns what a visitor needs to
// use them. It can be cut off anywhere and run again: what is there stays.
func (s samples) plant(ctx context.Context, in *install.Installation, ca *pki.CA, city *city) (demoFacts, error) {
	facts := demoFacts{Issuer: in.URL, MessagesURL: city.messagesURL()}
	byKey := map[string]planted{}
	for _, sp := range s.participants {
		p, client, err := sp.plant(ctx, in, ca, byKey[sp.Parent].ID)
		if err != nil {
			return facts, texts.Refuse("demo.sample", sp.Key, err)
		}
		byKey[sp.Key] = planted{p, audit.Actor{Client: client.ClientID, Participant: p.ID, USCC: string(p.USCC), RequestID: "demo"}}
		facts.Clients = append(facts.Clients, client)
	}
	for _, t := range s.types {
		if err := t.plant(ctx, in, byKey[s.participants[0].Key].actor); err != nil {
			return facts, texts.Refuse("demo.sample", t.Code, err)
		}
	}
	for _, l := range s.licenses {
		by, ok := byKey[l.By]
		if !ok {
			return facts, texts.Refuse("demo.no_owner", l.Key, l.By)
		}
		versions, err := l.plant(ctx, in.Library, by.actor)
		if err != nil {
			return facts, texts.Refuse("demo.sample", l.Key, err)
		}
		for _, v := range versions {
			facts.Licenses = append(facts.Licenses, demoLicense{v.ID, v.Identifier, v.VerificationCode, l.TypeCode})
		}
	}
	return facts, s.plantLogins(ctx, in, byKey, city, &facts)
}

// plant registers a participant with its key and its client.
func (sp sampleParticipant) plant(ctx context.Context, in *install.Installation, ca *pki.CA, parent string) (identity.Participant, demoClient, error) {
	p, err := in.Provider.Clients.FindParticipant(ctx, party.USCC(sp.USCC))
	if errors.Is(err, identity.ErrNotFound) {
		p, err = in.Provider.Clients.CreateParticipant(ctx, oidc.Actor{ID: install.Operator}, identity.Spec{
			USCC: sp.USCC, Name: sp.Name, Names: sp.Names, Class: sp.Class, AreaCode: sp.AreaCode, Level: sp.Level, Parent: parent,
		})
	}
	if err != nil {
		return p, demoClient{}, err
	}
	if _, err := in.Certify(ctx, ca, p); err != nil {
		return p, demoClient{}, err
	}
	c, err := plantClient(ctx, in.Provider, p, client.Spec{Name: sp.Client, Names: sp.Clients, Scopes: sp.Scopes})
	return p, c, err
}

// plantClient registers a participant's client, or gives that of an earlier
// try a new secret, for nobody has seen the old one.
func plantClient(ctx context.Context, provider *provider.Provider, p identity.Participant, spec client.Spec) (demoClient, error) {
	there, err := provider.Clients.ListClients(ctx, p.ID, "", command.PageSize)
	if err != nil {
		return demoClient{}, err
	}
	var c oidc.Client
	var secret oidc.Secret
	at := slices.IndexFunc(there, func(c oidc.Client) bool {
		return c.Name == spec.Name && slices.Equal(c.RedirectURIs, spec.RedirectURIs) && slices.Equal(c.ServiceItems, spec.ServiceItems)
	})
	if at >= 0 {
		c, secret, err = provider.Clients.RotateSecret(ctx, oidc.Actor{ID: install.Operator}, there[at].ID, 0)
	} else {
		spec.Participant = p.ID
		c, secret, err = provider.Clients.CreateClient(ctx, oidc.Actor{ID: install.Operator}, spec)
	}
	if err != nil {
		return demoClient{}, err
	}
	return demoClient{
		ClientID: c.ID, ClientSecret: secret.Reveal(), Participant: p.Name, Scopes: c.Scopes, RedirectURIs: append([]string{}, c.RedirectURIs...),
	}, nil
}

// plant defines and publishes a type.
func (t sampleType) plant(ctx context.Context, in *install.Installation, by audit.Actor) error {
	there, err := in.Library.Catalog().Types().Version(ctx, t.Code, 0)
	if e, ok := errors.AsType[*refusal.Error](err); err != nil && !(ok && e.Kind == refusal.KindMissing) {
		return err
	}
	if there.State == entry.Published {
		return nil
	}
	if _, _, err := in.Library.Catalog().Types().Put(ctx, by, t.Code, t.Definition); err != nil {
		return err
	}
	_, err = in.Library.Catalog().Types().Publish(ctx, by, t.Code)
	return err
}

// plant issues a license and does with it what the sample says. It returns
// the versions that were made, oldest first.
func (l sampleLicense) plant(ctx context.Context, r *library.Library, by audit.Actor) ([]registry.Issued, error) {
	q := l.request(party.DateOf(time.Now()))
	issued, err := r.Registry.Issue(ctx, by, q, "sample-"+l.Key)
	if err != nil {
		return nil, err
	}
	if l.Replace != nil {
		next, err := r.Registry.Replace(ctx, by, issued.ID, registry.ReplaceRequest{
			Kind: l.Replace.Kind, Reason: l.Replace.Reason, Number: q.Number, Holders: q.Holders,
			ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil, AreaCode: q.AreaCode, Fields: []byte(l.Replace.Fields),
		}, registry.Terms{Key: "sample-" + l.Key + "-2", Revisions: []int64{issued.Revision}})
		return []registry.Issued{issued, next}, err
	}
	return []registry.Issued{issued}, l.change(ctx, r, by, issued.ID)
}

// request returns what the authority asks for today.
func (l sampleLicense) request(today party.Date) registry.IssueRequest {
	from := today.AddMonths(l.FromMonths)
	q := registry.IssueRequest{
		TypeCode: l.TypeCode, Number: l.Number, Holders: l.Holders, AreaCode: l.AreaCode,
		ValidFrom: from, Fields: bytes.ReplaceAll(l.Fields, []byte(validFrom), []byte(from.String())),
	}
	if l.Months > 0 {
		q.ValidUntil = q.ValidFrom.AddMonths(l.Months).AddDays(-1)
	}
	return q
}

// change suspends or ends the license, if the sample says so and an earlier
// try hasn't done it.
func (l sampleLicense) change(ctx context.Context, r *library.Library, by audit.Actor, id audit.ID) error {
	if l.Suspend == nil && l.End == nil {
		return nil
	}
	now, err := r.Registry.Read(ctx, by, id, 0)
	if err != nil || now.State != license.Active {
		return err
	}
	today := party.DateOf(time.Now())
	if q := l.Suspend; q != nil {
		_, err = r.Registry.Suspend(ctx, by, id, registry.SuspendRequest{
			Reason: q.Reason, Document: license.Document{Number: q.Document.Number, Date: today, Basis: q.Document.Basis},
		}, registry.Terms{})
		return err
	}
	_, err = r.Registry.End(ctx, by, id, registry.EndRequest{
		Reason: l.End.Reason, Kind: l.End.Kind, EffectiveFrom: today,
		Document: license.Document{Number: l.End.Document.Number, Date: today, Basis: l.End.Document.Basis},
	}, registry.Terms{})
	return err
}
