package views

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/web"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
)

// recurringLife is how long a recurring grant lives that the holder agrees to
// on the consent page: as its text says.
const recurringLife = 30 * 24 * time.Hour

// Consent puts what is asked for into a page's words, with what a form has chosen already;
// nil: nothing yet. o is the offer of the step; nil: no licenses are asked for. It is cut to what a page may take.
func (s *Views) Consent(ctx context.Context, lang web.Language, asker web.Asker, step oidc.Step, o *offer.Offer, form url.Values) (web.Consent, error) {
	view, err := s.consent(ctx, lang, asker, step, o)
	if err != nil {
		return view, err
	}
	bound(&view)
	choose(&view, form)
	return view, nil
}

func (s *Views) consent(ctx context.Context, lang web.Language, asker web.Asker, step oidc.Step, o *offer.Offer) (web.Consent, error) {
	view := web.Consent{Asker: asker, ID: step.Consent.Form}
	if a := step.ActsFor; a != nil {
		view.ActsFor = &web.ActsFor{Name: a.Name, Kind: string(a.Kind)}
	}
	for _, scope := range step.Consent.Scopes {
		view.Scopes = append(view.Scopes, string(scope))
	}
	if o == nil {
		return view, nil
	}
	view.Shown = hex.EncodeToString(o.Hash[:])
	view.Until = strconv.FormatInt(time.Now().Add(recurringLife).Unix(), 10)
	words := s.Words(ctx, lang)
	view.Item = &web.ConsentItem{Name: words.called(o.Item.Name, o.Item.Names), Purpose: words.called(o.Item.Purpose, o.Item.Purposes)}
	if p := o.Proving; p != nil {
		n, err := words.name(p.License, p.Version, nil)
		if err != nil {
			return view, err
		}
		view.Proving, view.AsOf = n.name, p.AsOf
	}
	for _, m := range o.Materials {
		cm := web.ConsentMaterial{
			ID: m.Material.ID, Name: words.called(m.Material.Name, m.Material.Names), Relation: string(m.Material.Relation), Required: m.Material.Required, Outcome: string(m.Outcome),
			More: m.More, Find: m.Find, Basis: words.called(m.Material.LegalBasis, m.Material.LegalBasisIn),
		}
		if m.Outcome == offer.OutcomeEnded || m.Outcome == offer.OutcomeNotYet {
			cm.Ending, cm.From = string(m.EndingKind), m.From.String()
		}
		for i := range m.Licenses {
			l, err := words.consentLicense(&m, &m.Licenses[i])
			if err != nil {
				return view, err
			}
			cm.Licenses = append(cm.Licenses, l)
		}
		var cards []*web.Card
		for i := range cm.Licenses {
			cards = append(cards, &cm.Licenses[i].Card)
		}
		tellApart(cards)
		if m.Find != "" { // what was found says what it is, also if there is nothing to tell it from
			for _, c := range cards {
				c.Apart = first(c)
			}
		}
		view.Materials = append(view.Materials, cm)
	}
	return view, nil
}

// consentLicense shows a license that can serve as a material.
func (w *Words) consentLicense(m *offer.OfferedMaterial, l *offer.OfferedLicense) (web.ConsentLicense, error) {
	card, err := w.card(&l.License, l.Masked)
	if err != nil {
		return web.ConsentLicense{}, err
	}
	out := web.ConsentLicense{Card: card, Value: choiceValue(oidc.Choice{Material: m.Material.ID, License: string(l.ID), Version: l.Version.Version})}
	out.Closed, out.Withheld = l.Closed, withheldOf(l)
	for _, name := range l.Fields {
		part := w.part(&l.License, &card, name)
		if name == catalog.PartHolders && !l.Closed {
			part.Value = holdersBut(l)
		}
		if slices.Contains(l.Sensitive, name) {
			part.Reason = w.called(m.Material.Reasons[name], m.Material.ReasonsIn[name])
			out.Sensitive = append(out.Sensitive, part)
			continue
		}
		out.Parts = append(out.Parts, part)
	}
	return out, nil
}

// hasCode reports whether parts, below a license's holders, name the code of the i-th.
func hasCode(parts []string, i int) bool {
	return slices.Contains(parts, fmt.Sprintf("%s/%d/code", catalog.PartHolders, i))
}

// withheldOf returns the names of the holders whose codes aren't released.
func withheldOf(l *offer.OfferedLicense) (names []string) {
	for i, h := range l.Holders {
		if hasCode(l.Withheld, i) {
			names = append(names, h.Name)
		}
	}
	return names
}

// holdersBut shows the holders without the codes that aren't released, and masks those that the law releases without
// their holder's word.
func holdersBut(l *offer.OfferedLicense) string {
	var lines []string
	for i, h := range l.Holders {
		lines = append(lines, h.Name)
		switch {
		case hasCode(l.Withheld, i):
		case hasCode(l.Masked, i):
			lines = append(lines, party.Code{Type: h.CodeType, Value: h.Code}.Mask())
		default:
			lines = append(lines, h.Code)
		}
	}
	return strings.Join(lines, "\n")
}

// choose ticks what a form has chosen, or else, where a license is required and there is
// one, that.
func choose(view *web.Consent, form url.Values) {
	view.Recurring = form.Get("recurring") != ""
	for i := range view.Materials {
		m := &view.Materials[i]
		chosen := form.Get(fieldLicense + m.ID)
		m.None = chosen == noLicense
		for j := range m.Licenses {
			l := &m.Licenses[j]
			l.Checked = chosen == l.Value || form == nil && m.Required && !m.Choice()
			for k := range l.Sensitive {
				l.Sensitive[k].Checked = slices.Contains(form[FieldPart], l.Value+":"+l.Sensitive[k].Name)
			}
		}
	}
}

// maxApart is how many face fields tell a license from the others.
const maxApart = 2

// tellApart finds for each license the first face fields in which it differs
// from another one of its type, so that a person needn't open them all.
func tellApart(cards []*web.Card) {
	type cell struct{ typ, field, value string }
	same, ofType := map[cell]int{}, map[string]int{}
	for _, c := range cards {
		ofType[c.Type]++
		for _, f := range c.Fields {
			same[cell{c.Type, f.Name, f.Value}]++
		}
	}
	for _, c := range cards {
		for _, f := range c.Fields {
			if same[cell{c.Type, f.Name, f.Value}] < ofType[c.Type] && len(c.Apart) < maxApart {
				f.Value, _ = cut(f.Value, maxApartValue)
				c.Apart = append(c.Apart, f)
			}
		}
	}
}

// first returns what tells a license from others, or else its first face fields.
func first(c *web.Card) []web.Part {
	if len(c.Apart) > 0 {
		return c.Apart
	}
	apart := slices.Clone(c.Fields[:min(len(c.Fields), maxApart)])
	for i := range apart {
		apart[i].Value, _ = cut(apart[i].Value, maxApartValue)
	}
	return apart
}
