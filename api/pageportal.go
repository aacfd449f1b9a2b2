package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/api/join"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/factor"
)

// Assurance that pages of ours need: licenses, and who read them, that of two
// factors, and so does another password; the rest that of one.
const (
	seesLicenses    = 2
	seesSessions    = 1
	changesPassword = 2
)

// private is page for somebody who is logged in with at least that assurance.
// Whoever isn't logs in first, and comes back by GET.
func (s *Server) private(assurance factor.Assurance, section string, h func(v *visit, who oidc.Session) error) http.Handler {
	return s.login(func(v *visit) error {
		who, err := s.c.Provider.Sessions.Session(v.r.Context(), v.browser)
		if err == nil && who.Assurance >= assurance {
			v.frame.User, v.frame.Section = who.Party.Name, section
			return h(v, who)
		}
		if err != nil && !errors.Is(err, oidc.ErrNoSession) {
			return err
		}
		if err := v.takeTurn(len(v.r.URL.RequestURI())); err != nil {
			return err
		}
		v.bind()
		here := localPath(v.r.URL.RequestURI())
		step, err := s.c.Provider.Flow.Visit(v.r.Context(), here, assurance, v.browser)
		if err == nil && step.Kind == oidc.StepDone {
			// Logged in as well as this person can be, and that is not enough.
			return problem.Refuse(http.StatusForbidden, "assurance", "")
		}
		return v.onward(step, err)
	})
}

// home is the first page: for those who are logged in, their licenses.
func (s *Server) home(v *visit) error {
	if s.c.Identity == nil {
		return v.show(http.StatusOK, web.Front{})
	}
	who, err := s.c.Provider.Sessions.Session(v.r.Context(), v.browser)
	switch {
	case errors.Is(err, oidc.ErrNoSession):
		return v.show(http.StatusOK, web.Front{Login: true})
	case err != nil:
		return err
	}
	v.frame.User, v.frame.Section = who.Party.Name, "licenses"
	if who.Assurance < seesLicenses {
		return v.show(http.StatusOK, web.Locked{})
	}
	return s.inTurn(s.licensesPage)(v, who)
}

// inTurn is for pages of somebody's licenses, and of what was done with them: each is
// served when its turn comes.
func (s *Server) inTurn(h func(v *visit, who oidc.Session) error) func(v *visit, who oidc.Session) error {
	return func(v *visit, who oidc.Session) error {
		leave, err := s.holders.Enter(v.r.Context(), who.Party.ID, "")
		if err != nil {
			return err
		}
		defer leave()
		return h(v, who)
	}
}

// portal stands in events where a client would, for what a person does on pages
// of ours.
const portal = "portal"

// holderActor is who the registry records as acting when a person looks at
// licenses and grants on pages of ours, or changes them.
func holderActor(ctx context.Context, party string) audit.Actor {
	return audit.Actor{Client: portal, Party: party, RequestID: problem.RequestID(ctx)}
}

// subject is who is logged in, as the registry knows them.
func subject(who oidc.Session) offer.Subject { return join.Subject(who.Party, who.Assurance) }

const pageSize = 20

// licensesPage shows somebody's licenses.
func (s *Server) licensesPage(v *visit, who oidc.Session) error {
	ctx := v.r.Context()
	page, err := s.c.Library.Offers.Held(ctx, holderActor(ctx, who.Party.ID), subject(who), v.r.URL.Query().Get("cursor"), pageSize)
	if err != nil {
		return err
	}
	view := web.Licenses{Next: page.NextCursor}
	if view.Cards, err = s.views.Words(ctx, v.lang).HeldCards(page.Licenses); err != nil {
		return err
	}
	return v.show(http.StatusOK, view)
}

// licensePage shows one license of somebody's.
func (s *Server) licensePage(v *visit, who oidc.Session) error {
	ctx := v.r.Context()
	id := audit.ID(v.r.PathValue("id"))
	l, err := s.c.Library.Offers.HeldLicense(ctx, holderActor(ctx, who.Party.ID), subject(who), id)
	if err != nil {
		return err
	}
	words := s.views.Words(ctx, v.lang)
	card, err := words.HeldCard(&l)
	if err != nil {
		return err
	}
	view := web.License{
		Card: card, Identifier: string(l.Identifier), VerificationCode: spaced(l.VerificationCode), Version: l.Version.Version,
		Replaces: string(l.Replaces), Issued: l.IssuedAt, Origin: string(l.Origin), Grade: string(l.TrustGrade),
		Now: time.Now(), VerifyURL: s.c.Issuer + "/verify",
	}
	if e := l.Ending; e != nil {
		view.Ended = &web.LicenseEnding{Kind: string(e.Kind), From: e.EffectiveFrom.String(), Document: e.Document.Number, Basis: e.Document.Basis}
	}
	page, err := s.c.Library.Readings.LicenseRecords(ctx, subject(who), id, 0, pageSize)
	if err != nil {
		return err
	}
	view.More = page.Next > 0
	if view.Records, err = words.Records(page.Records); err != nil {
		return err
	}
	return v.show(http.StatusOK, view)
}

// spaced writes a verification code in two groups, as it is read out.
func spaced(code string) string {
	if len(code) == 8 {
		return code[:4] + " " + code[4:]
	}
	return code
}

// recordsPage shows who read somebody's licenses, or one of them.
func (s *Server) recordsPage(v *visit, who oidc.Session) error {
	ctx, query := v.r.Context(), v.r.URL.Query()
	before, err := positive(query.Get("before"))
	if err != nil {
		return err
	}
	id := audit.ID(query.Get("license"))
	var page access.Page
	switch {
	case id == "":
		page, err = s.c.Library.Readings.AccessRecords(ctx, subject(who), before, pageSize)
	case id.Valid():
		page, err = s.c.Library.Readings.LicenseRecords(ctx, subject(who), id, before, pageSize)
	default:
		return errInput()
	}
	if err != nil {
		return err
	}
	view := web.Records{License: string(id), Next: page.Next}
	if view.Records, err = s.views.Words(ctx, v.lang).Records(page.Records); err != nil {
		return err
	}
	return v.show(http.StatusOK, view)
}

// positive reads a number of a query that may be left out: 0 then.
func positive(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, errInput()
	}
	return n, nil
}

// grantsPage shows what somebody agreed to.
func (s *Server) grantsPage(v *visit, who oidc.Session) error {
	ctx := v.r.Context()
	page, err := s.c.Library.Grants.List(ctx, subject(who), v.r.URL.Query().Get("cursor"), pageSize)
	if err != nil {
		return err
	}
	words, view := s.views.Words(ctx, v.lang), web.Grants{Form: v.token(purposeGrants), Next: page.NextCursor}
	for i := range page.Grants {
		g, err := words.Grant(&page.Grants[i])
		if err != nil {
			return err
		}
		view.Grants = append(view.Grants, g)
	}
	return v.show(http.StatusOK, view)
}

// withdraw ends a grant.
func (s *Server) withdraw(v *visit, who oidc.Session) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if !v.checked(form, purposeGrants) {
		return errForm()
	}
	ctx := v.r.Context()
	if _, err := s.c.Library.Grants.Withdraw(ctx, holderActor(ctx, who.Party.ID), subject(who), grants.ID(form.Get("grant"))); err != nil {
		return err
	}
	v.notify("withdrawn")
	return v.redirect("/grants")
}

// sessionsPage shows where somebody is logged in.
func (s *Server) sessionsPage(v *visit, who oidc.Session) error {
	all, err := s.c.Provider.Sessions.Sessions(v.r.Context(), who)
	if err != nil {
		return err
	}
	view := web.Sessions{Form: v.token(purposeSession)}
	for _, o := range all {
		view.Sessions = append(view.Sessions, web.Session{
			ID: o.ID, Current: o.Current, Device: v.deviceOf(o.UserAgent), Address: o.Address, Created: o.Created, Seen: o.Seen,
		})
	}
	slices.SortStableFunc(view.Sessions, func(a, b web.Session) int {
		if a.Current != b.Current && a.Current {
			return -1
		}
		return 0
	})
	return v.show(http.StatusOK, view)
}

// endSession ends one of somebody's sessions.
func (s *Server) endSession(v *visit, who oidc.Session) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if !v.checked(form, purposeSession) {
		return errForm()
	}
	err = s.c.Provider.Sessions.EndSession(v.r.Context(), who, form.Get("session"), v.browser.RequestID)
	if errors.Is(err, oidc.ErrNotFound) {
		err = nil // gone already, or not this person's: the list says which there are
	} else if err == nil {
		v.notify("session_ended")
	}
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return v.redirect("/sessions")
}

// Marks by which browsers and systems are recognized, the first that fits, and what
// they are called: a key of a text, without "device.", if that depends on the language.
var (
	browserNames = [][2]string{
		{"MicroMessenger", "wechat"}, {"AlipayClient", "alipay"}, {"DingTalk", "dingtalk"}, {"HuaweiBrowser", "huawei"}, {"MiuiBrowser", "mi"},
		{"QQBrowser", "qq"}, {"UCBrowser", "uc"}, {"Edg", "Edge"}, {"Firefox", "Firefox"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	systemNames = [][2]string{
		{"OpenHarmony", "harmony"}, {"HarmonyOS", "harmony"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"},
		{"Macintosh", "Mac"}, {"Kylin", "kylin"}, {"UOS", "uos"}, {"Linux", "Linux"},
	}
)

// deviceOf says in a few words what a User-Agent claims to be.
func (v *visit) deviceOf(userAgent string) string {
	var found []string
	for _, names := range [][][2]string{browserNames, systemNames} {
		i := slices.IndexFunc(names, func(n [2]string) bool { return strings.Contains(userAgent, n[0]) })
		if i >= 0 {
			found = append(found, cmp.Or(v.s.web.Text(v.lang, "device."+names[i][1]), names[i][1]))
		}
	}
	return strings.Join(found, " · ")
}
