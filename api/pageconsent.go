package api

import (
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/web"
	"yizheng.internal/license"
	"yizheng.internal/oidc"
)

// recurringLife is how long a recurring grant lives that the holder agrees to
// on the consent page: as its text says.
const recurringLife = 30 * 24 * time.Hour

// consentPage asks for consent.
func (s *Server) consentPage(v *visit) error {
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepConsent {
		return v.onward(step, err)
	}
	return v.showConsent(step, http.StatusOK, "", nil)
}

// showConsent shows what is asked for, with what a form has chosen already; nil: nothing yet.
func (v *visit) showConsent(step oidc.Step, status int, wrong string, form url.Values) error {
	v.frame.Quiet = true
	view, err := v.consentView(step)
	if err != nil {
		return err
	}
	bound(&view)
	choose(&view, form)
	view.Form, view.Problem = v.token(purposeConsent), wrong
	return v.show(status, view)
}

// consentView puts what is asked for into a page's words.
func (v *visit) consentView(step oidc.Step) (web.Consent, error) {
	view := web.Consent{Asker: *v.requestAsker(step.Request), ID: step.Consent.Form}
	for _, scope := range step.Consent.Scopes {
		view.Scopes = append(view.Scopes, string(scope))
	}
	if step.Consent.Detail == nil {
		return view, nil
	}
	view.Shown = hex.EncodeToString(step.Consent.Detail.Shown[:])
	offer, ok := step.Consent.Detail.View.(*license.Offer)
	if !ok {
		return view, nil
	}
	view.Until = strconv.FormatInt(time.Now().Add(recurringLife).Unix(), 10)
	words := v.s.newWords(v.r.Context(), v.lang)
	view.Item = &web.ConsentItem{Name: words.called(offer.Item.Name, offer.Item.Names), Purpose: words.called(offer.Item.Purpose, offer.Item.Purposes)}
	for _, m := range offer.Materials {
		cm := web.ConsentMaterial{
			ID: m.Material.ID, Name: words.called(m.Material.Name, m.Material.Names), Relation: string(m.Material.Relation), Required: m.Material.Required, Outcome: string(m.Outcome),
			More: m.More, Find: m.Find,
		}
		if m.Outcome == license.OutcomeEnded || m.Outcome == license.OutcomeNotYet {
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
func (w *words) consentLicense(m *license.OfferedMaterial, l *license.OfferedLicense) (web.ConsentLicense, error) {
	card, err := w.card(&l.License)
	if err != nil {
		return web.ConsentLicense{}, err
	}
	out := web.ConsentLicense{Card: card, Value: choiceValue(oidc.Choice{Material: m.Material.ID, License: string(l.ID), Version: l.Version.Version})}
	for _, name := range l.Fields {
		part := w.part(&l.License, &card, name)
		if slices.Contains(l.Sensitive, name) {
			part.Reason = w.called(m.Material.Reasons[name], m.Material.ReasonsIn[name])
			out.Sensitive = append(out.Sensitive, part)
			continue
		}
		out.Parts = append(out.Parts, part)
	}
	return out, nil
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
				l.Sensitive[k].Checked = slices.Contains(form[fieldPart], l.Value+":"+l.Sensitive[k].Name)
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

// choiceValue writes which license a field of the form chooses.
func choiceValue(c oidc.Choice) string {
	return c.Material + ":" + c.License + ":" + strconv.Itoa(c.Version)
}

// parseChoice reads what choiceValue wrote, and the part behind it, if one is there.
func parseChoice(s string) (c oidc.Choice, part string, ok bool) {
	fields := strings.SplitN(s, ":", 4)
	if len(fields) < 3 {
		return oidc.Choice{}, "", false
	}
	n, err := strconv.Atoi(fields[2])
	if err != nil || n < 1 {
		return oidc.Choice{}, "", false
	}
	if len(fields) == 4 {
		part = fields[3]
	}
	return oidc.Choice{Material: fields[0], License: fields[1], Version: n}, part, true
}

// Names of the consent form's fields.
const (
	fieldLicense = "license-" // and the material: the license chosen for it, or none
	fieldPart    = "part"     // a part of a license, which is read if that is chosen
	fieldChoose  = "choose"   // a material for which something must be chosen
	fieldFind    = "find-"    // and the material: what is to be looked for
	fieldFound   = "found-"   // and the material: what the page was shown for
	noLicense    = "none"
)

// decisionOf reads a consent form. What it holds is as the browser sent it: the
// registry checks it against what it offers.
func decisionOf(form url.Values) (d oidc.Decision, ok bool) {
	d.Form = form.Get("form")
	a := &d.Agreement
	a.Form, a.Find = d.Form, formValues(form, fieldFound)
	if shown := form.Get("shown"); shown != "" {
		b, err := hex.DecodeString(shown)
		if err != nil || len(b) != len(a.Shown) {
			return d, false
		}
		copy(a.Shown[:], b)
	}
	switch form.Get("act") {
	case "refuse":
		d.Refused = true
		return d, true
	case "paper":
		return d, true
	case "approve":
	default:
		return d, false
	}
	for material, value := range formValues(form, fieldLicense) {
		if value == noLicense {
			continue
		}
		c, part, good := parseChoice(value)
		if !good || part != "" || c.Material != material {
			return d, false
		}
		a.Chosen = append(a.Chosen, c)
	}
	slices.SortFunc(a.Chosen, func(x, y oidc.Choice) int { return strings.Compare(x.Material, y.Material) })
	for _, value := range form[fieldPart] {
		c, part, good := parseChoice(value)
		if !good || part == "" {
			return d, false
		}
		i := slices.IndexFunc(a.Chosen, func(x oidc.Choice) bool {
			return x.Material == c.Material && x.License == c.License && x.Version == c.Version
		})
		if i >= 0 {
			a.Chosen[i].Fields = append(a.Chosen[i].Fields, part)
		}
	}
	if until := form.Get("recurring"); until != "" && len(a.Chosen) > 0 {
		seconds, err := strconv.ParseInt(until, 10, 64)
		if err != nil {
			return d, false
		}
		// As the form says, so that two clicks agree to the same: a time that the
		// person altered is theirs, and the registry has its limit.
		a.Recurring, a.Until = true, time.Unix(seconds, 0).UTC()
	}
	return d, true
}

// undecided reports whether nothing was chosen where something must be.
func undecided(form url.Values) bool {
	return slices.ContainsFunc(form[fieldChoose], func(material string) bool { return form.Get(fieldLicense+material) == "" })
}

// decide takes the form of the consent's page. It doesn't look first what comes
// next: of two clicks the second one must get the same answer as the first.
func (s *Server) decide(v *visit) error {
	form, err := v.formOf(maxAgreed, fieldPart, fieldChoose)
	if err != nil {
		return err
	}
	found := formValues(form, fieldFound)
	again := func(status int, wrong string) error {
		step, err := v.nextFor(found)
		if err != nil || step.Kind != oidc.StepConsent {
			return v.onward(step, err)
		}
		return v.showConsent(step, status, wrong, form)
	}
	if !v.checked(form, purposeConsent) {
		return again(http.StatusForbidden, "stale")
	}
	switch form.Get("act") {
	case "cancel":
		return v.cancel()
	case "find":
		found = formValues(form, fieldFind)
		return again(http.StatusOK, "")
	}
	d, ok := decisionOf(form)
	if !ok {
		return errInput()
	}
	if form.Get("act") == "approve" && undecided(form) {
		return again(http.StatusUnprocessableEntity, "choose")
	}
	step, err := s.c.Provider.Decide(v.r.Context(), v.request, v.browser, d)
	if err == nil && step.Kind == oidc.StepConsent {
		v.allow(step.Request.RedirectURI)
		return v.showConsent(step, http.StatusConflict, "changed", form)
	}
	return v.onward(step, err)
}
