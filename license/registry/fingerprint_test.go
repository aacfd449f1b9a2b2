package registry

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// TestFirstForms holds version 1 of each form to what was fingerprinted before forms had
// versions: the request's struct as JSON, as that program wrote it.
func TestFirstForms(t *testing.T) {
	t.Parallel()
	day := func(year int) party.Date {
		d, err := party.NewDate(year, 3, 4)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	holders := []credential.Holder{
		{Name: "样例<䶮>&", CodeType: party.Citizen, Code: "1", Role: "holder"},
		{Name: "b", CodeType: "001", Code: "2", Role: "keeper", Share: "1/2"},
	}
	document := license.Document{Number: "文〔2026〕1号", Date: day(2026), Basis: "第一条 & 第二条"}
	hashed := document
	hashed.SHA256 = "ab"
	for _, tt := range []struct {
		q    repeatable
		want string
	}{
		{IssueRequest{}, `{"type_code":"","number":"","holders":null,"fields":null}`},
		{
			IssueRequest{"T", "A-1", holders, day(2026), day(2027), "430000", json.RawMessage("{ \"b\" : \"<\u2028>\",\n \"a\": 1.0 }"), "S1"},
			`{"type_code":"T","number":"A-1","holders":[{"name":"样例\u003c䶮\u003e\u0026","code_type":"111","code":"1","role":"holder"},{"name":"b","code_type":"001","code":"2","role":"keeper","share":"1/2"}],"valid_from":"2026-03-04","valid_until":"2027-03-04","area_code":"430000","fields":{"b":"\u003c\u2028\u003e","a":1.0},"serial":"S1"}`,
		},
		{ReplaceRequest{}, `{"kind":"","reason":"","number":"","holders":null,"fields":null}`},
		{
			ReplaceRequest{license.Change, "更正 <", "A-1", holders[:1], day(2026), party.Date{}, "", json.RawMessage(`{}`)},
			`{"kind":"change","reason":"更正 \u003c","number":"A-1","holders":[{"name":"样例\u003c䶮\u003e\u0026","code_type":"111","code":"1","role":"holder"}],"valid_from":"2026-03-04","fields":{}}`,
		},
		{SuspendRequest{}, `{"reason":"","document":{"number":"","basis":""}}`},
		{SuspendRequest{"因", document}, `{"reason":"因","document":{"number":"文〔2026〕1号","date":"2026-03-04","basis":"第一条 \u0026 第二条"}}`},
		{ResumeRequest{}, `{"reason":""}`},
		{ResumeRequest{"核查无误"}, `{"reason":"核查无误"}`},
		{EndRequest{}, `{"reason":"","kind":"","document":{"number":"","basis":""}}`},
		{EndRequest{"因", license.Revoked, day(2026), hashed}, `{"reason":"因","kind":"revoked","effective_from":"2026-03-04","document":{"number":"文〔2026〕1号","date":"2026-03-04","sha256":"ab","basis":"第一条 \u0026 第二条"}}`},
	} {
		of, err := fingerprinted("act", "id", tt.q)
		if err != nil || !slices.Equal(of, []string{"act", "id", tt.want}) {
			t.Errorf("%T: %q, %v\nwant %s", tt.q, of, err, tt.want)
		}
	}
}

// TestFormsHoldWholeRequests changes each member of each request: its form must tell, or
// else another request would be taken for a repeated one.
func TestFormsHoldWholeRequests(t *testing.T) {
	t.Parallel()
	for _, q := range []any{&IssueRequest{}, &ReplaceRequest{}, &SuspendRequest{}, &ResumeRequest{}, &EndRequest{}, &GrownResume{}} {
		members, untold := untold(t, q)
		if len(untold) > 0 || len(members) == 0 {
			t.Errorf("%T: of its members %v no form tells %v", q, members, untold)
		}
	}
	if _, missing := untold(t, &forgetful{}); !slices.Equal(missing, []string{".Note"}) {
		t.Errorf("of a form that forgets a member this is missing: %v", missing)
	}
}

// forgetful is a request that got a member, but no form with it.
type forgetful struct {
	ResumeRequest
	Note string
}

// untold returns a request's members, and those that its form doesn't tell.
func untold(t *testing.T, q any) (members, untold []string) {
	t.Helper()
	value := reflect.ValueOf(q).Elem()
	text := func() string {
		of, err := fingerprinted("", "", value.Interface().(repeatable))
		if err != nil {
			t.Fatal(err)
		}
		return of[2]
	}
	var walk func(name string, v reflect.Value)
	try := func(name string, v reflect.Value, to any) {
		before := text()
		v.Set(reflect.ValueOf(to).Convert(v.Type()))
		members = append(members, name)
		if text() == before {
			untold = append(untold, name)
		}
		v.SetZero()
	}
	walk = func(name string, v reflect.Value) {
		switch v.Interface().(type) {
		case party.Date:
			try(name, v, earliestDate)
			return
		case json.RawMessage:
			try(name, v, json.RawMessage(`{"a":1}`))
			return
		}
		switch v.Kind() {
		case reflect.String:
			try(name, v, "x")
		case reflect.Struct:
			for i := range v.NumField() {
				walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			walk(name+"[]", v.Index(0))
			v.SetZero()
		default:
			t.Fatalf("%T%s is a %s, which this test doesn't know: teach it", q, name, v.Kind())
		}
	}
	walk("", value)
	return members, untold
}
