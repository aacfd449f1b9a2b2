// Package portal is the pages of the service itself: somebody's licenses, who read them, what
// was agreed to, where somebody is logged in; and for anybody, whether a license is good.
package portal

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
	"yizheng.internal/api/limit"
	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/behalf"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/session"
)

// Config says what a Portal works with. All of it is required but Factors.
type Config struct {
	Issuer         string // the public URL
	Site           *pages.Site
	Flow           *flow.Service
	Sessions       *session.Service
	Consents       *consent.Service
	Factors        *factor.Service // nil: nobody can log in
	Identity       *identity.Service
	Authenticators *authenticator.Service
	Upstreams      *upstream.Service    // nil: there are no other providers
	Certificates   *certificate.Service // nil: nobody logs in with a certificate
	Trail          *trail.Service
	Entry          *entry.Service  // nil: nobody raises online how well they are proofed
	Acting         *acting.Service // nil: nobody acts for others
	Behalf         *behalf.Service
	Items          *catalog.Items
	Scans          *scan.Service
	Clients        *client.Service
	Offers         *offer.Service
	Readings       *access.Service
	Grants         *grants.Service
	Verification   *rest.Verification
	Web            *web.Pages
	Views          *views.Views
	Holders        *limit.Holders // turns of people who look at their own licenses
	People         *limit.Rate    // of tries to log in
}

// Portal serves the pages. Safe for concurrent use.
type Portal struct{ c Config }

// New returns a Portal.
func New(c Config) *Portal { return &Portal{c} }

// Purposes of forms' tokens.
const (
	purposeGrants   = "grants"
	purposeSession  = "sessions"
	purposeService  = "services"
	purposeVerify   = "verify"
	purposePassword = "password"
	purposeSecurity = "security"
	purposeRaise    = "raise"
)

const passwordPath = "/password"

// Mount adds the pages.
func (p *Portal) Mount(handle func(pattern string, h http.Handler)) {
	handle("GET /{$}", p.c.Site.Page(p.home))
	handle("GET /verify", p.c.Site.Page(p.verifyPage))
	handle("POST /verify", p.c.Site.Page(p.verifyLicense))
	handle("GET /licenses", p.private(needs{assurance: seesLicenses}, "licenses", p.inTurn(p.licensesPage)))
	handle("GET /licenses/{id}", p.private(needs{assurance: seesLicenses}, "licenses", p.inTurn(p.licensePage)))
	handle("GET /records", p.private(needs{assurance: seesLicenses}, "records", p.inTurn(p.recordsPage)))
	handle("GET /grants", p.private(needs{assurance: seesLicenses}, "grants", p.inTurn(p.grantsPage)))
	handle("POST /grants", p.private(needs{assurance: seesLicenses}, "grants", p.withdraw))
	handle("GET /sessions", p.private(needs{least: isLoggedIn}, "security", p.sessionsPage))
	handle("POST /sessions", p.private(needs{least: isLoggedIn}, "security", p.endSession))
	handle("GET "+servicesPath, p.private(needs{least: isLoggedIn}, "security", p.servicesPage))
	handle("POST "+servicesPath, p.private(needs{least: isLoggedIn}, "security", p.endService))
	handle("GET "+passwordPath, p.private(needs{least: changesLogin, back: securityPath}, "security", p.passwordPage))
	handle("POST "+passwordPath, p.private(needs{least: changesLogin, back: securityPath}, "security", p.changePassword))
	security{p}.mount(handle)
	raising{p, entry.NewRaising(p.c.Entry)}.mount(handle)
	representing{p}.mount(handle)
	scans{p}.mount(handle)
	handle("GET /.well-known/change-password", p.c.Site.Login(func(v *pages.Visit) error { return v.Redirect(passwordPath) }))
}

// Assurance that pages of ours need: licenses, and who read them, that of two
// factors, and so does another password; the rest that of one.
const (
	seesLicenses = 2 // with an identity that is proofed so well
	isLoggedIn   = 1 // with whatever identity
	changesLogin = 2 // likewise
)

// needs says who may see a page.
type needs struct {
	assurance factor.Assurance
	least     factor.Assurance // how strong the login is at least, however well they were proofed
	strongest bool             // with the strongest that the account has (NIST SP 800-63B-4 section 4.1.2)
	age       time.Duration    // how long ago they logged in at the most, at this browser itself; 0: it doesn't matter
	back      string           // as of [flow.Page]
}

func (n needs) metBy(who oidc.Session) bool {
	return who.Assurance >= n.assurance && who.Strength >= n.strength(who) && (n.age == 0 || time.Since(who.Proved) < n.age && !who.Relayed)
}

// strength returns how strong the proofs of somebody's login must be.
func (n needs) strength(who oidc.Session) factor.Assurance {
	if !n.strongest {
		return n.least
	}
	return max(n.least, who.Reach)
}

// private is page for somebody who is logged in as it needs. Whoever isn't logs in first, and
// comes back by GET.
func (p *Portal) private(n needs, section string, h func(v *pages.Visit, who oidc.Session) error) http.Handler {
	return p.c.Site.Login(func(v *pages.Visit) error {
		who, err := p.c.Sessions.Session(v.R.Context(), v.Browser)
		if err == nil && n.metBy(who) {
			v.Frame.User, v.Frame.Section = who.Party.Name, section
			if err := p.represented(v, &who); err != nil {
				// What a person looks after themself isn't locked by it, but nothing is given in another name than they think.
				if section != "security" && section != "representations" || v.R.Method == http.MethodPost && v.R.URL.Path == appointPath {
					return err
				}
				who.Acting = nil
				unknown(v, err)
			}
			return h(v, who)
		}
		if err != nil && !errors.Is(err, oidc.ErrNoSession) {
			return err
		}
		if err := v.TakeTurn(len(v.R.URL.RequestURI())); err != nil {
			return err
		}
		v.Bind()
		here := pages.LocalPath(v.R.URL.RequestURI())
		step, err := p.c.Flow.Visit(v.R.Context(), flow.Page{Path: here, Back: n.back, Assurance: n.assurance, Strength: n.strength(who), Fresh: n.age, Direct: n.age > 0}, v.Browser)
		if err == nil && step.Kind == oidc.StepDone {
			// Logged in as well as this person can be, and that is not enough.
			return problem.Refuse(http.StatusForbidden, "assurance", "")
		}
		return v.Onward(step, err)
	})
}

// home is the first page: for those who are logged in, their licenses.
func (p *Portal) home(v *pages.Visit) error {
	if p.c.Factors == nil {
		return v.Show(http.StatusOK, web.Front{})
	}
	who, err := p.c.Sessions.Session(v.R.Context(), v.Browser)
	switch {
	case errors.Is(err, oidc.ErrNoSession):
		return v.Show(http.StatusOK, web.Front{Login: true})
	case err != nil:
		return err
	}
	v.Frame.User, v.Frame.Section = who.Party.Name, "licenses"
	if who.Assurance < seesLicenses {
		return v.Show(http.StatusOK, web.Locked{})
	}
	if err := p.represented(v, &who); err != nil {
		return err
	}
	return p.inTurn(p.licensesPage)(v, who)
}

// inTurn is for pages of somebody's licenses, and of what was done with them: each is
// served when its turn comes.
func (p *Portal) inTurn(h func(v *pages.Visit, who oidc.Session) error) func(v *pages.Visit, who oidc.Session) error {
	return func(v *pages.Visit, who oidc.Session) error {
		leave, err := p.c.Holders.Enter(v.R.Context(), who.Party.ID, "")
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

// subject is who is logged in, and for whom they act, as the registry knows them.
func subject(who oidc.Session) offer.Subject {
	return join.Subject(who.Party, who.Assurance, who.Acting, acting.Relatives{})
}

const pageSize = 20

// licensesPage shows somebody's licenses.
func (p *Portal) licensesPage(v *pages.Visit, who oidc.Session) error {
	ctx := v.R.Context()
	page, err := p.c.Offers.Held(ctx, holderActor(ctx, who.Party.ID), subject(who), v.R.URL.Query().Get("cursor"), pageSize)
	if err != nil {
		return err
	}
	view := web.Licenses{Next: page.NextCursor}
	if view.Cards, err = p.c.Views.Words(ctx, v.Lang).HeldCards(page.Licenses); err != nil {
		return err
	}
	return v.Show(http.StatusOK, view)
}

// licensePage shows one license of somebody's.
func (p *Portal) licensePage(v *pages.Visit, who oidc.Session) error {
	ctx := v.R.Context()
	id := audit.ID(v.R.PathValue("id"))
	l, err := p.c.Offers.HeldLicense(ctx, holderActor(ctx, who.Party.ID), subject(who), id)
	if err != nil {
		return err
	}
	words := p.c.Views.Words(ctx, v.Lang)
	card, err := words.HeldCard(&l)
	if err != nil {
		return err
	}
	view := web.License{
		Card: card, Identifier: string(l.Identifier), VerificationCode: spaced(l.VerificationCode), Version: l.Version.Version,
		Replaces: string(l.Replaces), Issued: l.IssuedAt, Origin: string(l.Origin), Grade: string(l.TrustGrade),
		Now: time.Now(), VerifyURL: p.c.Issuer + "/verify",
	}
	if e := l.Ending; e != nil {
		view.Ended = &web.LicenseEnding{Kind: string(e.Kind), From: e.EffectiveFrom.String(), Document: e.Document.Number, Basis: e.Document.Basis}
	}
	page, err := p.c.Readings.LicenseRecords(ctx, subject(who), id, 0, pageSize)
	if err != nil {
		return err
	}
	view.More = page.Next > 0
	if view.Records, err = words.Records(page.Records); err != nil {
		return err
	}
	return v.Show(http.StatusOK, view)
}

// spaced writes a verification code in two groups, as it is read out.
func spaced(code string) string {
	if len(code) == 8 {
		return code[:4] + " " + code[4:]
	}
	return code
}

// recordsPage shows who read somebody's licenses, or one of them.
func (p *Portal) recordsPage(v *pages.Visit, who oidc.Session) error {
	ctx, query := v.R.Context(), v.R.URL.Query()
	before, err := positive(query.Get("before"))
	if err != nil {
		return err
	}
	id := audit.ID(query.Get("license"))
	var page access.Page
	switch {
	case id == "":
		page, err = p.c.Readings.AccessRecords(ctx, subject(who), before, pageSize)
	case id.Valid():
		page, err = p.c.Readings.LicenseRecords(ctx, subject(who), id, before, pageSize)
	default:
		return pages.ErrInput()
	}
	if err != nil {
		return err
	}
	view := web.Records{License: string(id), Next: page.Next}
	if view.Records, err = p.c.Views.Words(ctx, v.Lang).Records(page.Records); err != nil {
		return err
	}
	return v.Show(http.StatusOK, view)
}

// positive reads a number of a query that may be left out: 0 then.
func positive(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, pages.ErrInput()
	}
	return n, nil
}

// grantsPage shows what somebody agreed to.
func (p *Portal) grantsPage(v *pages.Visit, who oidc.Session) error {
	ctx := v.R.Context()
	page, err := p.c.Grants.List(ctx, subject(who), v.R.URL.Query().Get("cursor"), pageSize)
	if err != nil {
		return err
	}
	words, view := p.c.Views.Words(ctx, v.Lang), web.Grants{Form: v.Token(purposeGrants), Next: page.NextCursor}
	for i := range page.Grants {
		g, err := words.Grant(&page.Grants[i])
		if err != nil {
			return err
		}
		view.Grants = append(view.Grants, g)
	}
	return v.Show(http.StatusOK, view)
}

// withdraw ends a grant.
func (p *Portal) withdraw(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeGrants) {
		return pages.ErrForm()
	}
	ctx := v.R.Context()
	if _, err := p.c.Grants.Withdraw(ctx, holderActor(ctx, who.Party.ID), subject(who), grants.ID(form.Get("grant"))); err != nil {
		return err
	}
	v.Notify("withdrawn")
	return v.Redirect("/grants")
}

// sessionsPage shows where somebody is logged in.
func (p *Portal) sessionsPage(v *pages.Visit, who oidc.Session) error {
	all, err := p.c.Sessions.Sessions(v.R.Context(), who)
	if err != nil {
		return err
	}
	view := web.Sessions{Form: v.Token(purposeSession)}
	for _, o := range all {
		view.Sessions = append(view.Sessions, web.Session{
			ID: o.ID, Current: o.Current, Device: p.deviceOf(v, o.UserAgent), Scanned: o.Relayed, Address: o.Address, Created: o.Created, Seen: o.Seen,
		})
	}
	slices.SortStableFunc(view.Sessions, func(a, b web.Session) int {
		if a.Current != b.Current && a.Current {
			return -1
		}
		return 0
	})
	return v.Show(http.StatusOK, view)
}

// endSession ends one of somebody's sessions.
func (p *Portal) endSession(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeSession) {
		return pages.ErrForm()
	}
	err = p.c.Sessions.EndSession(v.R.Context(), who, form.Get("session"), v.Browser.RequestID)
	if errors.Is(err, oidc.ErrNotFound) {
		err = nil // gone already, or not this person's: the list says which there are
	} else if err == nil {
		v.Notify("session_ended")
	}
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return v.Redirect("/sessions")
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
func (p *Portal) deviceOf(v *pages.Visit, userAgent string) string {
	var found []string
	for _, names := range [][][2]string{browserNames, systemNames} {
		i := slices.IndexFunc(names, func(n [2]string) bool { return strings.Contains(userAgent, n[0]) })
		if i >= 0 {
			found = append(found, cmp.Or(p.c.Web.Text(v.Lang, "device."+names[i][1]), names[i][1]))
		}
	}
	return strings.Join(found, " · ")
}
