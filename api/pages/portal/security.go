package portal

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/passkey"
)

// Paths of the pages of somebody's account.
const (
	securityPath = "/security"
	passkeyPath  = "/security/passkey"

	certificatePath = "/security/certificate"
	appPath         = "/security/app"
	recoveryPath    = "/security/recovery"
)

// What changes how somebody logs in is for who logged in just now: whoever finds a computer that
// was left alone gets no further. A form counts a while longer than its page, for looking for
// one's phone takes time.
const (
	freshPage = 10 * time.Minute
	freshForm = 20 * time.Minute
)

// security is the pages of somebody's own account: how they log in, and with what.
type security struct{ p *Portal }

// mount adds the pages.
func (s security) mount(handle func(pattern string, h http.Handler)) {
	private := func(pattern string, n needs, h func(v *pages.Visit, who oidc.Session) error) {
		handle(pattern, s.p.private(n, "security", h))
	}
	private("GET "+securityPath, needs{least: isLoggedIn, back: securityPath}, s.page)
	private("POST "+securityPath, changes(freshForm), s.change)
	private("GET "+trailPath, needs{least: isLoggedIn, back: securityPath}, s.p.inTurn(s.trailPage))
	private("GET "+passkeyPath, changes(freshPage), s.passkeyPage)
	private("POST "+passkeyPath, changes(freshForm), s.addPasskey)
	private("GET "+certificatePath, changes(freshPage), s.certificatePage)
	private("POST "+certificatePath, changes(freshForm), s.addCertificate)
	private("GET "+appPath, changes(freshPage), s.appPage)
	private("POST "+appPath, changes(freshForm), s.addApp)
	private("GET "+recoveryPath, changes(freshPage), s.recoveryPage)
	private("POST "+recoveryPath, changes(freshForm), s.makeRecovery)
	private("GET /security/change", changes(freshPage), func(v *pages.Visit, _ oidc.Session) error { return v.Redirect(securityPath) })
}

// changes is what it needs to change how somebody logs in.
func changes(age time.Duration) needs {
	return needs{least: changesLogin, strongest: true, age: age, back: securityPath}
}

// owner is who is logged in, as they change their authenticators.
func owner(v *pages.Visit, who oidc.Session) authenticator.Owner {
	return authenticator.Owner{Account: who.Account, Session: who.ID, AuthTime: who.AuthTime, Since: who.Since, Strength: who.Strength, Relayed: who.Relayed, Language: string(v.Lang), RequestID: v.Browser.RequestID}
}

// page shows the account.
func (s security) page(v *pages.Visit, who oidc.Session) error {
	return s.show(v, who, http.StatusOK, "")
}

func (s security) show(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	a, err := s.p.c.Identity.Account(v.R.Context(), who.Account)
	if err != nil {
		return err
	}
	v.Bind()
	view := web.Security{
		Form: v.Token(purposeSecurity), Problem: wrong, User: who.Party.Name, LoginName: a.LoginName, Phone: a.MaskedPhone(),
		Level: a.Proofing.Level, Method: a.Proofing.Method, Source: a.Proofing.Source, Proofed: a.Proofing.At, Password: a.Password.Set,
		Fresh: changes(freshPage).metBy(who), Raises: a.Phone != "" && a.Proofing.Level < entry.NewRaising(s.p.c.Entry).Most(), AddsCertificates: s.p.c.Certificates != nil,
	}
	view.Form.Action = securityPath // also where the page is shown in answer to another's form
	if a.Waits(time.Now()) {
		view.Waits = a.PhoneWaits.Add(time.Minute - 1) // the page shows whole minutes
	}
	view.Bare = a.Phone == "" && len(a.Authenticators) == 0
	today := party.DateOf(time.Now())
	for _, c := range who.Party.Codes {
		if c.Until.IsZero() || !c.Until.Before(today) {
			view.Codes = append(view.Codes, web.PersonCode{Type: string(c.Type), Code: c.Mask()})
		}
	}
	for _, x := range a.Authenticators {
		one := web.Authenticator{ID: x.ID, Name: x.Name, Added: x.Added}
		switch factor.Name(x.Factor) {
		case factor.Passkey:
			if k, err := passkey.Open(&x); err == nil {
				one.Used, one.Away = k.Used, k.BackedUp
			}
			view.Passkeys = append(view.Passkeys, one)
		case factor.Certificate:
			view.Certificates = append(view.Certificates, s.certificateShown(v, &x, one))
		case factor.TOTP:
			view.Apps = append(view.Apps, one)
		case factor.Upstream:
			if p := s.p.c.Upstreams; p != nil { // else the title that it had when it was linked
				one.Name = cmp.Or(p.Title(authenticator.ProviderOf(x), string(v.Lang)), x.Name)
			}
			view.Links = append(view.Links, one)
		case factor.RecoveryCode:
			one.Left = factor.CodesLeft(x)
			view.Recovery = &one
		}
	}
	if view.Trail, err = s.trail(v, who, "", newest); err != nil {
		return err
	}
	return v.Show(status, view)
}

// change takes the forms of that page: an authenticator gets another name, or is removed.
func (s security) change(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeSecurity) {
		return s.show(v, who, http.StatusForbidden, "stale")
	}
	ctx, id := v.R.Context(), form.Get("id")
	if form.Get("act") != "remove" {
		if err := s.p.c.Authenticators.Rename(ctx, owner(v, who), id, form.Get("name")); err != nil {
			return s.refused(v, who, err)
		}
		v.Notify("authenticator_renamed")
		return v.Redirect(securityPath)
	}
	account, removed, err := s.p.c.Authenticators.Remove(ctx, owner(v, who), id)
	if err != nil {
		return s.refused(v, who, err)
	}
	if err := s.secured(v, account, removed); err != nil {
		return err
	}
	v.Notify("authenticator_removed")
	return v.Redirect(securityPath)
}

// refused shows the page once more, with why.
func (s security) refused(v *pages.Visit, who oidc.Session, err error) error {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return err
	}
	if e.Reason == authenticator.ReasonSessionOver {
		v.DropSession()
		return v.Redirect(securityPath)
	}
	status, key := s.problem(e)
	return s.show(v, who, status, key)
}

// problem returns how a refusal is shown.
func (s security) problem(e *identity.Error) (status int, key string) {
	if status, _ = problem.LoginStatus(e); status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		return status, string(e.Reason)
	}
	if !s.p.c.Web.Has("security.problem." + string(e.Reason)) {
		return http.StatusUnprocessableEntity, "other"
	}
	return http.StatusUnprocessableEntity, string(e.Reason)
}

// secured has this session go on though the account's others are over.
func (s security) secured(v *pages.Visit, account identity.Account, removed factor.Name) error {
	cookie, err := s.p.c.Sessions.Secured(v.R.Context(), v.Browser, account, removed)
	if errors.Is(err, oidc.ErrNoSession) { // as by a change in another tab, just now
		v.DropSession()
		return nil
	}
	if err == nil {
		v.KeepSession(cookie)
	}
	return err
}

// appPage shows the secret for an app.
func (s security) appPage(v *pages.Visit, who oidc.Session) error {
	setup, err := s.p.c.Authenticators.Prepare(v.R.Context(), owner(v, who))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return s.refused(v, who, e)
	} else if err != nil {
		return err
	}
	return s.showApp(v, http.StatusOK, setup, "", "")
}

func (s security) showApp(v *pages.Visit, status int, setup authenticator.Setup, name, wrong string) error {
	code, err := web.QRCode(setup.URI)
	if err != nil {
		return err
	}
	v.Bind()
	return v.Show(status, web.App{Form: v.Token(purposeSecurity), Setup: setup.Token, Secret: inFours(setup.Secret), QR: code, Name: name, Problem: wrong})
}

// inFours writes a secret in groups, as it is read from a screen.
func inFours(s string) string {
	var b []byte
	for i := range len(s) {
		if i > 0 && i%4 == 0 {
			b = append(b, ' ')
		}
		b = append(b, s[i])
	}
	return string(b)
}

// addApp takes the form of that page.
func (s security) addApp(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	ctx, o := v.R.Context(), owner(v, who)
	again := func(status int, wrong string) error {
		setup, err := s.p.c.Authenticators.Resume(ctx, o, form.Get("setup"))
		if err != nil { // it expired, or is another session's
			return s.refused(v, who, err)
		}
		return s.showApp(v, status, setup, form.Get("name"), wrong)
	}
	if !v.Checked(form, purposeSecurity) {
		return again(http.StatusForbidden, "stale")
	}
	if wait := s.p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	err = s.p.c.Authenticators.Add(ctx, o, form.Get("setup"), form.Get("name"), form.Get("code"))
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason != authenticator.ReasonSessionOver {
		status, key := s.problem(e)
		return again(status, key)
	} else if err != nil {
		return s.refused(v, who, err)
	}
	v.Notify("authenticator_added")
	return v.Redirect(securityPath)
}

// recoveryPage says what recovery codes are.
func (s security) recoveryPage(v *pages.Visit, who oidc.Session) error {
	return s.showRecovery(v, who, http.StatusOK, "")
}

func (s security) showRecovery(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	a, err := s.p.c.Identity.Account(v.R.Context(), who.Account)
	if err != nil {
		return err
	}
	v.Bind()
	return v.Show(status, web.Recovery{Form: v.Token(purposeSecurity), Before: authenticator.RecoveryID(&a), Problem: wrong})
}

// makeRecovery makes recovery codes and shows them, once.
func (s security) makeRecovery(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeSecurity) {
		return s.showRecovery(v, who, http.StatusForbidden, "stale")
	}
	made, err := s.p.c.Authenticators.MakeRecoveryCodes(v.R.Context(), owner(v, who), form.Get("before"))
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason != authenticator.ReasonSessionOver {
		status, key := s.problem(e)
		return s.showRecovery(v, who, status, key)
	} else if err != nil {
		return s.refused(v, who, err)
	}
	if made.Ended && s.secured(v, made.Account, factor.RecoveryCode) != nil {
		v.DropSession() // the codes are made, and must be seen
	}
	return v.Show(http.StatusOK, web.Recovery{Codes: made.Codes, Made: time.Now()})
}
