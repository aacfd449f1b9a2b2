package web

import (
	"bytes"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// evil is what a name can be: pages must show it and nothing else.
const evil = `<script>alert("样例")</script>𬱖䶮`

var (
	sampleForm  = Form{Action: "/here?request=abc", Token: "token"}
	sampleAsker = &Asker{Name: "居住证系统" + evil, Participant: "青禾市公安局（样例）", Home: "https://service.example/start"}
	sampleTime  = time.Date(2026, 3, 2, 8, 30, 0, 0, time.UTC)
	sampleCard  = Card{
		ID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", Band: "jade", Type: "居住证（样例）", Number: "样居字第1号", Authority: "青禾市公安局（样例）",
		Holders: []CardHolder{{Role: "持证人", Name: evil, CodeType: "公民身份号码", Code: "990102198803121011", Share: "1/2"}},
		From:    "2025-03-03", Until: "2035-03-02", State: "active", Fields: []Part{{Name: "sex", Title: "性别", Value: "男"}, {Name: "x", Title: evil, Value: evil}},
	}
	sampleRecord = Record{
		At: sampleTime, Participant: "青禾市市场监督管理局（样例）", Client: evil, Officer: "登记科 样例", Item: "食品经营许可", Case: "2026-1", License: "居住证（样例）",
		LicenseID: "aaaaaaaaaaaaaaaaaaaaaaaaaa", Parts: []string{"姓名", evil}, Basis: "consent", Result: "ok",
	}
	sampleLicense = ConsentLicense{
		Value: "permit:aaaaaaaaaaaaaaaaaaaaaaaaaa:1", Card: sampleCard, Parts: []Part{{Name: "fields/sex", Title: "性别", Value: "男"}},
		Sensitive: []Part{{Name: "fields/address", Title: "居住地址", Value: evil, Reason: "核对" + evil}},
	}
)

func ended(kind string) Card {
	c := sampleCard
	c.State, c.Ending, c.Until = "ended", kind, ""
	return c
}

// samples are views in each of their states.
func samples() map[string]View {
	refused := sampleRecord
	refused.Result, refused.LicenseID, refused.Basis = "client_mismatch", "", "duty"
	copied := sampleCard
	copied.Copy = "副本"
	copied.Fields = []Part{{Name: "copy", Title: "正本或副本", Value: "副本"}, {Name: "holder", Title: "持证人", Value: evil}}
	copied.Apart = copied.Fields[:1]
	another := sampleLicense
	another.Value, another.Card.Apart = "permit:bbbbbbbbbbbbbbbbbbbbbbbbbb:1", []Part{{Name: "x", Title: evil, Value: evil}}
	return map[string]View{
		"login":                     Login{Form: sampleForm, Asker: sampleAsker},
		"login licenses":            Login{Form: sampleForm, Asker: sampleAsker, Licenses: true, Username: evil, Problem: "login_refused"},
		"login portal":              Login{Form: sampleForm, Problem: "too_many_tries", Wait: 300},
		"login phone":               Login{Form: sampleForm, Asker: sampleAsker, Phones: true, ByPhone: true, Phone: evil, Passkey: "{}", Problem: "phone_invalid"},
		"login both":                Login{Form: sampleForm, Phones: true, Username: evil, Problem: "login_refused"},
		"login scan":                Login{Form: sampleForm, Asker: sampleAsker, Phones: true, Scans: true},
		"scan asked":                Scan{Form: sampleForm, Asker: sampleAsker, Back: "/login", Code: evil, QR: QR{29, "M4 4h1v1h-1z"}, Digits: "07", State: "asked", Left: 97, Poll: "/login/scan/state?x"},
		"scan seen":                 Scan{Form: sampleForm, Back: "/login", Code: evil, Digits: "07", State: "seen", Name: evil, Left: 42},
		"scan confirmed":            Scan{Form: sampleForm, Back: "/login", Code: evil, Digits: "07", State: "confirmed", Name: evil, Left: 1},
		"scan gone":                 Scan{Form: sampleForm, Back: "/login"},
		"scanned":                   Scanned{Form: sampleForm, Asker: sampleAsker, Licenses: true, User: evil, Device: "Chrome · Windows", Address: "203.0.113.7", Network: evil, Near: true, Digits: "07", Host: "id.example"},
		"scanned led":               Scanned{Form: sampleForm, Led: true},
		"scanned far":               Scanned{Form: sampleForm, User: evil, Address: "2001:db8::1", Digits: "07", Host: "id.example", Problem: "present"},
		"scan done":                 ScanDone{Confirmed: true},
		"scan what":                 ScanDone{},
		"phone code":                Phone{Form: sampleForm, Asker: sampleAsker, Number: evil, Masked: "138****0000", Wait: 42, Problem: "code_wrong", Back: "/login"},
		"phone whose":               Phone{Form: sampleForm, Number: evil, Question: evil, Name: evil, Problem: "rate_limited", Retry: 60, Back: "/login"},
		"login certificate":         Login{Form: sampleForm, Asker: sampleAsker, Certificate: "/login/certificate?request=abc"},
		"certificate":               CertificateLogin{Form: sampleForm, Asker: sampleAsker, Signing: Signing{Text: evil, Authorities: []string{evil, "x"}}, Back: "/login"},
		"certificate refused":       CertificateLogin{Form: sampleForm, Signing: Signing{Text: "x", Certificate: evil, Channel: true}, Back: "/login", Problem: "certificate_refused"},
		"certificate waits":         CertificateLogin{Form: sampleForm, Signing: Signing{Text: "x"}, Back: "/login", Problem: "too_many_tries", Wait: 300},
		"certificate add":           CertificateAdd{Form: sampleForm, Signing: Signing{Text: "x", Channel: true}, Name: evil, Problem: "certificate_taken"},
		"certificate add too often": CertificateAdd{Form: sampleForm, Problem: "too_many_tries"},
		"certificate shown":         Security{Form: sampleForm, User: evil, Fresh: true, AddsCertificates: true, Certificates: []CertificateShown{{Authenticator: Authenticator{ID: "a", Name: evil, Added: sampleTime, Used: sampleTime}, Subject: evil, Issuer: evil, From: sampleTime, Until: sampleTime, Over: true, Gone: true}}},
		"code certificate":          Code{Form: sampleForm, Factor: "certificate", Signing: Signing{Text: "x", Channel: true}, Problem: "certificate_stale"},
		"code password":             Code{Form: sampleForm, Factor: "pwd", Forgot: "/forgot", Problem: "too_many_tries", Retry: 60, Others: []Other{{"passkey", "/x"}}},
		"code":                      Code{Form: sampleForm, Asker: sampleAsker, Phone: "138****0000", Sent: true, Wait: 42},
		"code unsent":               Code{Form: sampleForm, Phone: "138****0000", Problem: "too_many_codes", Retry: 4000},
		"code without":              Code{Form: sampleForm, Problem: "no_phone"},
		"code confirm":              Code{Form: sampleForm, Challenge: evil, Sent: true, Problem: "code_wrong"},
		"login elsewhere":           Login{Form: sampleForm, Asker: sampleAsker, Upstreams: []Upstream{{ID: "x", Title: evil, To: "/login/upstream/x/begin?request=abc"}}, Elsewhere: &Elsewhere{Title: evil, Reason: "upstream_away"}},
		"login unlinked":            Login{Form: sampleForm, Phones: true, ByPhone: true, Upstreams: []Upstream{{ID: "x", Title: evil, To: "/login/upstream/x/begin?request=abc"}}, Elsewhere: &Elsewhere{Title: evil, Reason: "upstream_unlinked", Unlinked: true}},
		"link":                      Link{Form: sampleForm, Asker: sampleAsker, User: evil, Title: evil},
		"link refused":              Link{Form: sampleForm, User: evil, Title: evil, Problem: "upstream_other", Over: true},
		"link again":                Link{Form: sampleForm, User: evil, Title: evil, Problem: "too_many_tries"},
		"account":                   Account{Form: sampleForm, Asker: sampleAsker, User: evil},
		"consent login":             Consent{Form: sampleForm, Asker: *sampleAsker, ID: "form", Scopes: []string{"profile", "phone", "identity", "offline_access", "new"}},
		"consent":                   sampleConsent(sampleLicense),
		"consent choice":            sampleConsent(sampleLicense, another),
		"consent nothing":           sampleConsent(),
		"front":                     Front{Login: true},
		"front closed":              Front{},
		"licenses":                  Licenses{Cards: []Card{sampleCard, copied, ended("revoked"), {Band: "sky", Type: "x", Unusable: "license_expired"}}, Next: "cursor"},
		"licenses none":             Licenses{},
		"locked":                    Locked{},
		"license":                   License{Card: sampleCard, Identifier: "1.2.156.3005.2", VerificationCode: "ABCD EFGH", Version: 2, Replaces: "change", Issued: sampleTime, Origin: "authority", Grade: "A", Records: []Record{sampleRecord, refused}, More: true, Now: sampleTime, VerifyURL: "https://id.example/verify"},
		"license ended":             License{Card: ended("rescinded"), Version: 1, Issued: sampleTime, Origin: "collected", Grade: "B", Ended: &LicenseEnding{Kind: "rescinded", From: "2026-01-01", Document: evil, Basis: evil}},
		"records":                   Records{Records: []Record{sampleRecord, refused}, Next: 12},
		"records none":              Records{},
		"grants":                    Grants{Form: sampleForm, Next: "c", Grants: []Grant{sampleGrant("active", ""), sampleGrant("pending", ""), sampleGrant("ended", "holder"), sampleGrant("ended", "strange")}},
		"grants none":               Grants{Form: sampleForm},
		"sessions":                  Sessions{Form: sampleForm, Sessions: []Session{{ID: "a", Current: true, Device: "Chrome · Windows", Address: "192.0.2.1", Created: sampleTime, Seen: sampleTime}, {ID: "b", Scanned: true, Address: evil}}},
		"services": Services{Form: sampleForm, Services: []Service{
			{ID: "a", Name: evil, Participant: "青禾市某公司（样例）", Scopes: []string{"openid", "profile", "strange"}, Since: sampleTime, Offline: sampleTime},
			{ID: "b", Since: sampleTime}, {ID: "c", Name: "x", Participant: "y", Since: sampleTime, Offline: sampleTime},
		}},
		"services none":   Services{Form: sampleForm},
		"logout":          Logout{Form: sampleForm, Asker: sampleAsker, User: evil, Fields: []Field{{"request-state", evil}}},
		"logout alone":    Logout{Form: sampleForm},
		"logout refused":  Logout{Form: sampleForm, Why: sampleWhy},
		"goodbye":         Goodbye{},
		"goodbye refused": Goodbye{sampleWhy},
		"entry":           Entry{Form: sampleForm, Online: true, Step: EntryPerson, Proved: evil, Login: "/login", Types: []string{"111", "414"}, Type: "414", Name: evil, Code: evil, Problem: "code_wrong", Registers: true},
		"entry phone":     Entry{Form: sampleForm, Online: true, Step: EntryPhone, Login: "/login", Number: evil, Problem: "too_many_codes", Retry: 60},
		"entry code":      Entry{Form: sampleForm, Online: true, Step: EntryCode, Login: "/login", Number: evil, Masked: evil, Wait: 60},
		"entry password":  Entry{Form: sampleForm, Online: true, Step: EntryPassword, Login: "/login", Ticket: evil, Made: true, Problem: "password_short"},
		"entry closed":    Entry{Form: sampleForm, Login: "/login"},
		"proofing":        Proofing{Form: sampleForm, Asker: sampleAsker, To: "/security/identity?request=abc"},
		"phone waits":     PhoneWaits{Form: sampleForm, Asker: sampleAsker, Until: sampleTime},
		"raise":           Raise{Form: sampleForm, Step: RaiseBegin, Masked: "138****0000", Back: "/security", Problem: "code_expired"},
		"raise code":      Raise{Form: sampleForm, Step: EntryCode, Level: 1, Masked: "138****0000", Back: "/security", Wait: 60, Problem: "code_wrong"},
		"raise person":    Raise{Form: sampleForm, Step: EntryPerson, Proved: evil, Back: "/security", Types: []string{"111", "414"}, Type: "414", Name: evil, Code: evil, Problem: "too_many_tries", Retry: 60},
		"raise counter":   Raise{Form: sampleForm, Step: RaiseCounter, Back: "/security"},
		"raise highest":   Raise{Form: sampleForm, Step: RaiseHighest, Level: 2, Back: "/security"},
		"security low":    Security{Form: sampleForm, User: "x", Phone: "138****0000", Waits: sampleTime, Raises: true},
		"setup":           Setup{Form: sampleForm, Ticket: evil, Problem: "ticket_invalid"},
		"password":        Password{Form: sampleForm, Problem: "wrong_password"},
		"security":        Security{Form: sampleForm, User: evil, LoginName: evil, Phone: "138****0000", Codes: []PersonCode{{"111", "9****1"}, {"strange", evil}}, Level: 2, Method: "register_match", Proofed: sampleTime, Password: sampleTime, Apps: []Authenticator{{ID: "a", Name: evil, Added: sampleTime}}, Passkeys: []Authenticator{{ID: "k", Name: evil, Added: sampleTime, Used: sampleTime, Away: true}, {ID: "l", Name: "x"}}, Links: []Authenticator{{ID: "m", Name: evil, Added: sampleTime}}, Recovery: &Authenticator{ID: "b", Added: sampleTime, Left: 3}, Fresh: true, Problem: "stale", Trail: Trail{Altered: 1, Lines: []TrailLine{{What: "logged_in", At: sampleTime, Factor: "pwd"}}}},
		"security little": Security{Form: sampleForm, User: "x", Method: "strange", Apps: []Authenticator{{ID: "a", Name: evil, Added: sampleTime}}},
		"trail": Trail{Began: true, Next: "20260301T000000.000000Z_provider_7", Altered: 1, Lines: []TrailLine{
			{What: "logged_in", At: sampleTime, Factor: "pwd", Device: evil, Address: "192.0.2.1", Current: true}, {What: "access_ended", At: sampleTime, Service: true, Client: evil},
			{What: "access_kept", At: sampleTime, Service: true}, {What: "disabled", At: sampleTime, Staff: true}, {What: "logged_out", At: sampleTime, Reason: "replaced"},
			{What: "tried_many", Refused: true, At: sampleTime, First: sampleTime, More: true, Tries: []TrailTries{{"tried_password", 1}, {"tried_code", 49}}},
		}},
		"trail none":        Trail{Began: true},
		"trail end":         Trail{},
		"trail empty":       Trail{Next: "20260301T000000.000000Z_provider_7"},
		"app":               App{Form: sampleForm, Setup: evil, Secret: "ABCD EFGH", QR: QR{29, "M4 4h1v1h-1z"}, Name: evil, Problem: "code_wrong"},
		"passkey":           Passkey{Form: sampleForm, Setup: evil, Options: `{"challenge":"` + evil + `"}`, Name: evil, Problem: "passkey_refused"},
		"login passkey":     Login{Form: sampleForm, Passkey: `{"challenge":"` + evil + `"}`, Problem: "passkey_expired"},
		"code passkey":      Code{Form: sampleForm, Factor: "passkey", Passkey: `{"challenge":"` + evil + `"}`, Others: []Other{{"sms", "/x"}}, Problem: "passkey_refused"},
		"recovery":          Recovery{Form: sampleForm, Problem: "stale"},
		"recovery codes":    Recovery{Codes: []string{"ABCDE-FGHJK"}, Made: sampleTime},
		"code totp":         Code{Form: sampleForm, Asker: sampleAsker, Factor: "totp", Others: []Other{{"sms", "/login/code?factor=sms"}, {"recovery", "/x"}}, Problem: "code_wrong"},
		"code recovery":     Code{Form: sampleForm, Factor: "recovery", Problem: "too_many_tries", Retry: 3600},
		"verify":            Verify{Form: sampleForm, Credential: evil, Identifier: evil, Code: evil, Problem: "rate_limited", Wait: 20},
		"verify valid":      sampleVerdict("valid", "pass", true),
		"verify invalid":    sampleVerdict("invalid", "fail", false),
		"verify uncertain":  sampleVerdict("indeterminate", "unknown", false),
		"formpost":          FormPost{Action: "https://service.example/back", Fields: []Field{{"code", evil}, {"iss", "https://id.example"}}},
		"onward":            Onward{To: "http://[::1]:1234/back?code=abc"},
		"error":             Error{Key: "redirect_uri", Status: 400, Asker: sampleAsker, Why: sampleWhy},
		"posts":             Posts{Posts: samplePosts(), Administer: true},
		"posts none":        Posts{},
		"officers":          Officers{Form: sampleForm, Participant: evil, ID: "a", Others: []Employer{{"b", evil}}, Posts: samplePosts(), Role: "clerk", Next: "x"},
		"officers none":     Officers{Form: sampleForm, Participant: evil, ID: "a", Division: evil, Ended: true, Problem: "post_unknown"},
		"post offered":      OnePost{Form: sampleForm, Post: samplePosts()[0], Mine: true, Accept: true, Problem: "post_changed"},
		"post mine":         OnePost{Form: sampleForm, Post: samplePosts()[1], Mine: true, Leave: true},
		"post administered": OnePost{Form: sampleForm, Post: samplePosts()[1], Dismiss: true, Shared: true, Asked: true},
		"post waiting":      OnePost{Form: sampleForm, Post: samplePosts()[0], Approve: true, Dismiss: true},
		"appoint":           Appoint{Form: sampleForm, Participant: evil, ID: "a", Name: evil, Types: []string{"111", "414"}, Type: "414", Roles: []RoleChoice{{"administrator", true}, {"clerk", false}, {"supervisor", false}}, Problem: "code_invalid"},
		"error waiting":     Error{Key: "too_many", Status: 429, Wait: 61, Retry: true},
		"error gone":        Error{Key: "gone", Status: 410, Asker: &Asker{Name: "x"}},
	}
}

func samplePosts() []Post {
	p := Post{ID: "a", Name: evil, Participant: evil, Division: evil, Staff: "A-1", CodeType: "111", Code: "99****01", Roles: []string{"administrator", "supervisor"}, From: "2026-03-02", State: "offered", Tone: "wait", Appointed: sampleTime}
	q, r := p, p
	q.ID, q.State, q.Tone, q.Accepted, q.Until = "b", "active", "good", sampleTime, "2027-03-02"
	r.ID, r.State, r.Tone, r.Ended = "c", "dismissed", "past", sampleTime
	return []Post{p, q, r}
}

var sampleWhy = Why{Code: "invalid_request", Description: "the redirect URI is not registered", Received: "https://evil.example/" + evil, Differs: "the port differs"}

func sampleConsent(ls ...ConsentLicense) Consent {
	return Consent{
		Form: sampleForm, Asker: *sampleAsker, ID: "form", Shown: "00", Item: &ConsentItem{"居住证签注", "为您办理居住证签注" + evil}, Until: "1800000000",
		Materials: []ConsentMaterial{
			{ID: "permit", Name: "居住证明" + evil, Relation: "applicant", Required: true, Outcome: "found", Licenses: ls},
			{ID: "birth", Name: "出生证明", Relation: "child", Outcome: "missing"}, {ID: "other", Name: "其他", Relation: "cousin", Outcome: "strange"},
		},
	}
}

func sampleGrant(state, by string) Grant {
	return Grant{
		ID: state + by, Participant: "青禾市公安局（样例）", Client: evil, Item: "居住证签注", Case: "1", State: state, EndedBy: by, Recurring: true, Created: sampleTime,
		Until: sampleTime, Ended: sampleTime, Licenses: []GrantLicense{{ID: "a", Type: "居住证（样例）", Parts: []string{"姓名", evil}}},
	}
}

func sampleVerdict(verdict, result string, card bool) Verify {
	v := &Verdict{Verdict: verdict, At: sampleTime, Origin: "collected", Masked: card, Checks: []Check{{"format", "pass", "well_formed"}, {"signature", result, "token_signature"}, {"status", result, "strange"}, {"holder", "skipped", "not_reached"}}}
	if card {
		v.Card = &sampleCard
	}
	return Verify{Form: sampleForm, Result: v}
}

// Every page is made in both languages and both sizes, is well-formed, shows
// what it is given as text, and can be used by whoever can't see it.
func TestViews(t *testing.T) {
	p := pagesOf(t)
	seen := map[string]bool{}
	all := samples()
	maps.Copy(all, actingSamples())
	for name, view := range all {
		seen[view.template()] = true
		for _, l := range Languages() {
			for _, elder := range []bool{false, true} {
				f := Frame{Lang: l, Elder: elder, Here: "/here?a=b", RequestID: "0123456789abcdef", Nonce: "bm9uY2U", User: evil, Section: "licenses", Notice: "withdrawn", ActsFor: actsFor(elder), Posted: elder, Quiet: elder}
				b, err := p.Render(f, view)
				if err != nil {
					t.Errorf("%s in %s: %v", name, l, err)
					continue
				}
				checkPage(t, name+" in "+string(l), b)
			}
		}
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range names {
		if base := strings.TrimSuffix(path.Base(file), ".html"); p.templates[Chinese]().Lookup(base+"/main") != nil && !seen[base] {
			t.Errorf("no sample of %s", base)
		}
	}
}

// checkPage looks at what machines can see of a page.
func checkPage(t *testing.T, name string, page []byte) {
	t.Helper()
	if len(page) > 40<<10 {
		t.Errorf("%s has %d bytes", name, len(page))
	}
	if bytes.Contains(page, []byte("<script>")) || bytes.Contains(page, []byte("ZgotmplZ")) || bytes.Contains(page, []byte("%!")) {
		t.Errorf("%s shows a value as markup, or not at all", name)
	}
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, labels, h1, titled := map[string]bool{}, map[string]bool{}, 0, false
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("%s: the id %s stands twice", name, id)
			}
			ids[id] = true
		}
		switch n.Data {
		case "h1":
			h1++
		case "title":
			titled = n.FirstChild != nil && strings.TrimSpace(n.FirstChild.Data) != ""
		case "label":
			labels[attr(n, "for")] = true
		case "svg":
			if named := attr(n, "role") == "img" && attr(n, "aria-label") != ""; !named && attr(n, "aria-hidden") != "true" {
				t.Errorf("%s: a picture without words is read out", name)
			}
		case "form":
			if attr(n, "method") != "post" || attr(n, "action") == "" {
				t.Errorf("%s: a form has no method or no action", name)
			}
		}
	}
	if h1 != 1 || !titled {
		t.Errorf("%s has %d main headings, a title: %t", name, h1, titled)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		field := n.Data == "textarea" || n.Data == "input" && !slices.Contains([]string{"hidden", "checkbox", "radio"}, attr(n, "type"))
		if field && !labels[attr(n, "id")] {
			t.Errorf("%s: the field %s has no label", name, attr(n, "name"))
		}
		if n.Data == "input" && slices.Contains([]string{"checkbox", "radio"}, attr(n, "type")) && n.Parent.Data != "label" && !labels[attr(n, "id")] {
			t.Errorf("%s: the box %s has no label", name, attr(n, "name"))
		}
		for ref := range strings.FieldsSeq(attr(n, "aria-describedby") + " " + attr(n, "aria-labelledby")) {
			if !ids[ref] {
				t.Errorf("%s: %s is referred to and isn't there", name, ref)
			}
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestRenderRefuses(t *testing.T) {
	p := pagesOf(t)
	if _, err := p.Render(Frame{Lang: Chinese}, Login{Problem: "no_such_problem"}); err == nil {
		t.Error("a page with an unknown text is shown")
	}
	if b, err := p.Render(Frame{Lang: "xx"}, Goodbye{}); err != nil || !bytes.Contains(b, []byte(`lang="zh-CN"`)) {
		t.Errorf("an unknown language: %v", err)
	}
}

// A card says in its head which copy it is of, and says nothing twice.
func TestCardSaysNothingTwice(t *testing.T) {
	p := pagesOf(t)
	card := Card{
		Type: "营业执照", Copy: "副本", Holders: []CardHolder{{Role: "经营者", Name: "周样例"}}, From: "2025-03-03",
		Fields: []Part{{Title: "经营者", Value: "周样例"}, {Title: "正本或副本", Value: "副本"}, {Title: "联系人", Value: "周样例"}}, Apart: []Part{{Title: "正本或副本", Value: "副本"}, {Title: "类型", Value: "甲"}},
	}
	for name, c := range map[string]struct {
		view View
		once []string
	}{
		"list":    {Licenses{Cards: []Card{card}}, []string{">副本<", ">周样例<", ">甲<"}},
		"license": {License{Card: card, Now: sampleTime}, []string{`class="card-apart">副本<`, "<dt>经营者<", "<dt>联系人<", "<dt>正本或副本<"}},
	} {
		b, err := p.Render(Frame{Lang: Chinese}, c.view)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.once {
			if n := bytes.Count(b, []byte(text)); n != 1 {
				t.Errorf("%s: %q stands %d times in\n%s", name, text, n, b)
			}
		}
	}
}
