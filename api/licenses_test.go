package api

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// TestLifeOfALicense goes the whole way over HTTP: a type is defined and
// published, a license issued, read, found, replaced, suspended, resumed and
// ended, and everyone sees by verifying what became of it.
func TestLifeOfALicense(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	s.publish(t, sampleType, definition(nil))
	first := s.issue(t, sampleNumber)
	path := "/v1/licenses/" + first.ID
	if first.Version != 1 || first.State != "active" || !regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{8}$`).MatchString(first.VerificationCode) {
		t.Errorf("issued %+v", first)
	}
	s.verifyCredential(t, first.Credential).wantVerdict(t, "valid", "status pass in_force")

	l := readLicense(t, s, path)
	if l["number"] != sampleNumber || l["type_name"] != "样例特种作业操作证" || l["authority"] != departmentUSCC || l["version"] != 1.0 {
		t.Errorf("read %v", l)
	}
	a := s.call(t, s.reader, "GET", path+"/credential", nil).want(t, 200, "")
	if a.body != first.Credential || a.Header.Get("Content-Type") != "application/dc+sd-jwt" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("credential: %v", a.Header)
	}
	for _, q := range []object{
		{"identifier": first.Identifier}, {"number": sampleNumber, "type_code": sampleType},
		{"holder": object{"type": "111", "value": sampleCitizen}}, {"state": "active", "type_code": sampleType},
	} {
		var found struct {
			Licenses []struct{ ID, State string }
		}
		a := s.call(t, s.reader, "POST", "/v1/licenses/search", q).want(t, 200, "")
		if err := jsonInto(a, &found); err != nil || len(found.Licenses) != 1 || found.Licenses[0].ID != first.ID {
			t.Errorf("searching %v: %s", q, a.body)
		}
	}

	change := merge(issueBody(sampleNumber, object{"type_code": nil, "valid_until": nil}), object{"kind": "change", "reason": "样例改名"})
	var second issuedOfTest
	s.call(t, s.department, "POST", path+"/replace", change, idempotencyKey, "r1", ifMatch, `"1"`).want(t, 200, "").decode(t, &second)
	again := s.call(t, s.department, "POST", path+"/replace", change, idempotencyKey, "r1", ifMatch, `"1"`).want(t, 200, "")
	if again.Header.Get("Idempotency-Replayed") != "true" || again.member("identifier") != second.Identifier {
		t.Errorf("repeated replacement: %s", again.body)
	}
	if second.Version != 2 || second.ID != first.ID || second.Identifier == first.Identifier {
		t.Errorf("replacement %+v", second)
	}
	s.verifyCredential(t, first.Credential).wantVerdict(t, "invalid", "status fail superseded")
	if l := readLicense(t, s, path); l["version"] != 2.0 || l["valid_until"] != nil {
		t.Errorf("long-term license: %v", l)
	}
	if l := readLicense(t, s, path+"?version=1"); l["state"] != "superseded" || l["newest_version"] != 2.0 {
		t.Errorf("version 1: %v", l)
	}

	s.call(t, s.department, "POST", path+"/suspend", suspendBody()).want(t, 200, "")
	s.call(t, s.department, "POST", path+"/suspend", suspendBody()).want(t, 409, "not_active")
	s.verifyCredential(t, second.Credential).wantVerdict(t, "invalid", "status fail suspended")
	s.call(t, s.department, "POST", path+"/resume", object{"reason": "发还"}).want(t, 200, "")
	s.verifyCredential(t, second.Credential).wantVerdict(t, "valid", "status pass in_force")
	if a := s.call(t, s.department, "POST", path+"/end", endBody()).want(t, 200, ""); a.member("state") != "ended" {
		t.Errorf("ended: %s", a.body)
	}
	s.call(t, s.department, "POST", path+"/end", endBody()).want(t, 409, "already_ended")
	s.verifyCredential(t, second.Credential).wantVerdict(t, "invalid", "status fail ended")
	checkHistory(t, s, path)
}

func endBody() object {
	today := party.DateOf(time.Now()).String()
	return object{"kind": "cancelled", "reason": "持证人申请", "effective_from": today,
		"document": object{"number": "样例〔2026〕1号", "date": today, "basis": "行政许可法第七十条"}}
}

func suspendBody() object {
	return object{"reason": "暂扣", "document": endBody()["document"]}
}

func readLicense(t *testing.T, s *service, path string) object {
	t.Helper()
	var l object
	if err := jsonInto(s.call(t, s.reader, "GET", path, nil).want(t, 200, ""), &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// checkHistory reads the whole history, page by page.
func checkHistory(t *testing.T, s *service, path string) {
	t.Helper()
	var done []string
	after := "0"
	for {
		var page struct {
			Events []struct {
				Seq                    int64
				Action, Result, Client string
				At                     time.Time
				RequestID              string `json:"request_id"`
			}
			Next *int64
		}
		if err := jsonInto(s.call(t, s.reader, "GET", path+"/history?limit=5&after="+after, nil).want(t, 200, ""), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.RequestID == "" || e.At.IsZero() || e.Client == "" {
				t.Errorf("an event lacks facts: %+v", e)
			}
			if e.Action != "license.history" {
				done = append(done, strings.TrimPrefix(e.Action, "license.")+" "+e.Result)
			}
		}
		if page.Next == nil {
			break
		}
		after = jsonText(*page.Next)
	}
	want := []string{"issue ok", "read ok", "credential ok", "replace ok", "replace replayed", "read ok", "read ok",
		"suspend ok", "suspend not_active", "resume ok", "end ok", "end already_ended"}
	if !slices.Equal(done, want) {
		t.Errorf("history %q, want %q", done, want)
	}
}

// The 201 answer, and the replay of it.
func TestIssueAnswer(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	first := s.call(t, s.department, "POST", "/v1/licenses", issueBody("1", nil), idempotencyKey, "k").want(t, 201, "")
	var o object
	if err := jsonInto(first, &o); err != nil {
		t.Fatal(err)
	}
	if got, want := sortedKeys(o), []string{"credential", "id", "identifier", "revision", "state", "verification_code", "version"}; !slices.Equal(got, want) {
		t.Errorf("members %v, want %v", got, want)
	}
	h := first.Header
	if h.Get("Location") != "/v1/licenses/"+first.member("id") || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("Idempotency-Replayed") != "" {
		t.Errorf("headers %v", h)
	}
	again := s.call(t, s.department, "POST", "/v1/licenses", issueBody("1", nil), idempotencyKey, "k").want(t, 201, "")
	if again.body != first.body || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("replayed %v %s", again.Header, again.body)
	}
}

// The shapes of answers: what is absent is not there, times are RFC 3339 in
// UTC, and lists are never null.
func TestShapes(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	out := s.issue(t, "1")
	l := readLicense(t, s, "/v1/licenses/"+out.ID)
	for _, name := range []string{"check_mismatch", "ending", "replaces"} {
		if _, ok := l[name]; ok {
			t.Errorf("%s is there: %v", name, l[name])
		}
	}
	for _, name := range []string{"created_at", "updated_at", "issued_at"} {
		if at, err := time.Parse(time.RFC3339, l[name].(string)); err != nil || at.Location() != time.UTC {
			t.Errorf("%s is %v", name, l[name])
		}
	}
	if _, err := party.ParseDate(l["valid_until"].(string)); err != nil {
		t.Errorf("valid_until is %v", l["valid_until"])
	}
	if a := s.call(t, s.reader, "POST", "/v1/licenses/search", object{"number": "nowhere", "type_code": sampleType}); a.body != `{"licenses":[]}` {
		t.Errorf("nothing found: %s", a.body)
	}
	if a := s.call(t, s.reader, "GET", "/v1/license-types?after="+sampleType, nil); a.body != `{"types":[]}` {
		t.Errorf("no types: %s", a.body)
	}
	a := s.call(t, s.reader, "GET", "/v1/licenses/"+out.ID+"/history?limit=100", nil)
	if strings.Contains(a.body, `"next"`) || strings.Contains(a.body, `"version":0`) {
		t.Errorf("the last page of a history: %s", a.body)
	}
	v := s.verifyCredential(t, out.Credential)
	if len(v.Checks) != 8 || v.License["withheld"] != 0.0 || v.CheckedAt.IsZero() {
		t.Errorf("verification %+v", v)
	}
}

func TestVerifyByIdentifier(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	out := s.issue(t, "1")
	ask := func(identifier, code string) answer {
		t.Helper()
		return s.call(t, nil, "POST", "/v1/verify", object{"identifier": identifier, "verification_code": code}).want(t, 200, "")
	}
	a := ask(out.Identifier, strings.ToLower(out.VerificationCode[:4])+" "+out.VerificationCode[4:])
	var v verdictOfTest
	a.decode(t, &v)
	v.wantVerdict(t, "valid", "status")
	if v.License["fields"] != nil || v.License["number"] != nil || strings.Contains(a.body, sampleCitizen) || strings.Contains(a.body, sampleName) {
		t.Errorf("verified by identifier: %s", a.body)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.Header)
	}
	strip := regexp.MustCompile(`"checked_at":"[^"]*"`)
	wrong := strip.ReplaceAllString(ask(out.Identifier, "00000000").body, "")
	none, err := credential.NewIdentifier(sampleType, departmentUSCC, "NOSUCH", 1)
	mustOf(t)(err)
	if unknown := strip.ReplaceAllString(ask(string(none), "00000000").body, ""); unknown != wrong {
		t.Errorf("an unknown identifier gets %s, a wrong code %s", unknown, wrong)
	}
	// What was mistyped is no verdict.
	typo := func(identifier, code, reason string) {
		t.Helper()
		s.call(t, nil, "POST", "/v1/verify", object{"identifier": identifier, "verification_code": code}).want(t, 422, reason)
	}
	typo("nonsense", "00000000", "identifier_form")
	typo(strings.Replace(out.Identifier, ".001.", ".002.", 1), out.VerificationCode, "identifier_check_digit")
	typo(out.Identifier, "0000", "verification_code_form")
}

func TestTrust(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	out := s.issue(t, "1")
	a := s.call(t, nil, "GET", "/v1/trust/anchors", nil).want(t, 200, "")
	anchors, err := pki.ParseAnchors([]byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Cache-Control") != "public, max-age=3600" {
		t.Errorf("anchors: %v", a.Header)
	}
	list := s.call(t, nil, "GET", "/v1/trust/status-lists/1", nil).want(t, 200, "")
	if list.Header.Get("Content-Type") != "application/statuslist+jwt" {
		t.Errorf("status list: %v", list.Header)
	}
	// What is served is enough to verify offline.
	verifier := jose.NewVerifier(sm2.Config{})
	status, err := (&credential.Verifier{Anchors: anchors, Signatures: verifier}).OpenStatusList(t.Context(), list.body, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	offline := credential.Verifier{Anchors: anchors, Signatures: verifier, Status: status, RevocationWaived: true}
	if v := offline.Verify(t.Context(), out.Credential, time.Now()); v.Verdict != credential.Valid {
		t.Errorf("offline: %+v", v)
	}
	header, err := base64.RawURLEncoding.DecodeString(out.Credential[:strings.IndexByte(out.Credential, '.')])
	mustOf(t)(err)
	var named struct{ Kid string }
	mustOf(t)(json.Unmarshal(header, &named))
	kid := named.Kid
	certificate := s.call(t, nil, "GET", "/v1/trust/certificates/"+kid, nil).want(t, 200, "")
	if b, _ := pem.Decode([]byte(certificate.body)); b == nil || b.Type != "CERTIFICATE" {
		t.Errorf("certificate: %s", certificate.body)
	} else if _, err := pki.ParseCertificate(b.Bytes); err != nil {
		t.Error(err)
	} else if _, err := x509.ParseCertificate(b.Bytes); err == nil {
		t.Error("the standard library knows SM2 now: say so in the documentation")
	}
	for _, unknown := range []string{"certificates/access-token-1", "certificates/x", "certificates/data-1", "status-lists/2", "status-lists/0", "status-lists/x", "status-lists/-1", "status-lists/99999999999999999999"} {
		s.call(t, nil, "GET", "/v1/trust/"+unknown, nil).want(t, 404, "")
	}
	s.call(t, nil, "GET", "/v1/trust/status-lists/1?time=1", nil).want(t, 501, "status_list_historical")
}

func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	s.issue(t, "1")
	const path = "/v1/trust/status-lists/1"
	first := s.call(t, nil, "GET", path, nil).want(t, 200, "")
	tag := first.Header.Get("ETag")
	for condition, status := range map[string]int{
		tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, strings.Trim(tag, `"`): 200, "": 200,
	} {
		a := s.call(t, nil, "GET", path, nil, "If-None-Match", condition).want(t, status, "")
		if a.Header.Get("ETag") != tag || (status == 304) != (a.body == "") {
			t.Errorf("%s: %v", condition, a.Header)
		}
	}
	head := s.call(t, nil, "HEAD", path, nil).want(t, 200, "")
	if head.body != "" || head.ContentLength != int64(len(first.body)) {
		t.Errorf("HEAD: %d bytes, said %d", len(head.body), head.ContentLength)
	}
}

// A change is in the status list well within a minute.
func TestStatusListFollows(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	out := s.issue(t, "1")
	before := s.call(t, nil, "GET", "/v1/trust/status-lists/1", nil)
	s.call(t, s.department, "POST", "/v1/licenses/"+out.ID+"/suspend", suspendBody()).want(t, 200, "")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		after := s.call(t, nil, "GET", "/v1/trust/status-lists/1", nil)
		if after.Header.Get("ETag") != before.Header.Get("ETag") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the list doesn't change")
		}
	}
}
