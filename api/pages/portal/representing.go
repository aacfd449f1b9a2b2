package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/session"
)

// Paths of the pages of who acts for whom.
const (
	representationsPath = "/representations"
	actPath             = "/representations/act"
	appointPath         = "/representations/new"

	purposeRepresenting = "representations"
)

// representing is the pages of who acts for whom.
type representing struct{ p *Portal }

// mount adds the pages.
func (r representing) mount(handle func(pattern string, h http.Handler)) {
	if r.p.c.Acting == nil {
		return
	}
	private := func(pattern string, n needs, h func(v *pages.Visit, who oidc.Session) error) {
		handle(pattern, r.p.private(n, "representations", h))
	}
	private("GET "+representationsPath, needs{assurance: seesLicenses}, r.p.inTurn(r.page))
	private("POST "+actPath, needs{assurance: seesLicenses}, r.act)
	private("GET "+actPath, needs{assurance: seesLicenses}, func(v *pages.Visit, _ oidc.Session) error { return v.Redirect(representationsPath) })
	private("POST "+representationsPath, r.changes(freshForm), r.change)
	private("GET "+appointPath, r.changes(freshPage), r.newPage)
	private("POST "+appointPath, r.changes(freshForm), r.appoint)
	private("GET /representations/change", r.changes(freshPage), func(v *pages.Visit, _ oidc.Session) error { return v.Redirect(representationsPath) })
}

// changes is what it needs to change who acts for whom.
func (representing) changes(age time.Duration) needs {
	n := changes(age)
	n.assurance, n.back = seesLicenses, representationsPath
	return n
}

// represented finds out for whom somebody acts on pages of ours, as of now, and has the page say so. Who doesn't act
// for somebody any more is told, and goes on for themself.
func (p *Portal) represented(v *pages.Visit, who *oidc.Session) error {
	if p.c.Behalf == nil {
		return nil
	}
	now, over, err := p.c.Behalf.Here(v.R.Context(), v.Browser, *who)
	if err != nil {
		return err
	}
	if who.Acting = now; now != nil {
		v.Frame.ActsFor = &web.ActsFor{Name: now.Principal.Name, Kind: string(now.Kind)}
	}
	if over != "" {
		v.Frame.Notice = "acting_over"
	}
	return nil
}

// unknown has the page say that it couldn't be found out for whom somebody acts, or may.
func unknown(v *pages.Visit, err error) {
	v.Frame.Notice = "acting_unknown"
	pages.Warn(v, "for whom somebody acts on pages of ours can't be found out", err)
}

// me is who is logged in, as package acting knows them.
func me(v *pages.Visit, who oidc.Session) acting.Me {
	return acting.Me{Account: who.Account, Party: who.Party, Assurance: int(who.Assurance), RequestID: v.Browser.RequestID}
}

// page shows for whom somebody may act, and who may act for them.
func (r representing) page(v *pages.Visit, who oidc.Session) error {
	return r.show(v, who, http.StatusOK, "")
}

func (r representing) show(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	ctx, m := v.R.Context(), me(v, who)
	choices, err := r.p.c.Acting.Choices(ctx, m, acting.Wanted{Act: acting.View})
	if err != nil {
		unknown(v, err)
	}
	mine, err := r.p.c.Acting.Mine(ctx, m)
	if err != nil {
		return err
	}
	v.Bind()
	view := web.Representations{
		Form: v.Token(purposeRepresenting), Act: v.Token(purposeRepresenting), Problem: wrong, Self: party.MaskName(who.Party.Name),
		Fresh: r.changes(freshPage).metBy(who),
	}
	view.Form.Action, view.Act.Action = representationsPath, actPath
	words := r.p.c.Views.Words(ctx, v.Lang)
	for i := range choices {
		c := views.ActingChoice(words, &choices[i])
		c.Current = who.Acting != nil && who.Acting.Principal.ID == choices[i].Principal.ID
		view.Choices = append(view.Choices, c)
	}
	for i := range mine {
		one := views.Representation(words, &mine[i], who.Party.ID)
		switch {
		case one.State == string(acting.Ended):
			view.Past = append(view.Past, one)
		case !one.Given && one.State == string(acting.Proposed):
			view.Asked = append(view.Asked, one)
		case one.Given:
			view.Given = append(view.Given, one)
		default:
			view.Mine = append(view.Mine, one)
		}
	}
	if view.Appoints = appoints(who); view.Appoints {
		if err := r.team(v, who, &view); err != nil {
			return err
		}
	}
	return v.Show(status, view)
}

// appoints reports whether somebody acts for an organization whose representatives they appoint.
func appoints(who oidc.Session) bool {
	return who.Acting != nil && (who.Acting.Kind == acting.LegalRepresentative || who.Acting.Kind == acting.Administrator)
}

// team adds who acts for the organization that somebody acts for.
func (r representing) team(v *pages.Visit, who oidc.Session, view *web.Representations) error {
	all, err := r.p.c.Acting.OfPrincipal(v.R.Context(), me(v, who), who.Acting)
	if err != nil {
		return err
	}
	words := r.p.c.Views.Words(v.R.Context(), v.Lang)
	for i := range all {
		a := &all[i]
		if a.State == acting.Ended || a.Kind == acting.LegalRepresentative || a.Representative.ID == who.Party.ID {
			continue
		}
		one := views.Representation(words, a, a.Principal.ID)
		one.Confirms = confirms(who, a)
		one.Ends = who.Acting.Kind == acting.LegalRepresentative || a.Kind == acting.Agent
		view.Confirms = view.Confirms || one.Confirms
		view.Team = append(view.Team, one)
	}
	return nil
}

// confirms reports whether a representation was made in the name of another legal representative, and the present one
// may let it go on.
func confirms(who oidc.Session, a *acting.Representation) bool {
	return who.Acting.Kind == acting.LegalRepresentative && a.Proof.Head != "" && a.Proof.Head != who.Party.ID &&
		!slices.Contains(a.Proof.Confirmed, who.Party.ID)
}

// act takes the form by which somebody says for whom they act on pages of ours.
func (r representing) act(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeRepresenting) {
		return r.show(v, who, http.StatusForbidden, "stale")
	}
	by := session.BySelf
	if key := form.Get("for"); key != session.BySelf {
		chosen, err := r.p.c.Acting.Choose(v.R.Context(), me(v, who), acting.Wanted{Act: acting.View}, key)
		if err != nil {
			return r.refused(v, who, err)
		}
		by = chosen.ID
	}
	if _, err := session.Act(v.R.Context(), r.p.c.Sessions, v.Browser, who.ID, "", by); errors.Is(err, oidc.ErrNoSession) {
		return v.Redirect(representationsPath)
	} else if err != nil {
		return err
	}
	return v.Redirect("/licenses")
}

// change takes the forms of the page: a representation is accepted, declined, given up, ended or confirmed.
func (r representing) change(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeRepresenting) {
		return r.show(v, who, http.StatusForbidden, "stale")
	}
	ctx, m, id := v.R.Context(), me(v, who), form.Get("id")
	notice := "representation_ended"
	switch form.Get("act") {
	case "accept":
		notice = "representation_accepted"
		_, err = r.p.c.Acting.Answer(ctx, m, id, true)
	case "decline":
		notice = "representation_declined"
		_, err = r.p.c.Acting.Answer(ctx, m, id, false)
	case "end": // as its representative, or by whom they were entrusted
		_, err = r.p.c.Acting.End(ctx, m, nil, id)
	case "dismiss":
		_, err = r.p.c.Acting.End(ctx, m, who.Acting, id)
	case "confirm":
		notice = "representation_confirmed"
		_, err = r.p.c.Acting.Confirm(ctx, m, who.Acting, id)
	case "confirm_all":
		notice = "representation_confirmed"
		err = r.confirmAll(ctx, m, who)
	default:
		return pages.ErrInput()
	}
	if err != nil {
		return r.refused(v, who, err)
	}
	v.Notify(notice)
	return v.Redirect(representationsPath)
}

// confirmAll lets all representations go on that a former legal representative made.
func (r representing) confirmAll(ctx context.Context, m acting.Me, who oidc.Session) error {
	if !appoints(who) {
		return &identity.Error{Reason: acting.ReasonMayNot, Detail: "Only the legal representative confirms."}
	}
	all, err := r.p.c.Acting.OfPrincipal(ctx, m, who.Acting)
	for i := range all {
		if err == nil && all[i].State != acting.Ended && confirms(who, &all[i]) {
			_, err = r.p.c.Acting.Confirm(ctx, m, who.Acting, all[i].ID)
		}
	}
	return err
}

// refused shows the page once more, with why.
func (r representing) refused(v *pages.Visit, who oidc.Session, err error) error {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return err
	}
	return r.show(v, who, http.StatusUnprocessableEntity, r.problem(e))
}

// problem returns the key of the text that says why.
func (r representing) problem(e *identity.Error) string {
	if !r.p.c.Web.Has("representations.problem." + string(e.Reason)) {
		return "other"
	}
	return string(e.Reason)
}

// newPage asks whom to appoint or to entrust.
func (r representing) newPage(v *pages.Visit, who oidc.Session) error {
	return r.showNew(v, who, http.StatusOK, nil, "")
}

// maxItems is how many service items the form lists. Others can't be named in it: leaving all out means all.
const maxItems = 60

// numbers are the types of the numbers by which people are named in the form.
var numbers = []string{string(party.Citizen), string(party.HongKongMacaoPermit), string(party.TaiwanPermit), string(party.Passport)}

// showNew shows the form, with what was sent of it; nil: nothing.
func (r representing) showNew(v *pages.Visit, who oidc.Session, status int, form url.Values, wrong string) error {
	view := web.Appointment{Form: v.Token(purposeRepresenting), Problem: wrong, Types: numbers, Name: strings.TrimSpace(form.Get("name")), Type: form.Get("type"), Number: form.Get("number"), Until: form.Get("until")}
	if appoints(who) {
		view.Organization = who.Acting.Principal.Name
		view.Kinds = []string{string(acting.Agent)}
		if who.Acting.Kind == acting.LegalRepresentative {
			view.Kinds = append(view.Kinds, string(acting.Administrator))
		}
	}
	for _, a := range acting.Acts() {
		view.Acts = append(view.Acts, web.Tick{Value: string(a), Checked: form == nil && a == acting.Apply || slices.Contains(form["acts"], string(a))})
	}
	view.Kind = form.Get("kind")
	items, err := r.p.c.Items.List(v.R.Context(), "", 2*maxItems)
	if err != nil {
		return err
	}
	for _, i := range items {
		h, err := r.p.c.Items.Heads(v.R.Context(), i.Code)
		if err != nil {
			return err
		}
		if now := h.Published(); now != nil && len(view.Items) < maxItems {
			view.Items = append(view.Items, web.Tick{Value: string(now.Code), Title: now.Names.In(string(v.Lang), now.Name), Checked: slices.Contains(form["items"], string(now.Code))})
		}
	}
	v.Bind()
	return v.Show(status, view)
}

// appoint takes the form of that page.
func (r representing) appoint(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form("acts", "items")
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeRepresenting) {
		return r.showNew(v, who, http.StatusForbidden, form, "stale")
	}
	if wait := r.p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 { // numbers must not be tried here
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	a, wrong := appointmentOf(form)
	if wrong != "" {
		return r.showNew(v, who, http.StatusUnprocessableEntity, form, wrong)
	}
	var as *acting.Acting
	if appoints(who) {
		as = who.Acting
	} else {
		a.Kind = acting.Entrusted
	}
	_, err = r.p.c.Acting.Propose(v.R.Context(), me(v, who), as, a)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return r.showNew(v, who, http.StatusUnprocessableEntity, form, r.problem(e))
	} else if err != nil {
		return err
	}
	v.Notify("representation_proposed")
	return v.Redirect(representationsPath)
}

// appointmentOf reads the form, or returns the key of the text that says what is wrong.
func appointmentOf(form url.Values) (a acting.Appointment, wrong string) {
	a = acting.Appointment{Kind: acting.Kind(form.Get("kind")), Name: strings.TrimSpace(form.Get("name"))}
	code, err := party.ParseCode(party.CodeType(form.Get("type")), form.Get("number"))
	if err != nil || !slices.Contains(numbers, form.Get("type")) {
		return a, "number"
	}
	a.Code = code
	if a.Name, err = party.ParseName(a.Name); err != nil {
		return a, "name"
	}
	for _, act := range form["acts"] {
		a.Bounds.Acts = append(a.Bounds.Acts, acting.Act(act))
	}
	if len(a.Bounds.Acts) == 0 {
		return a, "acts"
	}
	a.Bounds.Items = form["items"]
	if until := strings.TrimSpace(form.Get("until")); until != "" {
		if a.Bounds.Until, err = party.ParseDate(until); err != nil || a.Bounds.Until.Before(party.DateOf(time.Now())) {
			return a, "until"
		}
	}
	return a, ""
}
