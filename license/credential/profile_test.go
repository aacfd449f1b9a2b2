package credential_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

type object = map[string]any

// resigner signs a genuine credential's claims anew, with changes.
type resigner struct {
	*licensetest.World
	key         *signing.Key
	claims      object
	disclosures string
	parts       []string
}

func newResigner(t *testing.T, w *licensetest.World, credential string) *resigner {
	t.Helper()
	key, err := w.In.Keyrings().Active(t.Context(), signing.PurposeAuthority, licensetest.Authority)
	if err != nil {
		t.Fatal(err)
	}
	jws, rest, _ := strings.Cut(credential, "~")
	r := &resigner{World: w, key: key, disclosures: "~" + rest, parts: strings.Split(rest, "~")}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &r.claims); err != nil {
		t.Fatal(err)
	}
	// Numbers as they are written: float64 would do, but for its exponents.
	for _, name := range []string{"iat", "nbf", "exp"} {
		r.claims[name] = int64(r.claims[name].(float64))
	}
	return r
}

// sign signs the claims with some of them changed; nil takes one away.
func (r *resigner) sign(t *testing.T, changes object, disclosures string) string {
	t.Helper()
	claims := maps.Clone(r.claims)
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	jws, err := jose.Sign(r.key.Signer, jose.Header{Typ: jose.TypCredential, X5C: r.key.Chain}, claims)
	if err != nil {
		t.Fatal(err)
	}
	return jws + disclosures
}

func failures(v credential.Verification) string {
	var failed []string
	for _, c := range v.Checks {
		if c.Result == credential.Fail {
			failed = append(failed, string(c.Name)+" "+c.Reason)
		}
	}
	return strings.Join(failed, ", ")
}

// TestVerifyEnforcesProfile: what a genuine key signed is still no credential if it
// isn't what docs/credential-profile.md says one is.
func TestVerifyEnforcesProfile(t *testing.T) {
	w := licensetest.New(t)
	r := newResigner(t, w, w.IssueOne(t, "P-1").Credential)
	if v := w.Verifications.Verify(t.Context(), r.sign(t, nil, r.disclosures)); v.Verdict != credential.Valid || v.License == nil {
		t.Fatalf("signed anew: %+v", v)
	}
	required := []string{
		"vct", "nbf", "type_code", "type_name", "type_version", "version", "authority", "origin", "trust_grade", "valid_from",
		"cnf", "holders", "fields", "_sd_alg",
	}
	for _, name := range required {
		t.Run("without "+name, func(t *testing.T) {
			rest := r.disclosures
			if name == "_sd_alg" || name == "holders" || name == "fields" {
				rest = "~"
			}
			r.rejects(t, object{name: nil}, rest, "format claims_missing")
		})
	}
	clear := func(name string, value any) object { // the claim stands in the clear, in no disclosure
		return object{name: value, "_sd": nil}
	}
	identifier := func(change func(string) string) object {
		v := w.Verifications.Verify(t.Context(), r.sign(t, nil, r.disclosures))
		return clear("identifier", change(v.License.Identifier))
	}
	list := r.claims["status"].(object)["status_list"].(object)
	for name, tt := range map[string]struct {
		change object
		want   string
	}{
		"a version of another type":                    {object{"version": "1"}, "format claims_malformed"},
		"version 0":                                    {object{"version": 0}, "format claims_missing"},
		"version 1000":                                 {object{"version": 1000}, "format claims_malformed"},
		"a negative type version":                      {object{"type_version": -1}, "format claims_malformed"},
		"a type code that is none":                     {object{"type_code": "11100000000013338W03", "vct": "urn:yizheng:license:11100000000013338W03"}, "format claims_malformed"},
		"vct of another type":                          {object{"vct": "urn:yizheng:license:11100000000013338W033"}, "format claims_malformed"},
		"vct of another version":                       {object{"vct": licensetest.PublicURL + "/v1/trust/types/" + string(licensetest.TypeCode) + "/2"}, "format claims_malformed"},
		"vct that is no address":                       {object{"vct": "/v1/trust/types/" + string(licensetest.TypeCode) + "/1"}, "format claims_malformed"},
		"vct of a script":                              {object{"vct": "javascript://x/v1/trust/types/" + string(licensetest.TypeCode) + "/1"}, "format claims_malformed"},
		"an licensetest.Authority without a good code": {object{"authority": object{"code": "11430000006122244X", "name": "样例厅"}}, "format claims_malformed"},
		"an licensetest.Authority without a name":      {object{"authority": object{"code": licensetest.Authority}}, "format claims_malformed"},
		"an unknown origin":                            {object{"origin": "self"}, "format claims_malformed"},
		"an unknown grade":                             {object{"trust_grade": "AB"}, "format claims_malformed"},
		"a key off the curve":                          {object{"cnf": object{"jwk": object{"kty": "EC", "crv": jose.CurveSM2, "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)}}}, "format claims_malformed"},
		"a key of another curve":                       {object{"cnf": object{"jwk": object{"kty": "EC", "crv": "P-256", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}}}, "format claims_malformed"},
		"digests of SHA-256":                           {object{"_sd_alg": "sha-256", "_sd": nil}, "format claims_malformed"},
		"a negative index":                             {object{"status": object{"status_list": object{"idx": -1, "uri": list["uri"]}}}, "format claims_malformed"},
		"a status without an address":                  {object{"status": object{"status_list": object{"idx": 1}}}, "format claims_malformed"},
		"no status":                                    {object{"status": nil}, "status status_missing"},
		"an index that no list has":                    {object{"status": object{"status_list": object{"idx": credential.StatusListSize, "uri": list["uri"]}}}, "status status_index"},
		"holders as an object":                         {object{"holders": object{}}, "format claims_malformed"},
		"a holder as a text":                           {object{"holders": []string{"x"}}, "format claims_malformed"},
		"a holder's name as a number":                  {object{"holders": []object{{"name": 1}}}, "format claims_malformed"},
		"fields as an array":                           {object{"fields": []string{}}, "format claims_malformed"},
		"a number as a number":                         {clear("number", 1), "format claims_malformed"},
		"a previous identifier of nonsense":            {clear("previous_identifier", "1.2.3"), "format claims_malformed"},
		"an identifier of nonsense":                    {clear("identifier", "1.2.3"), "format identifier_mismatch"},
		"an identifier's check":                        {identifier(func(s string) string { return s[:len(s)-1] + "?" }), "format identifier_mismatch"},
		"an identifier's wrong check":                  {identifier(wrongCheck), "format identifier_mismatch"},
		"another type's identifier":                    {identifier(func(s string) string { return strings.Replace(s, "W032.", "W033.", 1) }), "format identifier_mismatch"},
		"another version's identifier":                 {object{"version": 2}, "format identifier_mismatch"},
		"another licensetest.Authority's identifier":   {clear("identifier", mustIdentifier(t, licensetest.OtherDept)), "format identifier_mismatch"},
		"the end before the beginning":                 {object{"valid_from": "2099-01-01", "nbf": 4070880000 - 8*3600}, "period period_contradictory"},
	} {
		t.Run(name, func(t *testing.T) {
			rest := r.disclosures
			if _, without := tt.change["_sd"]; without || tt.change["holders"] != nil || tt.change["fields"] != nil {
				rest = "~"
			}
			r.rejects(t, tt.change, rest, tt.want)
		})
	}
	// A later version may add claims.
	if v := w.Verifications.Verify(t.Context(), r.sign(t, object{"added_later": object{"a": 1}}, r.disclosures)); v.Verdict != credential.Valid {
		t.Errorf("with a claim more: %+v", v)
	}
}

func (r *resigner) rejects(t *testing.T, change object, rest, want string) {
	t.Helper()
	v := r.Verifications.Verify(t.Context(), r.sign(t, change, rest))
	if got := failures(v); got != want || v.Verdict != credential.Invalid {
		t.Errorf("%s, failed: %s, want %s", v.Verdict, got, want)
	}
	if strings.HasPrefix(want, "format") && v.License != nil {
		t.Error("its contents are shown")
	}
}

func wrongCheck(identifier string) string {
	last := identifier[len(identifier)-1]
	if last = last + 1; last > 'Y' || last == ':' {
		last = 'A'
	}
	return identifier[:len(identifier)-1] + string(last)
}

func mustIdentifier(t *testing.T, by party.USCC) string {
	t.Helper()
	id, err := credential.NewIdentifier(licensetest.TypeCode, by, "A1", 1)
	if err != nil {
		t.Fatal(err)
	}
	return string(id)
}

// TestOldCredential verifies a credential, its certificates and its status list as
// the commit eaa9aa3 made them: with a URN as vct, a root that has the name of the
// registry's other certificates, and a status certificate without an licensetest.Authority key
// identifier.
func TestOldCredential(t *testing.T) {
	file, err := os.ReadFile("testdata/urn-vct.json")
	if err != nil {
		t.Fatal(err)
	}
	var old struct {
		At         time.Time `json:"at"`
		Anchors    string    `json:"anchors"`
		Credential string    `json:"credential"`
		StatusList string    `json:"status_list"`
	}
	if err := json.Unmarshal(file, &old); err != nil {
		t.Fatal(err)
	}
	anchors, err := pki.ParseAnchors([]byte(old.Anchors))
	if err != nil {
		t.Fatal(err)
	}
	v := credential.Verifier{Anchors: anchors, Signatures: jose.NewVerifier(sm2.Config{}), RevocationWaived: true}
	at := old.At.Add(12 * time.Hour) // it is valid from the next day on
	if v.Status, err = v.OpenStatusList(t.Context(), old.StatusList, at); err != nil {
		t.Fatal(err)
	}
	out := v.Verify(t.Context(), old.Credential, at)
	if out.Verdict != credential.Valid || out.License == nil || out.License.Number != "OLD-1" || out.License.Fields["category"] != "电工作业" {
		t.Errorf("%+v", out)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(old.Credential, ".")[1])
	if err != nil || !strings.Contains(string(payload), `"vct":"urn:yizheng:license:11100000000013338W032"`) {
		t.Errorf("the vector is not one of a URN: %s, %v", payload, err)
	}
}

// TestShareAndPrevious: shares and the identifier of the version before are claims.
func TestShareAndPrevious(t *testing.T) {
	w := licensetest.New(t)
	q := licensetest.Request("S-1")
	q.Holders[0].Share = "1/2"
	q.Holders = append(q.Holders, credential.Holder{Name: "样例乙", CodeType: party.Citizen, Code: "11010519491231010X", Role: "holder"})
	first, err := w.Registry.Issue(t.Context(), licensetest.Issuer, q, "key")
	if err != nil {
		t.Fatal(err)
	}
	v := w.Verifications.Verify(t.Context(), first.Credential)
	if v.License == nil || len(v.License.Holders) != 2 || v.License.Holders[0].Share != "1/2" || v.License.Holders[1].Share != "" || v.License.Previous != "" {
		t.Errorf("%+v", v.License)
	}
	second, err := w.Registry.Replace(t.Context(), licensetest.Issuer, first.ID, registry.ReplaceRequest{
		Kind: license.Change, Reason: "样例变更", Number: q.Number, Holders: q.Holders, ValidFrom: q.ValidFrom, ValidUntil: q.ValidUntil,
		AreaCode: q.AreaCode, Fields: q.Fields,
	}, registry.Terms{Revisions: []int64{1}})
	if err != nil {
		t.Fatal(err)
	}
	v = w.Verifications.Verify(t.Context(), second.Credential)
	if v.Verdict != credential.Valid || v.License == nil || v.License.Previous != string(first.Identifier) || v.License.Identifier != string(second.Identifier) {
		t.Errorf("%+v", v)
	}
	// Each can be withheld by itself.
	parts := strings.Split(second.Credential, "~")
	for _, part := range parts[1 : len(parts)-1] {
		plain, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(plain), `"previous_identifier"`) && !strings.Contains(string(plain), `"share"`) {
			continue
		}
		v := w.Verifications.Verify(t.Context(), strings.Replace(second.Credential, "~"+part+"~", "~", 1))
		if v.Verdict != credential.Valid || v.License == nil || v.License.Withheld != 1 {
			t.Errorf("without %s: %+v", plain, v)
		}
	}
	// By identifier and code, neither is shown beyond the holder's share.
	out, err := w.Verifications.VerifyIdentifier(t.Context(), string(second.Identifier), second.VerificationCode, "")
	if err != nil || out.License == nil || out.License.Previous != "" || out.License.Holders[0].Share != "" {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestTypeMetadata holds what a vct names to the credentials that carry it.
func TestTypeMetadata(t *testing.T) {
	w := licensetest.New(t)
	r := newResigner(t, w, w.IssueOne(t, "M-1").Credential)
	m, err := w.Catalog().Types().Metadata(t.Context(), licensetest.TypeCode, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := licensetest.PublicURL + "/v1/trust/types/" + string(licensetest.TypeCode) + "/1"; m.VCT != want || r.claims["vct"] != want {
		t.Errorf("vct is %q in the metadata and %q in the credential, want %q", m.VCT, r.claims["vct"], want)
	}
	if len(m.Display) != 2 || m.Display[0] != (catalog.TypeDisplay{Locale: "zh-CN", Name: "样例特种作业操作证"}) || m.Display[1].Locale != "en" {
		t.Errorf("display %+v", m.Display)
	}
	withheld := []string{}
	for _, c := range m.Claims {
		if len(c.Display) != len(m.Display) {
			t.Errorf("%v has labels %+v", c.Path, c.Display)
		}
		name, _ := c.Path[0].(string)
		_, clear := r.claims[name]
		if len(c.Path) == 1 && c.SD == catalog.NeverSelective && c.Mandatory && !clear {
			t.Errorf("%s isn't in the clear", name)
		}
		if len(c.Path) == 1 && c.SD == catalog.AlwaysSelective {
			if withheld = append(withheld, name); clear {
				t.Errorf("%s is in the clear", name)
			}
		}
	}
	if !slices.Contains(withheld, "identifier") || !slices.ContainsFunc(m.Claims, func(c catalog.ClaimMetadata) bool {
		return len(c.Path) == 2 && c.Path[1] == "category" && c.Display[0].Label == "作业类别" && c.Mandatory
	}) {
		t.Errorf("claims %+v", m.Claims)
	}
	// Every claim in the clear but those of the formats is described.
	for name := range r.claims {
		known := slices.Contains([]string{"_sd", "_sd_alg", "cnf", "status", "vct", "iat", "nbf", "exp"}, name) ||
			slices.ContainsFunc(m.Claims, func(c catalog.ClaimMetadata) bool { return c.Path[0] == name })
		if !known {
			t.Errorf("%s isn't described", name)
		}
	}
	draft := credential.TypeCode("11100000000013338W033")
	if _, _, err := w.Catalog().Types().Put(t.Context(), licensetest.Cataloguer, draft, licensetest.Definition()); err != nil {
		t.Fatal(err)
	}
	for _, unknown := range []credential.TypeCode{draft, "11100000000013338W099", "x"} {
		if _, err := w.Catalog().Types().Metadata(t.Context(), unknown, 1); licensetest.Reason(t, err) != "type_unknown" {
			t.Errorf("%s: %v", unknown, err)
		}
	}
}
