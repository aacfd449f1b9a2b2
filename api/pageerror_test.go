package api

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/session"
)

// A wrong redirect URI is for the developer to see, and for nobody to follow.
func TestWrongRedirectURI(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	for wrong, differs := range map[string]string{
		"https://app.example:8443/callback": "port", "http://app.example/callback": "scheme", "https://app.example/callback/": "path",
		"https://evil.example/?script": "host", "javascript:alert(1)//": "",
	} {
		p := s.app.open(b, s.app.request("redirect_uri", wrong))
		if p.Status != 400 || p.To != nil || p.Header.Get("Location") != "" {
			t.Errorf("%s: %d, to %v", wrong, p.Status, p.To)
		}
		says(t, p, "回调地址有误", "没有登记", "redirect_uri", `id="request-id"`, differs)
		if strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, `href="javascript`) || strings.Contains(p.Body, `"https://app.example/callback"`) || strings.Contains(p.Body, ">https://app.example/callback<") {
			t.Errorf("%s: the page runs it, or tells what is registered:\n%s", wrong, p.Body)
		}
		if !strings.Contains(p.Body, ">"+wrong+"</code>") || strings.Contains(p.Body, `<details class="developer" open`) {
			t.Errorf("%s: what came isn't shown, folded away:\n%s", wrong, p.Body)
		}
	}
	// Whoever makes a link must not get a text of theirs onto the page.
	for _, text := range []string{
		"https://evil.example/?<script>alert(1)</script>", "https://app.example/您的账户已冻结，请致电110", "您的账户已冻结", "Your account is frozen, call 110",
		"https://evil.example/call now", "https://evil.example/\u202etxt", "https://app.example/" + strings.Repeat("x", 600),
	} {
		p := s.app.open(b, s.app.request("redirect_uri", text))
		if p.Status != 400 || p.To != nil || strings.Contains(p.Body, text) || strings.Contains(p.Body, "冻结") || strings.Contains(p.Body, "alert(1)") {
			t.Errorf("%s: %d to %v:\n%s", text, p.Status, p.To, p.Body)
		}
		says(t, p, "回调地址有误", "redirect_uri is not an absolute URI in ASCII")
	}
}

func TestWrongRequests(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	for name, query := range map[string]string{
		"no parameters": "", "no client": s.app.request("client_id", "").Encode(), "unknown client": s.app.request("client_id", strings.Repeat("a", 26)).Encode(),
		"client twice": s.app.request().Encode() + "&client_id=" + s.app.id, "redirect twice": s.app.request().Encode() + "&redirect_uri=https://evil.example",
		"not a form": "%zz", "not UTF-8": s.app.request().Encode() + "&state=%ff", "a control character": s.app.request("state", "").Encode() + "&state=a%00b",
		"many": s.app.request().Encode() + strings.Repeat("&a=1", 70) + manyNames(70), "a used request_uri": form("client_id", s.app.id, "request_uri", "urn:ietf:params:oauth:request_uri:"+strings.Repeat("a", 43)).Encode(),
	} {
		p := b.Get(s.url + oauth.AuthorizePath + "?" + query)
		if p.Status < 400 || p.Status > 410 || p.To != nil || !p.Has("request-id") {
			t.Errorf("%s: %d at %s, to %v", name, p.Status, p.URL, p.To)
		}
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&p%d=1", i)
	}
	return b.String()
}

// Browsers get pages, programs get JSON, both with the request's id.
func TestErrorsAsPages(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true})
	for _, test := range []struct {
		method, path, accept string
		page                 bool
	}{
		{"GET", "/nowhere", "text/html,*/*", true}, {"GET", "/nowhere", "", false}, {"GET", "/nowhere", "application/json", false},
		{"GET", "/v1/nothing", "text/html", false}, {"GET", "/v1/licenses/x", "text/html", false}, {"GET", "/oauth/nothing", "text/html", false},
		{"GET", consentPath, "", true}, {"POST", loginPath, "", true}, {"DELETE", "/licenses", "text/html", true}, {"PUT", "/licenses", "", false},
	} {
		a := s.call(t, nil, test.method, test.path, nil, "Accept", test.accept)
		media := a.Header.Get("Content-Type")
		if a.StatusCode < 400 || strings.HasPrefix(media, "text/html") != test.page || !strings.Contains(a.body, a.Header.Get("X-Request-Id")) {
			t.Errorf("%+v: %d %s\n%s", test, a.StatusCode, media, a.body)
		}
	}
}

// What pages don't know is a fault of ours that tells nothing, a panic as well.
func TestFaultsAsPages(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true})
	secret := errors.New("about " + sampleCitizen)
	for name, h := range map[string]func(v *pages.Visit) error{
		"an error": func(*pages.Visit) error { return fmt.Errorf("somewhere: %w", secret) },
		"a panic":  func(*pages.Visit) error { panic(secret) },
		"no view":  func(v *pages.Visit) error { return v.Show(200, web.Login{Problem: "no_such_problem"}) },
	} {
		w := httptest.NewRecorder()
		s.around(s.site.Page(h)).ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
		if body := w.Body.String(); w.Code != 500 || !strings.Contains(body, "系统出现问题") || !strings.Contains(body, w.Header().Get("X-Request-Id")) || strings.Contains(body, sampleCitizen) {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
	}
}

// Each error that a page can meet has its status and its words.
func TestErrorsInWords(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true, Empty: true})
	refusing := func(code oidc.Code, reason string) error {
		return fmt.Errorf("x: %w", &oidc.RequestError{Refusal: &oidc.Error{Code: code, Reason: oidc.Reason(reason)}})
	}
	for _, test := range []struct {
		err    error
		status int
		title  string
	}{
		{oidc.ErrRequestGone, 410, "这次登录已经结束"}, {&oidc.GoneError{}, 410, "这次登录已经结束"},
		{refusing(oidc.InvalidRequest, ""), 400, "登录请求有误"}, {refusing(oidc.InvalidRequestURI, "request_uri_gone"), 410, "这次登录已经结束"},
		{refusing(oidc.UnmetAuthenticationRequirements, "proofing_too_low"), 403, "需要更高的实名等级"},
		{refusing(oidc.UnmetAuthenticationRequirements, "no_second_factor"), 403, "需要再添加一种登录方式"},
		{refusing(oidc.UnmetAuthenticationRequirements, "phone_waits"), 403, "暂时不能用短信验证码验证身份"},
		{refusing(oidc.TemporarilyUnavailable, "full"), 503, "系统繁忙"}, {refusing(oidc.ServerError, ""), 500, "系统出现问题"},
		{&oidc.Error{Code: oidc.TemporarilyUnavailable}, 503, "系统繁忙"}, {&identity.Error{Reason: "unavailable"}, 503, "系统繁忙"},
		{&identity.Error{Reason: "other"}, 500, "系统出现问题"}, {license.ErrUnavailable, 503, "系统繁忙"}, {context.DeadlineExceeded, 503, "系统繁忙"},
		{context.Canceled, 503, "系统繁忙"}, {&refusal.Error{Kind: refusal.KindForbidden, Reason: "assurance_too_low"}, 403, "需要更高的实名等级"},
		{&refusal.Error{Kind: refusal.KindMissing, Reason: "license_unknown"}, 404, "没有找到这份证照"}, {&refusal.Error{Kind: refusal.KindMissing, Reason: "grant_unknown"}, 404, "没有找到这次授权"},
		{&refusal.Error{Kind: refusal.KindInvalid, Reason: "cursor"}, 422, "提交的内容有误"}, {&refusal.Error{Kind: refusal.KindLimited, Reason: "x"}, 429, "操作过于频繁"},
		{problem.Nowhere(), 404, "没有找到这个页面"}, {pages.ErrForm(), 403, "操作未完成"}, {pages.ErrInput(), 400, "提交的内容有误"}, {errors.New("x"), 500, "系统出现问题"},
	} {
		for _, l := range web.Languages() {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/x", nil)
			r.Header.Set("Accept-Language", string(l))
			s.around(s.site.Page(func(*pages.Visit) error { return test.err })).ServeHTTP(w, r)
			if w.Code != test.status || l == web.Chinese && !strings.Contains(w.Body.String(), "<h1>"+test.title+"</h1>") {
				t.Errorf("%v: %d, want %d with %s:\n%s", test.err, w.Code, test.status, test.title, w.Body)
			}
		}
	}
}

// Every code that a page puts into words has words, and every text of a code is
// of a code that there is.
func TestCodesInWords(t *testing.T) {
	t.Parallel()
	texts := textsOf(t)
	families := map[string][]string{
		"outcome.*.what": {string(offer.OutcomeMissing), string(offer.OutcomeUncollected), string(offer.OutcomeExpired), string(offer.OutcomeEnded), string(offer.OutcomeNotYet), string(offer.OutcomeSuspended), string(offer.OutcomeDisputed), string(offer.OutcomeUnavailable)},
		"scope.*":        {string(oidc.ScopeProfile), string(oidc.ScopePhone), string(oidc.ScopeIdentity), string(oidc.ScopeOffline)},
		"relation.*":     {string(catalog.RelationSpouse), string(catalog.RelationChild), string(catalog.RelationLegalRepresentative)},
		"standing.*":     {"in_force", "license_expired", "license_not_yet_valid", "license_suspended", "license_superseded"},
		"basis.*":        {string(grants.BasisConsent), string(grants.BasisDuty)}, "grant.*": {string(grants.Pending), string(grants.Active)},
		"grant.ended.*": {grants.EndedByHolder, grants.EndedByReuse, grants.EndedByToken, grants.EndedByExpired},
		"origin.*":      {string(credential.OriginAuthority), string(credential.OriginCollected)}, "grade.*": {"A", "B", "C", "D"},
		"replaces.*": {string(license.Change), string(license.Renewal), string(license.Correction), string(license.Reinstated)},
		"verdict.*":  {string(credential.Valid), string(credential.Invalid), string(credential.Indeterminate)},
		"check.*": {string(credential.CheckFormat), string(credential.CheckSignature), string(credential.CheckChain), string(credential.CheckAuthority),
			string(credential.CheckPeriod), string(credential.CheckStatus), string(credential.CheckHolder), string(credential.CheckIntegrity)},
		"checked.*": {string(credential.Pass), string(credential.Fail), string(credential.Unknown), string(credential.Skipped)},
		"login.problem.*": {"login_refused", "too_many_tries", "rate_limited", "stale", "incomplete", "busy", "confirm_failed", "passkey_refused", "passkey_expired",
			"phone_invalid", "phone_incomplete", "too_many_codes", "code_not_sent", "codes_used_up", "code_expired", "code_spent", "person_tries"},
		"scanned.problem.*": {"present", "stale"},
		"phone.problem.*":   {"code_wrong", "person_refused", "incomplete", "busy", "too_many_codes", "code_not_sent", "codes_used_up", "phone_invalid", "stale", "rate_limited"},
		"entry.problem.*": {"phone_invalid", "too_many_codes", "codes_used_up", "code_not_sent", "code_wrong", "code_expired", "too_many_tries", "rate_limited", "stale", "busy", "proofing_unavailable",
			"not_confirmed", "account_exists", "phone_kept", "name_invalid", "code_invalid", "ticket_invalid"},
		"login.elsewhere.*": {string(upstream.ReasonStale), string(upstream.ReasonDenied), string(upstream.ReasonAway), string(upstream.ReasonWrong), string(upstream.ReasonLow), string(upstream.ReasonType), string(upstream.ReasonOld),
			string(upstream.ReasonUnlinked), string(upstream.ReasonOther), string(upstream.ReasonClosed), "upstream_unlinked_register", "upstream_weak", "unavailable", "busy"},
		"link.problem.*":         {string(upstream.ReasonOther), string(upstream.ReasonTaken), "upstream_wrong", "authenticator_limit", "stronger_login", "too_many_tries", "unavailable", "stale"},
		"proofing.*":             {"register_match", "in_person", "telecom", "face", "self", identity.MethodUpstream, "other"},
		"code.pwd.problem.*":     {"code_wrong", "too_many_tries", "not_sent"},
		"code.problem.*":         {"code_wrong", "code_expired", "too_many_tries", "too_many_codes", "no_phone", "no_second_factor", "not_sent", "rate_limited", "stale"},
		"code.passkey.problem.*": {"code_wrong", "passkey_refused", "passkey_expired", "too_many_tries", "not_sent", "no_second_factor"},
		"security.problem.*":     {"passkey_refused", "passkey_expired", "passkey_unsupported", "authenticator_limit", "setup_expired", "name_invalid", "phone_waits", "stale", "other"},
		"setup.problem.*":        {"ticket_invalid", "password_short", "password_long", "password_characters", "password_common", "password_personal", "repeat", "stale", "rate_limited", "busy", "other"},
		"password.problem.*": {"wrong_password", "too_many_tries", "password_same", "password_short", "password_long", "password_characters", "password_common",
			"password_personal", "incomplete", "stale", "rate_limited", "busy", "other"},
		"verify.problem.*": {"rate_limited", "verification_limited", "identifier_form", "identifier_check_digit", "verification_code_form", "not_found", "empty", "too_large", "stale", "busy"}, "consent.problem.*": {"changed", "stale", "choose"},
		"part.*":   {catalog.PartIdentifier, catalog.PartNumber, catalog.PartAreaCode, catalog.PartHolders},
		"value.*":  {"true", "false", "null"},
		"device.*": {"wechat", "alipay", "dingtalk", "huawei", "mi", "qq", "uc", "harmony", "kylin", "uos"},
		"code_type.*": {string(party.SocialCredit), string(party.OtherOrganization), string(party.Citizen), string(party.MilitaryOfficer),
			string(party.ArmedPoliceOfficer), string(party.Soldier), string(party.ArmedPoliceSoldier), string(party.MilitaryCivilian),
			string(party.ArmedPoliceCivilian), string(party.DiplomaticPassport), string(party.ServicePassport), string(party.PublicPassport),
			string(party.Passport), string(party.TaiwanPermit), string(party.HongKongMacaoPermit), string(party.OtherPerson)},
		"trail.reason.*": {"wrong_password", "no_password", "account_disabled", "too_many_tries", "account_tries", "too_many_codes", "code_wrong", "code_expired", "passkey_wrong", "passkey_copied", "person_asked", "person_refused", "disabled", "proofing_too_low", "phone_not_confirmed", "account_exists", "phone_left", "phone_kept",
			session.EndedByLogout, session.EndedByHolder, session.EndedByReplaced},
		"officer.state.*": {"waiting", "offered", "active", "lapsed", string(officer.ReasonEarly), string(officer.ReasonEnded), string(officer.ReasonParticipant), string(officer.ReasonAccount),
			string(officer.Dismissed), string(officer.Declined), string(officer.GivenUp)},
		"officer.problem.*": {string(officer.ReasonUnknown), string(officer.ReasonExists), string(officer.ReasonChanged), string(officer.ReasonLapsed), string(officer.ReasonEnded), string(officer.ReasonParticipant), string(officer.ReasonAccount),
			string(officer.ReasonRoles), string(officer.ReasonName), string(officer.ReasonCode), string(officer.ReasonStaff), string(officer.ReasonDivision), string(officer.ReasonDates), string(officer.ReasonSelf), string(officer.ReasonSame),
			string(officer.ReasonGone), string(officer.ReasonAlone), string(officer.ReasonApproved), string(officer.ReasonLow), string(officer.ReasonManyPosts), string(officer.ReasonManyToday), "stale", "other"},
		"acting.problem.*":   {"acting_choose", "stale"},
		"acting.kind.*":      {string(acting.LegalRepresentative), string(acting.Administrator), string(acting.Agent), string(acting.Guardian), string(acting.Entrusted)},
		"appointment.kind.*": {string(acting.Administrator), string(acting.Agent)},
		"acting.over.*": {string(acting.ReasonEnded), string(acting.ReasonUnproved), string(acting.ReasonExpired), string(acting.ReasonLapsed), string(acting.ReasonBounds),
			string(acting.ReasonOfAge)},
		"acting.none.*": {string(oidc.ActingOrganization), string(oidc.ActingPerson)}, "acting.how.*": {string(oidc.ActingOrganization), string(oidc.ActingPerson)},
		"act.*":                  {string(acting.Apply), string(acting.View), string(acting.Apply) + ".text", string(acting.View) + ".text"},
		"representation.ended.*": {string(acting.ReasonEnded), string(acting.ReasonDeclined), string(acting.ReasonExpired), string(acting.ReasonUnproved), string(acting.ReasonLapsed), string(acting.ReasonOfAge)},
		"representations.problem.*": {"stale", "other", "number", "name", "acts", "until", string(acting.ReasonUnknown), string(acting.ReasonEnded), string(acting.ReasonExpired), string(acting.ReasonMayNot),
			string(acting.ReasonTwice), string(acting.ReasonTooMany), string(acting.ReasonMalformed), string(acting.ReasonUnproved)},
		"notice.*": {"acting_over", "acting_unknown", "representation_accepted", "representation_declined", "representation_ended", "representation_confirmed", "representation_proposed", "withdrawn", "service_ended", "session_ended", "password_set", "password_changed"},
	}
	for _, r := range officer.Roles {
		families["officer.role.*"] = append(families["officer.role.*"], string(r))
		families["officer.role_text.*"] = append(families["officer.role_text.*"], string(r))
	}
	for _, what := range trail.Told() {
		families["trail.what.*"] = append(families["trail.what.*"], string(what))
	}
	for _, k := range license.EndingKinds() {
		families["standing.*"] = append(families["standing.*"], string(k.Kind), string(k.Kind)+"_text")
		for l, name := range map[web.Language]string{web.Chinese: k.Chinese, web.English: string(k.Kind)} {
			if text := texts.Text(l, "why.ended"); !strings.Contains(text, name) {
				t.Errorf("why.ended in %s doesn't name %s: %q", l, name, text)
			}
		}
	}
	for family, codes := range families {
		for _, code := range codes {
			if key := strings.Replace(family, "*", code, 1); !texts.Has(key) {
				t.Errorf("there is no text %s", key)
			}
		}
	}
	// What can keep a reading from being allowed, and a verification from
	// passing, is written in package license and its rooms.
	written := literals(t, "../license/*.go")
	maps.Copy(written, literals(t, "../license/*/*.go"))
	for _, key := range texts.Keys() {
		for _, family := range []string{"result.", "why."} {
			code, ok := strings.CutPrefix(key, family)
			if ok && code != "other" && code != "refused" && !written[code] && !literals(t, "../signing/*.go")[code] && !literals(t, "../signing/sdjwt/*.go")[code] && !literals(t, "../signing/jose/*.go")[code] {
				t.Errorf("%s is the text of a code that there isn't", key)
			}
		}
	}
}

// literals returns the texts that stand in the source of a package.
func literals(t *testing.T, pattern string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(pattern)
	mustOf(t)(err)
	found := map[string]bool{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		mustOf(t)(err)
		ast.Inspect(tree, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					found[s] = true
				}
			}
			return true
		})
	}
	return found
}
