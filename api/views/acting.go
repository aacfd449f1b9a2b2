package views

import (
	"time"

	"yizheng.internal/api/web"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/session"
)

// Acting puts for whom somebody may act into a page's words.
func Acting(w *Words, step oidc.Step) web.Acting {
	a := step.Acting
	view := web.Acting{Demanded: string(a.Demanded), Over: string(a.Over)}
	if view.Over != "" && !w.c.Texts.Has("acting.over."+view.Over) {
		view.Over = string(acting.ReasonEnded)
	}
	if a.Self {
		view.Self = &web.ActingChoice{Key: session.BySelf, Name: party.MaskName(step.Session.Party.Name)}
	}
	for i := range a.Choices {
		view.Choices = append(view.Choices, ActingChoice(w, &a.Choices[i]))
	}
	return view
}

// ActingChoice puts somebody for whom a person may act into a page's words. Numbers of people are masked.
func ActingChoice(w *Words, c *acting.Choice) web.ActingChoice {
	out := web.ActingChoice{
		Key: c.Key, Name: c.Principal.Name, Kind: string(c.Kind), Code: c.Principal.Code.Value, Lapses: c.Lapses,
	}
	if !c.Kind.OfOrganization() {
		out.Code = c.Principal.Code.Mask()
	}
	if !c.Bounds.Until.IsZero() {
		out.Until = c.Bounds.Until.String()
	}
	if c.Fact != nil {
		out.Proof, out.AsOf = c.Fact.TypeName, time.Now()
		if t, err := w.typ(credential.TypeCode(c.Fact.Type), 0); err == nil {
			out.Proof = t.name
		} // or else it has the name that the license says
	}
	return out
}

// Representation puts a representation into a page's words, for one of its two parties: it names the other one. Numbers
// of people are masked.
func Representation(w *Words, a *acting.Representation, of string) web.Representation {
	one := web.Representation{
		ID: a.ID, Name: a.Principal.Name, Kind: string(a.Kind), State: string(a.State), Given: a.Principal.ID == of, EndedBy: string(a.EndedBy),
		Proof: a.Proof.Type != "", Evidence: a.Proof.Clerk != "", Created: a.Created, Updated: a.Updated,
	}
	other := a.Principal
	if one.Given {
		other = a.Representative
	}
	one.Name, one.Code = other.Name, other.Code.Value
	if other.Kind != identity.Organization {
		one.Code = other.Code.Mask()
	}
	for _, act := range a.Acts {
		one.Acts = append(one.Acts, string(act))
	}
	for _, item := range a.Items {
		one.Items = append(one.Items, w.item(catalog.ItemCode(item)))
	}
	if !a.From.IsZero() {
		one.From = a.From.String()
	}
	if !a.Until.IsZero() {
		one.Until = a.Until.String()
	}
	if one.EndedBy != "" && !w.c.Texts.Has("representation.ended."+one.EndedBy) {
		one.EndedBy = string(acting.ReasonEnded)
	}
	return one
}
