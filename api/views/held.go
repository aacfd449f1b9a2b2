package views

import (
	"strings"

	"yizheng.internal/api/web"
	"yizheng.internal/license/access"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
)

// HeldCards shows licenses that their holder looks at, with what tells them apart.
func (w *Words) HeldCards(all []offer.HeldLicense) (cards []web.Card, err error) {
	for i := range all {
		c, err := w.HeldCard(&all[i])
		if err != nil {
			return nil, err
		}
		cards = append(cards, c)
	}
	each := make([]*web.Card, len(cards))
	for i := range cards {
		each[i] = &cards[i]
	}
	tellApart(each)
	return cards, nil
}

// HeldCard shows a license that its holder looks at.
func (w *Words) HeldCard(l *offer.HeldLicense) (web.Card, error) {
	if l.AuthorityName != "" && w.lang == web.Chinese { // in others it is looked up
		w.participants["uscc:"+string(l.Authority)] = l.AuthorityName
	}
	c, err := w.card(&l.License, l.Masked)
	c.Unusable = string(l.Unusable)
	return c, err
}

// record shows a reading.
func (w *Words) record(a *access.Opened) (web.Record, error) {
	r := web.Record{
		At: a.At, Participant: w.participant(a.Participant), Client: w.client(a.Client), Item: w.item(a.Item), Case: a.Case,
		Basis: string(a.Basis), Result: a.Result, LicenseID: string(a.License), By: a.By,
	}
	if o := a.Officer; o != nil {
		r.Officer = strings.TrimSpace(o.Division + " " + o.Name)
	}
	n, err := w.name(a.License, a.Version, a.Fields)
	r.License, r.Parts, r.MoreParts = n.name, n.titles, n.more
	return r, err
}

// Records shows readings.
func (w *Words) Records(all []access.Opened) (shown []web.Record, err error) {
	for i := range all {
		r, err := w.record(&all[i])
		if err != nil {
			return nil, err
		}
		shown = append(shown, r)
	}
	return shown, nil
}

// Grant shows what somebody agreed to.
func (w *Words) Grant(g *grant.Grant) (web.Grant, error) {
	out := web.Grant{
		ID: string(g.ID), Participant: w.participant(g.Participant), Client: w.client(g.Client), Item: w.item(g.Item), Case: g.Case,
		State: string(g.State), EndedBy: g.EndedBy, Recurring: g.Recurring, Created: g.Created, Until: g.Until, Ended: g.Ended, By: g.By,
	}
	for _, c := range g.Licenses {
		n, err := w.name(c.License, c.Version, c.Fields)
		if err != nil {
			return out, err
		}
		out.Licenses = append(out.Licenses, web.GrantLicense{ID: string(c.License), Type: n.name, Parts: n.titles, MoreParts: n.more})
	}
	return out, nil
}
