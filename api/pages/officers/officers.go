// Package officers is the pages about posts: one's own 我的岗位, and for the administrators of a
// participant those of its officers 工作人员.
package officers

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
)

// Handler is a page for somebody who is logged in.
type Handler = func(v *pages.Visit, who oidc.Session) error

// Config says what the pages work with. All of it is required.
type Config struct {
	Officers *officer.Service
	Web      *web.Pages
	// Private makes a page for people who are logged in with two factors, and with an identity that is
	// proofed as well. With an age, they logged in no longer ago than that, as well as they can.
	Private func(age time.Duration, h Handler) http.Handler
}

// Pages serves the pages. Safe for concurrent use.
type Pages struct{ c Config }

// New returns the pages.
func New(c Config) *Pages { return &Pages{c} }

// Paths of the pages.
const (
	postsPath    = "/posts"
	officersPath = "/officers"
	appointPath  = "/officers/appoint"
)

// What changes a post is for who logged in just now, as what changes an account is.
const (
	freshPage = 10 * time.Minute
	freshForm = 20 * time.Minute
)

// Purposes of forms' tokens.
const (
	purposePost    = "posts"
	purposeOfficer = "officers"
)

// Mount adds the pages.
func (p *Pages) Mount(handle func(pattern string, h http.Handler)) {
	handle("GET "+postsPath, p.c.Private(0, p.mine))
	handle("GET "+postsPath+"/{id}", p.c.Private(freshPage, p.myPost))
	handle("POST "+postsPath+"/{id}", p.c.Private(freshForm, p.answer))
	handle("GET "+officersPath, p.c.Private(0, p.list))
	handle("POST "+officersPath, p.c.Private(0, p.find))
	handle("GET "+appointPath, p.c.Private(freshPage, p.appointPage))
	handle("POST "+appointPath, p.c.Private(freshForm, p.appoint))
	handle("GET "+officersPath+"/{id}", p.c.Private(freshPage, p.post))
	handle("POST "+officersPath+"/{id}", p.c.Private(freshForm, p.decide))
}

// caller is who is logged in, as they act.
func caller(v *pages.Visit, who oidc.Session) officer.Caller {
	return officer.Caller{Actor: who.Account, Party: who.Party.ID, Assurance: int(who.Assurance), RequestID: v.Browser.RequestID}
}

// nowhere is the answer to whatever isn't somebody's to see.
func nowhere() error { return problem.Refuse(http.StatusNotFound, "not_found", "") }

// hidden returns what is shown instead of a refusal: that there is nothing.
func hidden(err error) error {
	if _, refused := errors.AsType[*identity.Error](err); refused {
		return nowhere()
	}
	return err
}

// refusal returns how a refusal is shown beside a form, or the error itself if it is none.
func (p *Pages) refusal(err error) (key string, other error) {
	e, refused := errors.AsType[*identity.Error](err)
	switch {
	case !refused:
		return "", err
	case p.c.Web.Has("officer.problem." + string(e.Reason)):
		return string(e.Reason), nil
	}
	return "other", nil
}

// shown returns a post as pages show it.
func shown(s officer.Seen, lang web.Language) web.Post {
	p := web.Post{
		ID: s.ID, Name: s.Name, Participant: s.In.Names.In(string(lang), s.In.Name), Division: s.Division, Staff: s.StaffNumber,
		CodeType: string(s.Code.Type), Code: s.Code.Mask(), From: s.From.String(), Appointed: s.Appointed.At, Accepted: s.AcceptedAt, Ended: s.EndedBy.At,
		Tone: "wait",
	}
	if !s.Until.IsZero() {
		p.Until = s.Until.String()
	}
	for _, r := range s.Roles {
		p.Roles = append(p.Roles, string(r))
	}
	switch {
	case s.State == officer.Ended:
		p.State, p.Tone = string(s.Ending), "past"
	case s.Lapsed(time.Now()):
		p.State, p.Tone = "lapsed", "past"
	case s.Waits():
		p.State = "waiting"
	case s.State == officer.Proposed:
		p.State = "offered"
	case s.Over != "":
		p.State = string(s.Over)
	default:
		p.State, p.Tone = "active", "good"
	}
	return p
}

// mine shows somebody's own posts.
func (p *Pages) mine(v *pages.Visit, who oidc.Session) error {
	all, err := p.c.Officers.Mine(v.R.Context(), who.Party.ID)
	if err != nil {
		return err
	}
	var view web.Posts
	for _, s := range all {
		view.Posts = append(view.Posts, shown(s, v.Lang))
		view.Administer = view.Administer || s.State == officer.Accepted && s.Over == "" && s.Has(officer.Administrator)
	}
	return v.Show(http.StatusOK, view)
}

// myPost shows one of them.
func (p *Pages) myPost(v *pages.Visit, who oidc.Session) error {
	return p.showMine(v, who, http.StatusOK, "")
}

func (p *Pages) showMine(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	all, err := p.c.Officers.Mine(v.R.Context(), who.Party.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s officer.Seen) bool { return s.ID == v.R.PathValue("id") })
	if i < 0 {
		return nowhere()
	}
	v.Bind()
	s := all[i]
	return v.Show(status, web.OnePost{
		Form: v.Token(purposePost), Post: shown(s, v.Lang), Revision: s.Revision, Mine: true,
		Accept: s.State == officer.Proposed, Leave: s.State == officer.Accepted, Problem: wrong,
	})
}

// answer takes the form of that page: somebody accepts a post, declines it or gives it up.
func (p *Pages) answer(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposePost) {
		return p.showMine(v, who, http.StatusForbidden, "stale")
	}
	revision, err := strconv.ParseInt(form.Get("revision"), 10, 64)
	if err != nil {
		return pages.ErrInput()
	}
	act, told := p.c.Officers.Leave, "post_left"
	if form.Get("act") == "accept" {
		act, told = p.c.Officers.Accept, "post_accepted"
	}
	if _, err := act(v.R.Context(), caller(v, who), v.R.PathValue("id"), revision); err != nil {
		key, err := p.refusal(err)
		if err != nil {
			return err
		}
		return p.showMine(v, who, http.StatusUnprocessableEntity, key)
	}
	v.Notify(told)
	return v.Redirect(postsPath)
}

// at returns the participant whose officers are asked for, and the others that somebody administers.
func (p *Pages) at(v *pages.Visit, who oidc.Session) (in identity.Participant, others []identity.Participant, err error) {
	all, err := p.c.Officers.Administered(v.R.Context(), caller(v, who))
	if err != nil {
		return in, nil, err
	}
	id := v.R.URL.Query().Get("at")
	i := slices.IndexFunc(all, func(n identity.Participant) bool { return id == "" || n.ID == id })
	if i < 0 {
		return in, nil, nowhere()
	}
	return all[i], slices.Delete(slices.Clone(all), i, i+1), nil
}

// pageSize is how many officers a page shows.
const pageSize = 20

// list shows a participant's officers.
func (p *Pages) list(v *pages.Visit, who oidc.Session) error {
	return p.showList(v, who, http.StatusOK, "")
}

func (p *Pages) showList(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	in, others, err := p.at(v, who)
	if err != nil {
		return err
	}
	q := v.R.URL.Query()
	role, after := officer.Role(q.Get("role")), q.Get("after")
	if role != "" && !slices.Contains(officer.Roles, role) || after != "" && !identity.ValidID(after) {
		return pages.ErrInput()
	}
	what := officer.Search{Participant: in.ID, Role: role, Division: q.Get("division"), Ended: q.Get("ended") == "yes"}
	posts, next, err := p.c.Officers.List(v.R.Context(), caller(v, who), what, after, pageSize)
	if err != nil {
		return hidden(err)
	}
	v.Bind()
	view := web.Officers{
		Form: v.Token(purposeOfficer), Participant: in.Names.In(string(v.Lang), in.Name), ID: in.ID, Role: string(role), Division: what.Division, Ended: what.Ended,
		Next: next, Problem: wrong,
	}
	view.Action = officersPath + "?at=" + in.ID
	for _, n := range others {
		view.Others = append(view.Others, web.Employer{ID: n.ID, Name: n.Names.In(string(v.Lang), n.Name)})
	}
	for _, s := range posts {
		view.Posts = append(view.Posts, shown(s, v.Lang))
	}
	return v.Show(status, view)
}

// find leads to the post with a staff number.
func (p *Pages) find(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeOfficer) {
		return p.showList(v, who, http.StatusForbidden, "stale")
	}
	in, _, err := p.at(v, who)
	if err != nil {
		return err
	}
	found, err := p.c.Officers.FindStaff(v.R.Context(), caller(v, who), in.ID, form.Get("number"))
	if err != nil {
		key, err := p.refusal(err)
		if err != nil {
			return err
		}
		return p.showList(v, who, http.StatusNotFound, key)
	}
	return v.Redirect(officersPath + "/" + found.ID)
}

// post shows one officer.
func (p *Pages) post(v *pages.Visit, who oidc.Session) error {
	return p.showPost(v, who, http.StatusOK, "")
}

func (p *Pages) showPost(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	s, err := p.c.Officers.Post(v.R.Context(), caller(v, who), v.R.PathValue("id"))
	if err != nil {
		return hidden(err)
	}
	v.Bind()
	view := web.OnePost{
		Form: v.Token(purposeOfficer), Post: shown(s, v.Lang), Revision: s.Revision, Problem: wrong,
		Approve: s.Waits() && s.Appointed.Party != "" && s.Appointed.Party != who.Party.ID, Dismiss: s.State != officer.Ended && s.Party != who.Party.ID,
		Shared: s.State == officer.Accepted && s.Has(officer.Administrator),
	}
	_, view.Asked = s.AskedFor(time.Now())
	return v.Show(status, view)
}

// decide takes the form of that page: an administrator approves a post or ends it.
func (p *Pages) decide(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeOfficer) {
		return p.showPost(v, who, http.StatusForbidden, "stale")
	}
	act, told := p.c.Officers.Dismiss, "post_dismissed"
	switch form.Get("act") {
	case "dismiss":
	case "approve":
		act, told = p.c.Officers.Approve, "post_approved"
	default:
		return pages.ErrInput()
	}
	done, err := act(v.R.Context(), caller(v, who), v.R.PathValue("id"))
	if err != nil {
		key, err := p.refusal(err)
		if err != nil {
			return err
		}
		return p.showPost(v, who, http.StatusUnprocessableEntity, key)
	}
	if done.State == officer.Accepted {
		told = "post_asked"
	}
	v.Notify(told)
	return v.Redirect(officersPath + "?at=" + done.Participant)
}

// codeTypes are those of the documents by which officers are appointed.
var codeTypes = []string{string(party.Citizen), string(party.HongKongMacaoPermit), string(party.TaiwanPermit), string(party.Passport)}

// appointPage asks whom to appoint.
func (p *Pages) appointPage(v *pages.Visit, who oidc.Session) error {
	return p.showAppoint(v, who, http.StatusOK, web.Appoint{From: party.DateOf(time.Now()).String()}, []string{string(officer.Clerk)})
}

func (p *Pages) showAppoint(v *pages.Visit, who oidc.Session, status int, view web.Appoint, roles []string) error {
	in, _, err := p.at(v, who)
	if err != nil {
		return err
	}
	v.Bind()
	view.Form, view.Participant, view.ID, view.Types = v.Token(purposeOfficer), in.Names.In(string(v.Lang), in.Name), in.ID, codeTypes
	for _, r := range officer.Roles {
		view.Roles = append(view.Roles, web.RoleChoice{Role: string(r), Chosen: slices.Contains(roles, string(r))})
	}
	return v.Show(status, view)
}

// appoint takes the form of that page.
func (p *Pages) appoint(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form("role")
	if err != nil {
		return err
	}
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	view := web.Appoint{
		Name: text("name"), Type: text("type"), Number: text("number"), Staff: text("staff"), Division: text("division"), From: text("from"), Until: text("until"),
	}
	again := func(status int, wrong string) error {
		view.Problem = wrong
		return p.showAppoint(v, who, status, view, form["role"])
	}
	if !v.Checked(form, purposeOfficer) {
		return again(http.StatusForbidden, "stale")
	}
	in, _, err := p.at(v, who)
	if err != nil {
		return err
	}
	a := officer.Appointment{
		Participant: in.ID, Name: view.Name, Code: party.Code{Type: party.CodeType(view.Type), Value: view.Number}, StaffNumber: view.Staff, Division: view.Division,
	}
	for _, r := range form["role"] {
		a.Roles = append(a.Roles, officer.Role(r))
	}
	for _, d := range []struct {
		text string
		to   *party.Date
	}{{view.From, &a.From}, {view.Until, &a.Until}} {
		if d.text == "" {
			continue
		}
		if *d.to, err = party.ParseDate(d.text); err != nil {
			return again(http.StatusUnprocessableEntity, string(officer.ReasonDates))
		}
	}
	made, err := p.c.Officers.Appoint(v.R.Context(), caller(v, who), a)
	if err != nil {
		key, err := p.refusal(err)
		if err != nil {
			return err
		}
		return again(http.StatusUnprocessableEntity, key)
	}
	told := "post_proposed"
	if made.Waits() {
		told = "post_waiting"
	}
	v.Notify(told)
	return v.Redirect(officersPath + "?at=" + in.ID)
}
