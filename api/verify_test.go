package api

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gmsm "github.com/emmansun/gmsm/sm2"

	"yizheng.internal/signing"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sdjwt"
	"yizheng.internal/signing/sm2"
)

// forger has a genuine credential, the authority's key, and a root of its own.
type forger struct {
	*service
	genuine issuedOfTest
	key     *signing.Key
	claims  object // of the genuine credential, its payload
	rest    string // its disclosures, each behind a tilde, and a tilde
}

func newForger(t *testing.T, c serviceConfig) *forger {
	t.Helper()
	f := &forger{service: newService(t, c)}
	f.genuine = f.issue(t, "1")
	key, err := f.keys.Keyrings().Active(t.Context(), signing.PurposeAuthority, departmentUSCC)
	mustOf(t)(err)
	f.key = key
	jws, rest, _ := strings.Cut(f.genuine.Credential, "~")
	f.rest = "~" + rest
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jws, ".")[1])
	mustOf(t)(err)
	mustOf(t)(json.Unmarshal(payload, &f.claims))
	for _, name := range []string{"iat", "nbf", "exp"} { // as integers
		f.claims[name] = int64(f.claims[name].(float64))
	}
	return f
}

// sign signs claims as a credential, with the authority's key and chain unless
// the header or key says otherwise.
func (f *forger) sign(t *testing.T, key crypto.MessageSigner, h jose.Header, claims any) string {
	t.Helper()
	if h.Typ == "" {
		h.Typ = jose.TypCredential
	}
	if h.X5C == nil {
		h.X5C = f.key.Chain
	}
	h.KeyID = string(f.key.ID)
	jws, err := jose.Sign(key, h, claims)
	mustOf(t)(err)
	return jws + f.rest
}

// header returns the genuine credential with another JOSE header, unsigned.
func (f *forger) header(change object) string {
	parts := strings.SplitN(f.genuine.Credential, ".", 2)
	b, _ := base64.RawURLEncoding.DecodeString(parts[0])
	var h object
	if json.Unmarshal(b, &h) != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(jsonText(merge(h, change)))) + "." + parts[1]
}

// certified returns a key that a root certified for the department.
func certified(t *testing.T, ca *pki.CA, from, until time.Time) (crypto.MessageSigner, [][]byte) {
	t.Helper()
	key, err := gmsm.GenerateKey(rand.Reader)
	mustOf(t)(err)
	der, err := ca.Certify(&key.PublicKey, pki.Subject{Name: "样例厅", USCC: departmentUSCC}, pki.ProfileAuthority, from, until)
	mustOf(t)(err)
	return sm2Signer{key}, [][]byte{der}
}

// sm2Signer signs messages as the registry's keys do.
type sm2Signer struct{ *gmsm.PrivateKey }

func (s sm2Signer) Public() crypto.PublicKey { return &s.PublicKey }

func (s sm2Signer) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.PrivateKey.Sign(rand.Reader, message, gmsm.DefaultSM2SignerOpts)
}

// ownRoot is a root that nobody trusts.
func ownRoot(t *testing.T) *pki.CA {
	t.Helper()
	key, err := gmsm.GenerateKey(rand.Reader)
	mustOf(t)(err)
	der, err := pki.NewRoot(sm2Signer{key}, pki.Subject{Name: "样例根"}, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	mustOf(t)(err)
	c, err := pki.ParseCertificate(der)
	mustOf(t)(err)
	return &pki.CA{Certificate: c, Signer: sm2Signer{key}}
}

// forgeries returns credentials that are not as the authority made them, each
// with the verdict and the check that says so.
func (f *forger) forgeries(t *testing.T) map[string][3]string {
	t.Helper()
	ca, err := installation.OpenRoot(filepath.Join(f.dir, "root"), filepath.Join(f.dir, "root.pass"))
	mustOf(t)(err)
	now := time.Now()
	foreign, foreignChain := certified(t, ownRoot(t), now.Add(-time.Hour), now.Add(time.Hour))
	expired, expiredChain := certified(t, ca, now.Add(-time.Minute), now.Add(-30*time.Second)) // before the credential was issued
	other, _ := certified(t, ca, now.Add(-time.Minute), now.Add(time.Hour))
	c := f.genuine.Credential
	jws, _, _ := strings.Cut(c, "~")
	one := strings.Split(f.rest, "~")[1]
	altered := merge(merge(object{}, f.claims), object{"valid_until": "2099-01-01"})
	body := strings.Split(jws, ".")
	body[1] = base64.RawURLEncoding.EncodeToString([]byte(jsonText(altered)))
	extra := base64.RawURLEncoding.EncodeToString([]byte(`["c2FsdHNhbHRzYWx0","number","` + sampleCitizen + `"]`))
	bomb := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	nested := base64.RawURLEncoding.EncodeToString([]byte(`{"iat":1,"a":` + bomb + `}`))
	deep := any("x")
	for range 40 {
		deep = object{"a": deep}
	}
	elsewhere := merge(merge(object{}, f.claims), object{"status": object{"status_list": object{"idx": 1, "uri": "http://evil.example/1"}}})
	another := merge(merge(object{}, f.claims), object{"authority": object{"code": strangerUSCC, "name": "样例局"}})
	return map[string][3]string{
		"alg none":                  {f.header(object{"alg": "none"}), "invalid", ""},
		"alg none, unsigned":        {strings.Join([]string{strings.Split(f.header(object{"alg": "none"}), ".")[0], body[1], ""}, ".") + f.rest, "invalid", ""},
		"another alg":               {f.header(object{"alg": "ES256"}), "invalid", "signature fail token_algorithm"},
		"unknown crit":              {f.header(object{"crit": []string{"x"}, "x": 1}), "invalid", ""},
		"wrong typ":                 {f.sign(t, f.key.Signer, jose.Header{Typ: jose.TypStatusList}, f.claims), "invalid", "format fail token_typ"},
		"key not in the chain":      {f.sign(t, other, jose.Header{}, f.claims), "invalid", "signature fail token_signature"},
		"an untrusted chain":        {f.sign(t, foreign, jose.Header{X5C: foreignChain}, f.claims), "invalid", "chain fail chain_untrusted"},
		"an expired certificate":    {f.sign(t, expired, jose.Header{X5C: expiredChain}, f.claims), "invalid", "chain fail chain_expired"},
		"no chain":                  {f.header(object{"x5c": nil}), "invalid", "chain fail chain_missing"},
		"a chain of nonsense":       {f.header(object{"x5c": []string{"AAAA"}}), "invalid", ""},
		"a tampered payload":        {strings.Join(body, ".") + f.rest, "invalid", "signature fail token_signature"},
		"a tampered signature":      {tamper(jws) + f.rest, "invalid", "signature fail token_signature"},
		"a disclosure twice":        {c + one + "~", "invalid", "disclosure_duplicate"},
		"an unreferenced one":       {c + extra + "~", "invalid", "integrity fail disclosure_unreferenced"},
		"a malformed disclosure":    {c + "!!!~", "invalid", ""},
		"a bomb of a disclosure":    {c + base64.RawURLEncoding.EncodeToString([]byte(`["c2FsdHNhbHRzYWx0","a",`+bomb+`]`)) + "~", "invalid", ""},
		"a bomb of a payload":       {body[0] + "." + nested + "." + body[2] + "~", "invalid", ""},
		"a signed bomb":             {strings.Split(f.sign(t, f.key.Signer, jose.Header{}, merge(object{"deep": deep}, f.claims)), "~")[0] + "~", "invalid", "integrity fail sdjwt_depth"},
		"another's authority":       {f.sign(t, f.key.Signer, jose.Header{}, another), "invalid", "authority fail authority_mismatch"},
		"another's status list":     {f.sign(t, f.key.Signer, jose.Header{}, elsewhere), "indeterminate", "status unknown status_unavailable"},
		"too many disclosures":      {jws + strings.Repeat("~"+one, 2000) + "~", "invalid", "format fail sdjwt_too_large"},
		"a large token":             {jws + "~" + strings.Repeat("A", 200<<10) + "~", "invalid", "format fail sdjwt_too_large"},
		"no tilde at the end":       {strings.TrimSuffix(c, "~"), "invalid", ""},
		"a JWT alone":               {jws, "invalid", "format fail sdjwt_malformed"},
		"nonsense":                  {sampleCitizen, "invalid", "format fail sdjwt_malformed"},
		"a status list":             {f.call(t, nil, "GET", "/v1/trust/status-lists/1", nil).body + "~", "invalid", "format fail token_typ"},
		"an access token":           {f.reader.token + "~", "invalid", ""},
		"a key binding of nobody's": {c + f.reader.token, "invalid", "holder fail binding_signature"},
	}
}

// TestForgedCredentials shows every forgery to the service.
func TestForgedCredentials(t *testing.T) {
	t.Parallel()
	f := newForger(t, serviceConfig{Limits: Limits{VerifyBurst: 1000}})
	f.verifyCredential(t, f.genuine.Credential).wantVerdict(t, "valid", "integrity pass whole")
	for name, forgery := range f.forgeries(t) {
		t.Run(name, func(t *testing.T) {
			v := f.verifyCredential(t, forgery[0])
			if forgery[1] != "" && v.Verdict != forgery[1] {
				t.Errorf("verdict %s, want %s: %+v", v.Verdict, forgery[1], v.Checks)
			}
			found := forgery[2] == ""
			for _, c := range v.Checks {
				found = found || strings.Contains(c.Name+" "+c.Result+" "+c.Reason, forgery[2])
			}
			if !found {
				t.Errorf("no check says %q: %+v", forgery[2], v.Checks)
			}
			signed := v.check("signature") == "pass signature_valid"
			if v.License != nil && !signed {
				t.Errorf("contents shown that nobody signed: %v", v.License)
			}
		})
	}
	checkLeaks(t, "the log", f.log.String())
}

// A holder may withhold what is selectively disclosable.
func TestWithheldFields(t *testing.T) {
	t.Parallel()
	f := newForger(t, serviceConfig{})
	parts := strings.Split(f.genuine.Credential, "~")
	token, err := sdjwt.Parse(f.genuine.Credential, sdjwt.Limits{})
	mustOf(t)(err)
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(parts[0], ".")[1])
	mustOf(t)(err)
	shown, err := token.Present(payload, func(pointer string) bool { return strings.HasPrefix(pointer, "/fields") })
	mustOf(t)(err)
	v := f.verifyCredential(t, shown.String())
	v.wantVerdict(t, "valid", "integrity pass fields_withheld")
	if v.License["fields"].(object)["category"] != sampleField || v.License["holders"] != nil || v.License["number"] != nil || v.License["withheld"] == 0.0 {
		t.Errorf("shown %v", v.License)
	}
}

// TestForgeriesDontHoldUpOthers lets very many forged signatures come at once:
// second opinions stay within their slot and queue, no forgery passes, and
// genuine licenses are answered soon all the while: within two seconds on a
// machine that has nothing else to do.
func TestForgeriesDontHoldUpOthers(t *testing.T) {
	t.Parallel()
	n, within := 150, 8*time.Second
	if os.Getenv("YIZHENG_SOAK") == "1" {
		n, within = 5000, 2*time.Second
	}
	var now, most atomic.Int64
	f := newForger(t, serviceConfig{
		Limits: Limits{VerifyPerMinute: 1e9, VerifyBurst: 1e9},
		Verifier: sm2.Config{Second: func(*ecdsa.PublicKey, []byte, []byte) bool {
			if inside := now.Add(1); inside > most.Load() {
				most.Store(inside)
			}
			defer now.Add(-1)
			time.Sleep(100 * time.Millisecond) // a slow machine: the queue must fill
			return true                        // and a second implementation that believes everything
		}},
	})
	jws, _, _ := strings.Cut(f.genuine.Credential, "~")
	forged := jsonText(object{"credential": tamper(jws) + f.rest})
	var passed, failed, unknown, refused atomic.Int64
	var flood sync.WaitGroup
	start := make(chan struct{})
	for range n {
		flood.Go(func() {
			<-start
			a := f.call(t, nil, "POST", "/v1/verify", forged)
			if a.StatusCode == 503 {
				refused.Add(1)
				return
			}
			var v verdictOfTest
			a.want(t, 200, "").decode(t, &v)
			switch {
			case v.Verdict == "valid":
				passed.Add(1)
			case v.check("signature") == "unknown undecided":
				unknown.Add(1)
			default:
				failed.Add(1)
			}
		})
	}
	close(start)
	slowest := time.Duration(0)
	for range 20 {
		begin := time.Now()
		f.verifyCredential(t, f.genuine.Credential).wantVerdict(t, "valid", "signature pass signature_valid")
		slowest = max(slowest, time.Since(begin))
	}
	flood.Wait()
	t.Logf("%d forgeries: %d failed, %d undecided, %d turned away; a genuine license took at most %v", n, failed.Load(), unknown.Load(), refused.Load(), slowest)
	if passed.Load() > 0 || most.Load() != 1 || unknown.Load() == 0 || failed.Load() == 0 {
		t.Errorf("%d forgeries passed; %d second opinions at a time", passed.Load(), most.Load())
	}
	if slowest > within {
		t.Errorf("a genuine license took %v", slowest)
	}
}
