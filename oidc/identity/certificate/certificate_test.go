package certificate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/certificate/certificatetest"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

// begin is when the clock of a bubble begins.
var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// files are an operator's, which may change.
type files struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (f *files) read(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.files[name]
	if !ok {
		return nil, errors.New("no such file")
	}
	return text, nil
}

func (f *files) put(name string, text []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files[name] = text
}

const oneAuthority = `{"authorities": [{"id": "yunling", "title": {"zh-CN": "云岭省电子认证"}, "anchors": "root.pem", "intermediates": "sub.pem", "hardware": true, "lists": ["sub.crl"], "grace": "1h"%s}]}`

// office is an authority with its files, made outside any bubble, for openssl takes real time.
type office struct {
	root, sub *certificatetest.CA
	*files
}

func newOffice(t *testing.T) *office {
	t.Helper()
	root := certificatetest.NewCA(t, begin)
	sub := root.Under("sub", begin)
	return &office{root, sub, &files{files: map[string][]byte{
		"root.pem": root.PEM(), "sub.pem": sub.PEM(), "sub.crl": sub.List(begin.Add(-time.Hour), begin.Add(24*time.Hour)),
	}}}
}

// open returns a service that trusts the office. Call it within a bubble.
func (o *office) open(t *testing.T, config string) *certificate.Service {
	t.Helper()
	all, err := certificate.ReadAuthorities([]byte(config), o.read)
	if err != nil {
		t.Fatal(err)
	}
	spent := map[[32]byte]bool{}
	s, err := certificate.New(certificate.Config{
		URL: identitytest.URL, Authorities: all, Vault: identitytest.NewWorld(t).Vault, Verifier: jose.NewVerifier(sm2.Config{}),
		Spend: func(_ context.Context, hash [32]byte, _ time.Time) (bool, error) {
			first := !spent[hash]
			spent[hash] = true
			return first, nil
		},
		Fetch: func(_ context.Context, address string, _ bool) ([]byte, error) { return o.read(address) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Refresh(t.Context())
	return s
}

func is(t *testing.T, what string, err error, reason identity.Reason) {
	t.Helper()
	identitytest.IsReason(t, what, err, string(reason))
}

func challenge(t *testing.T, s *certificate.Service, u certificate.Use, binding string) string {
	t.Helper()
	text, err := s.Challenge(t.Context(), u, binding)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Whoever has the key of a certificate that a trusted CA issued passes, however key software writes it.
func TestSigned(t *testing.T) {
	o := newOffice(t)
	k := o.sub.Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		s := o.open(t, fmt.Sprintf(oneAuthority, ""))
		raw := func(der []byte) []byte {
			r, err := sm2.DERToRaw(der)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		var sums [][]byte
		for name, write := range map[string]func(text string) (cert, signature string){
			"PEM, DER in base64": func(text string) (string, string) { return k.PEM(), certificatetest.Base64(k.Sign(text)) },
			"base64, raw in hexadecimal": func(text string) (string, string) {
				return certificatetest.Base64(k.DER()), strings.ToUpper(certificatetest.Hex(raw(k.Sign(text))))
			},
			"a chain behind it, raw in base64 in lines": func(text string) (string, string) {
				b := certificatetest.Base64(raw(k.Sign(text)))
				return k.PEM() + string(o.sub.PEM()), b[:40] + "\r\n" + b[40:]
			},
			"an editor's end of line": func(text string) (string, string) { return k.PEM(), certificatetest.Hex(k.Sign(text + "\n")) },
			"that of Windows":         func(text string) (string, string) { return k.PEM(), certificatetest.Hex(k.Sign(text + "\r\n")) },
		} {
			text := challenge(t, s, certificate.ToLogIn, "b")
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) || !strings.Contains(text, "log in at id.example until 2000-01-01T00:05:00Z once ") {
				t.Errorf("the text is %q", text)
			}
			cert, signature := write(text)
			c, err := s.Signed(t.Context(), certificate.ToLogIn, "b", certificate.Answer{Challenge: text, Certificate: cert, Signature: signature})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			sums = append(sums, c.Key)
			if c.Subject != "样例张小䶮" || c.Issuer != "样例 CA sub" || c.Certificate.Authority != "yunling" || c.Strength != 2 || !c.NotAfter.After(begin) {
				t.Errorf("%s: %+v", name, c.Certificate)
			}
		}
		for _, sum := range sums {
			if len(sum) != 32 || !bytes.Equal(sum, sums[0]) {
				t.Errorf("the key is %x and %x", sum, sums[0])
			}
		}
	})
}

// What isn't an answer of this login, for this use, once and in time, is refused.
func TestChallenge(t *testing.T) {
	o := newOffice(t)
	k, other := o.sub.Issue(certificatetest.Wish{At: begin}), o.sub.Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		s := o.open(t, fmt.Sprintf(oneAuthority, ""))
		text := challenge(t, s, certificate.ToLogIn, "b")
		try := func(u certificate.Use, binding, text string, signature []byte) error {
			_, err := s.Signed(t.Context(), u, binding, certificate.Answer{Challenge: text, Certificate: k.PEM(), Signature: certificatetest.Base64(signature)})
			return err
		}
		good := k.Sign(text)
		is(t, "another browser's", try(certificate.ToLogIn, "c", text, good), certificate.ReasonWrong)
		is(t, "another use", try(certificate.ToAdd, "b", text, good), certificate.ReasonWrong)
		is(t, "over another challenge", try(certificate.ToLogIn, "b", text, k.Sign(challenge(t, s, certificate.ToLogIn, "b"))), certificate.ReasonWrong)
		is(t, "another key's", try(certificate.ToLogIn, "b", text, other.Sign(text)), certificate.ReasonWrong)
		is(t, "another user id", try(certificate.ToLogIn, "b", text, k.SignOtherwise(text)), certificate.ReasonWrong)
		is(t, "an altered text", try(certificate.ToLogIn, "b", strings.Replace(text, "id.example", "id.example.evil", 1), good), certificate.ReasonWrong)
		is(t, "no text", try(certificate.ToLogIn, "b", "", good), certificate.ReasonWrong)
		is(t, "no signature", try(certificate.ToLogIn, "b", text, nil), certificate.ReasonFormat)
		is(t, "a longer signature", try(certificate.ToLogIn, "b", text, append(bytes.Clone(good), 0)), certificate.ReasonFormat)
		is(t, "the right one, after all those", try(certificate.ToLogIn, "b", text, good), "")
		is(t, "once more", try(certificate.ToLogIn, "b", text, good), certificate.ReasonStale)
		late := challenge(t, s, certificate.ToLogIn, "b")
		signed := k.Sign(late)
		time.Sleep(certificate.ChallengeLife)
		is(t, "too late", try(certificate.ToLogIn, "b", late, signed), certificate.ReasonStale)
	})
}

// Certificates that aren't for this, whoever asks.
func TestRefused(t *testing.T) {
	o, stranger := newOffice(t), certificatetest.NewCA(t, begin)
	issue := func(w certificatetest.Wish) *certificatetest.Key {
		w.At = begin
		return o.sub.Issue(w)
	}
	good := issue(certificatetest.Wish{})
	revoked := issue(certificatetest.Wish{})
	o.sub.Revoke(revoked)
	o.put("sub.crl", o.sub.List(begin.Add(-time.Hour), begin.Add(24*time.Hour)))
	keys := map[string]struct {
		*certificatetest.Key
		want identity.Reason
	}{
		"a good one":                   {good, ""},
		"revoked":                      {revoked, certificate.ReasonRevoked},
		"expired":                      {issue(certificatetest.Wish{Until: begin.Add(-time.Minute)}), certificate.ReasonPeriod},
		"not valid yet":                {issue(certificatetest.Wish{From: begin.Add(time.Hour)}), certificate.ReasonPeriod},
		"for encryption":               {issue(certificatetest.Wish{Extensions: certificatetest.EncryptionExtensions}), certificate.ReasonUsage},
		"without key usage":            {issue(certificatetest.Wish{Extensions: "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"}), certificate.ReasonUsage},
		"for servers":                  {issue(certificatetest.Wish{Extensions: strings.Replace(certificatetest.SigningExtensions, "clientAuth,emailProtection", "serverAuth", 1)}), certificate.ReasonUsage},
		"a CA":                         {issue(certificatetest.Wish{Extensions: "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign\nauthorityKeyIdentifier=keyid\n"}), certificate.ReasonUsage},
		"of P-256":                     {issue(certificatetest.Wish{Algorithm: "EC"}), certificate.ReasonFormat},
		"of a CA that isn't trusted":   {stranger.Issue(certificatetest.Wish{At: begin}), certificate.ReasonUntrusted},
		"of an intermediate elsewhere": {stranger.Under("sub", begin).Issue(certificatetest.Wish{At: begin}), certificate.ReasonUntrusted},
		"that the root issued itself, without a list of the root's": {o.root.Issue(certificatetest.Wish{At: begin}), certificate.ReasonUnlisted},
		"with a critical extension that nobody knows":               {issue(certificatetest.Wish{Extensions: certificatetest.SigningExtensions + "1.2.3.4=critical,ASN1:NULL\n"}), certificate.ReasonUntrusted},
	}
	synctest.Test(t, func(t *testing.T) {
		s := o.open(t, fmt.Sprintf(oneAuthority, ""))
		for name, k := range keys {
			text := challenge(t, s, certificate.ToLogIn, "b")
			var signature []byte
			if k.want != certificate.ReasonFormat {
				signature = k.Sign(text)
			} else {
				signature = good.Sign(text)
			}
			_, err := s.Signed(t.Context(), certificate.ToLogIn, "b", certificate.Answer{Challenge: text, Certificate: k.PEM(), Signature: certificatetest.Base64(signature)})
			is(t, name+", signed", err, k.want)
			_, err = s.Channel(t.Context(), string(k.DER()))
			is(t, name+", by the connection", err, k.want)
		}
		// The bytes of the point change: it lies on the curve no more.
		der := bytes.Clone(good.DER())
		at := bytes.Index(der, []byte{0x03, 0x42, 0x00, 0x04})
		der[at+10] ^= 1
		_, err := s.Channel(t.Context(), string(der))
		is(t, "a point off the curve", err, certificate.ReasonFormat)
		for name, der := range map[string]string{"nothing": "", "something else": "0\x03\x02\x01\x05", "cut": string(good.DER()[:200]), "with bytes behind": string(good.DER()) + "x", "huge": strings.Repeat("0", 1<<20)} {
			_, err := s.Channel(t.Context(), der)
			is(t, name, err, certificate.ReasonFormat)
		}
		der = bytes.Clone(good.DER())
		der[len(der)-20] ^= 1
		_, err = s.Channel(t.Context(), string(der))
		is(t, "with a forged signature", err, certificate.ReasonUntrusted)
	})
}

// Without a list that is new enough nobody passes; a new one counts within a minute, and an old one takes back
// nothing.
func TestLists(t *testing.T) {
	o := newOffice(t)
	k := o.sub.Issue(certificatetest.Wish{At: begin})
	before, _ := o.read("sub.crl")
	later := o.sub.List(begin.Add(20*time.Hour), begin.Add(50*time.Hour))
	early := o.sub.List(begin.Add(30*24*time.Hour), begin.Add(31*24*time.Hour))
	o.sub.Revoke(k)
	revoked := o.sub.List(begin.Add(25*time.Hour), begin.Add(100*time.Hour))
	stranger := certificatetest.NewCA(t, begin).Under("sub", begin).List(begin.Add(-time.Hour), begin.Add(1000*time.Hour))
	synctest.Test(t, func(t *testing.T) {
		s := o.open(t, fmt.Sprintf(oneAuthority, ""))
		check := func(what string, want identity.Reason) {
			t.Helper()
			s.Refresh(t.Context())
			_, err := s.Channel(t.Context(), string(k.DER()))
			is(t, what, err, want)
		}
		check("at the beginning", "")
		o.put("sub.crl", stranger)
		time.Sleep(24*time.Hour + 59*time.Minute) // within the grace
		check("in the grace, another's list beside it", "")
		if all := s.Lists(time.Now()); len(all) != 2 || all[0].Left != time.Minute || all[0].Entries != 0 || all[1].Problem == "" || all[1].At != "sub.crl" {
			t.Errorf("the lists are %+v", all)
		}
		time.Sleep(2 * time.Minute)
		check("after the grace", certificate.ReasonUnlisted)
		if all := s.Lists(time.Now()); all[0].Left >= 0 {
			t.Errorf("the lists are %+v", all)
		}
		o.put("sub.crl", early)
		time.Sleep(time.Minute)
		check("with one of the future", certificate.ReasonUnlisted)
		o.put("sub.crl", later)
		time.Sleep(time.Minute)
		check("with a new one", "")
		o.put("sub.crl", []byte("-----BEGIN X509 CRL-----\n"))
		time.Sleep(time.Minute)
		check("while it is written", "")
		o.put("sub.crl", revoked)
		check("within the minute", "")
		time.Sleep(time.Minute)
		check("revoked", certificate.ReasonRevoked)
		o.put("sub.crl", before)
		time.Sleep(time.Minute)
		check("with the old list again", certificate.ReasonRevoked)
		time.Sleep(90 * time.Hour)
		check("revoked, by a list that is out of date", certificate.ReasonRevoked)
	})
}

// A list counts for whom its CA's key signed: another CA of that name has one, and this one has none.
func TestListOfAnother(t *testing.T) {
	o, other := newOffice(t), certificatetest.NewCA(t, begin)
	sub := other.Under("sub", begin)
	k := o.sub.Issue(certificatetest.Wish{At: begin, Extensions: "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=none\n"})
	direct := o.root.Issue(certificatetest.Wish{At: begin, Extensions: "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nauthorityKeyIdentifier=none\n"})
	o.put("root.pem", slices.Concat(o.root.PEM(), other.PEM()))
	o.put("sub.pem", slices.Concat(o.sub.PEM(), sub.PEM()))
	own, _ := o.read("sub.crl")
	o.put("sub.crl", sub.List(begin.Add(-time.Hour), begin.Add(24*time.Hour)))
	o.put("other.crl", other.List(begin.Add(-time.Hour), begin.Add(24*time.Hour)))
	o.put("own.crl", own)
	synctest.Test(t, func(t *testing.T) {
		lists := func(names string) string {
			return strings.Replace(fmt.Sprintf(oneAuthority, ""), `"sub.crl"`, names, 1)
		}
		s := o.open(t, lists(`"sub.crl", "other.crl"`))
		_, err := s.Channel(t.Context(), string(k.DER()))
		is(t, "with another's list alone", err, certificate.ReasonUnlisted)
		_, err = s.Channel(t.Context(), string(direct.DER()))
		is(t, "with another root's list alone", err, certificate.ReasonUnlisted)
		_, err = o.open(t, lists(`"sub.crl", "own.crl"`)).Channel(t.Context(), string(k.DER()))
		is(t, "with its own beside it", err, "")
	})
}

// A list that may not be complete is none, though nothing marks it as critical.
func TestPartialList(t *testing.T) {
	o := newOffice(t)
	k := o.sub.Issue(certificatetest.Wish{At: begin})
	for _, extension := range []string{"2.5.29.27=ASN1:INTEGER:1\n", "issuingDistributionPoint=fullname:URI:http://crl.example/1.crl\n"} {
		o.put("sub.crl", o.sub.ListWith(extension, begin.Add(-time.Hour), begin.Add(24*time.Hour)))
		synctest.Test(t, func(t *testing.T) {
			s := o.open(t, fmt.Sprintf(oneAuthority, ""))
			_, err := s.Channel(t.Context(), string(k.DER()))
			is(t, extension, err, certificate.ReasonUnlisted)
			if all := s.Lists(time.Now()); len(all) != 1 || !strings.Contains(all[0].Problem, "complete") {
				t.Errorf("the lists are %+v", all)
			}
		})
	}
}

// A list is fetched from an address, each hour, and sooner after a failure.
func TestFetched(t *testing.T) {
	o := newOffice(t)
	k := o.sub.Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		s := o.open(t, strings.Replace(fmt.Sprintf(oneAuthority, ""), "sub.crl", "http://crl.example/sub.crl", 1))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		_, err := s.Channel(t.Context(), string(k.DER()))
		is(t, "before it answers", err, certificate.ReasonUnlisted)
		list, _ := o.read("sub.crl")
		o.put("http://crl.example/sub.crl", list)
		time.Sleep(6 * time.Minute)
		_, err = s.Channel(t.Context(), string(k.DER()))
		is(t, "after it answered", err, "")
		cancel()
		running.Wait()
	})
}

// The number in a certificate says whose it is, if the operator says where it stands.
func TestOwner(t *testing.T) {
	o := newOffice(t)
	subject := o.sub.Issue(certificatetest.Wish{At: begin, Subject: "/C=CN/CN=样例张小䶮/serialNumber=SF" + identitytest.ZhangCode.Value})
	extension := o.sub.Issue(certificatetest.Wish{At: begin, Extensions: certificatetest.SigningExtensions + "1.2.156.10260.4.1.1=ASN1:PRINTABLESTRING:SF" + identitytest.ZhangCode.Value + "\n"})
	none := o.sub.Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			number string
			k      *certificatetest.Key
			want   string
		}{
			{``, subject, "no false nil"},
			{`, "number": {"oid": "2.5.4.5", "pattern": "^SF([0-9]{17}[0-9X])$"}`, subject, identitytest.ZhangCode.Value + " true nil"},
			{`, "number": {"oid": "1.2.156.10260.4.1.1", "pattern": "^SF(.*)$"}`, extension, identitytest.ZhangCode.Value + " true nil"},
			{`, "number": {"oid": "1.2.156.10260.4.1.1", "pattern": "^SF(.*)$"}`, none, "no true an error"},
			{`, "number": {"oid": "2.5.4.3", "pattern": "^(.*)$"}`, none, "no true an error"}, // a name is no number
		} {
			s := o.open(t, fmt.Sprintf(oneAuthority, tt.number))
			c, err := s.Channel(t.Context(), string(tt.k.DER()))
			if err != nil {
				t.Fatal(err)
			}
			code, says, err := c.Owner()
			got, problem := code.Value, "nil"
			if got == "" || err != nil {
				got = "no"
			}
			if err != nil {
				problem = "an error"
			}
			if all := fmt.Sprint(got, " ", says, " ", problem); all != tt.want {
				t.Errorf("%s: %s, not %s", tt.number, all, tt.want)
			}
		}
	})
}

func TestReadAuthorities(t *testing.T) {
	o := newOffice(t)
	o.put("broken.pem", []byte("-----BEGIN CERTIFICATE-----\nMII\n"))
	o.put("leaf.pem", []byte(o.sub.Issue(certificatetest.Wish{At: begin}).PEM()))
	good := fmt.Sprintf(oneAuthority, "")
	for change, want := range map[string]string{
		"":                                    "",
		`"yunling" → "Yunling"`:               "id:",
		`"zh-CN" → "fr"`:                      "title:",
		`"root.pem" → "none.pem"`:             "anchors: no such file",
		`"root.pem" → "leaf.pem"`:             "anchors:",
		`"sub.pem" → "broken.pem"`:            "intermediates:",
		`["sub.crl"] → []`:                    "lists:",
		`["sub.crl"] → ["ftp://x/y"]`:         "lists:",
		`["sub.crl"] → ["http://10.0.0.1/"]`:  "lists:",
		`"1h" → "1y"`:                         "grace:",
		`"1h" → "200h"`:                       "grace:",
		`"hardware" → "hardwear"`:             "/authorities/0/hardwear",
		`"1h" → "1h", "number": {"oid": "x"}`: "number.oid",
		`"1h" → "1h", "number": {"oid": "2.5.4.5", "pattern": "("}`:                                  "number.pattern",
		`"1h" → "1h", "number": {"oid": "2.5.4.5", "type": "001"}`:                                   "number.type",
		`[{ → [{"id": "a", "title": {"zh-CN": "甲"}, "anchors": "root.pem", "lists": ["sub.crl"]}, {`: "has a certificate of it",
	} {
		from, to, _ := strings.Cut(change, " → ")
		_, err := certificate.ReadAuthorities([]byte(strings.Replace(good, from, to, 1)), o.read)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", change, err, want)
		}
	}
}

func TestMaskSubject(t *testing.T) {
	for name, want := range map[string]string{
		"张小䶮":                           "**䶮",
		"041@5990101199001010035@张小䶮@1": "041@599**************35@**䶮@1",
		"张三 11010519491231002X":         "*三 110*************2X",
		"ZHANG San":                     "Z**** S**",
		"青禾市样例科技有限公司":                   "青禾市样例科技有限公司",
		"":                              "",
		"A1":                            "A1",
	} {
		if got := certificate.MaskSubject(name); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
	}
}
