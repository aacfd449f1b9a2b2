package api

import (
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/join"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/acting"
)

// redeemBody returns an acceptable request, changed by members.
func redeemBody(code string, change object) object {
	return merge(object{"use_code": code, "request_id": "request-1", "nonce": "nonce-of-the-consumer"}, change)
}

// releasedOfTest is the answer to a use code, written down here once more: its
// shape is a promise to clients.
type releasedOfTest struct {
	License    string    `json:"license"`
	Version    int       `json:"version"`
	TypeCode   string    `json:"type_code"`
	Fields     []string  `json:"fields"`
	Credential string    `json:"credential"`
	Record     string    `json:"record"`
	Until      time.Time `json:"until"`
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	code := j.deliver(t, j.agree(t, nil), 1).Materials[0].UseCode
	var out, again releasedOfTest
	a := j.call(t, j.stranger, "POST", "/v1/use-codes/redeem", redeemBody(code, object{"officer": object{"id": "7", "name": "样例工作人员"}})).want(t, 200, "")
	a.decode(t, &out)
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", a.Header)
	}
	if out.License != j.issued.ID || out.Version != 1 || out.TypeCode != sampleType || len(out.Fields) != 4 || out.Record == "" || time.Until(out.Until) < 9*time.Minute {
		t.Errorf("released: %+v", out)
	}
	v := j.verifyCredential(t, out.Credential)
	v.wantVerdict(t, "valid", "signature pass signature_valid")
	if at(v.License, "fields")["category"] != sampleField || v.License["identifier"] != nil {
		t.Errorf("disclosed: %v", v.License)
	}
	// The same request again is the same reading; another officer's isn't.
	j.call(t, j.stranger, "POST", "/v1/use-codes/redeem", redeemBody(code, object{"officer": object{"id": "7", "name": "样例工作人员"}})).want(t, 200, "").decode(t, &again)
	if again.Record != out.Record {
		t.Errorf("again: %+v", again)
	}
	j.call(t, j.stranger, "POST", "/v1/use-codes/redeem", redeemBody(code, nil)).want(t, 409, "request_id_reused")
	page, err := j.library.Readings.AccessRecords(t.Context(), join.Subject(j.facts.Party, 2, nil, acting.Relatives{}), 0, 10)
	records := page.Records
	if err != nil || len(records) != 1 || records[0].ID != out.Record || records[0].Officer == nil || records[0].Officer.Name != "样例工作人员" || records[0].Case != sampleCase {
		t.Errorf("the holder sees %+v, %v", records, err)
	}
	mustOf(t)(j.resolver.Revoke(t.Context(), j.facts.Client, string(j.grantOf(code)), oidc.GrantTokenRevoked))
	j.call(t, j.stranger, "POST", "/v1/use-codes/redeem", redeemBody(code, object{"officer": object{"id": "7", "name": "样例工作人员"}})).want(t, 409, "grant_ended")
	if strings.Contains(j.log.String(), code) || strings.Contains(j.log.String(), "样例工作人员") {
		t.Error("the log holds a use code or an officer's name")
	}
}

func (j *joined) grantOf(code string) string { return code[:26] }

// To any but its client a use code isn't there, whether or not there is one; and
// the holder sees who tried.
func TestRedeemByAnother(t *testing.T) {
	t.Parallel()
	j := newJoined(t)
	code := j.deliver(t, j.agree(t, nil), 1).Materials[0].UseCode
	made := code[:27] + strings.Repeat("A", 43)
	bodies := map[string]string{}
	for name, test := range map[string]struct {
		client *clientOfTest
		code   string
	}{
		"another's": {j.reader, code}, "made up": {j.reader, made}, "made up, of mine": {j.stranger, made}, "no code": {j.stranger, "x"}, "none": {j.stranger, ""},
	} {
		a := j.call(t, test.client, "POST", "/v1/use-codes/redeem", redeemBody(test.code, nil)).want(t, 404, "use_code_unknown")
		bodies[strings.Replace(a.body, a.Header.Get("X-Request-Id"), "", 1)] = name
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	page, err := j.library.Readings.AccessRecords(t.Context(), join.Subject(j.facts.Party, 2, nil, acting.Relatives{}), 0, 10)
	records := page.Records
	if err != nil || len(records) != 1 || records[0].Result != "client_mismatch" || records[0].Client != j.reader.id {
		t.Errorf("the holder sees %+v, %v", records, err)
	}
}

func (w *world) badSharing() []badInput {
	redeem := func(name string, body any, status int, reason, at string) badInput {
		return badInput{name: "redeem: " + name, client: w.reader, request: "POST /v1/use-codes/redeem", body: body, status: status, reason: reason, at: at}
	}
	return []badInput{
		redeem("no request id", redeemBody("x", object{"request_id": ""}), 422, "request_id", "/request_id"),
		redeem("long request id", redeemBody("x", object{"request_id": strings.Repeat("a", 129)}), 422, "request_id", "/request_id"),
		redeem("request id with a line break", redeemBody("x", object{"request_id": "a\nb"}), 422, "request_id", "/request_id"),
		redeem("short nonce", redeemBody("x", object{"nonce": "1234567"}), 422, "nonce", "/nonce"),
		redeem("officer without a name", redeemBody("x", object{"officer": object{"id": "7", "name": ""}}), 422, "length", "/officer/name"),
		redeem("officer with control characters", redeemBody("x", object{"officer": object{"id": "7", "name": hiddenField + "\u0007"}}), 422, "characters", "/officer/name"),
		redeem("no use code", redeemBody("", nil), 404, "use_code_unknown", ""),
		redeem("unknown use code", redeemBody(strings.Repeat("a", 26)+"."+strings.Repeat("A", 43), nil), 404, "use_code_unknown", ""),
		redeem("unknown member", redeemBody("x", object{"fields": []string{"*"}}), 400, "json_unknown_member", ""),
		redeem("too large", `{"use_code":"`+strings.Repeat("x", smallBody)+`"}`, 413, "body_too_large", ""),
		{name: "redeem: nobody", request: "POST /v1/use-codes/redeem", body: redeemBody("x", nil), status: 401, reason: "invalid_token"},
		{name: "shared: without a grant", client: w.reader, request: "GET /v1/shared/licenses", status: 403, reason: "grant_missing"},
		{name: "shared: with a query", client: w.reader, request: "GET /v1/shared/licenses?grant=x", status: 400, reason: "query_parameter"},
		{name: "shared: nobody", request: "GET /v1/shared/licenses", status: 401, reason: "invalid_token"},
	}
}
