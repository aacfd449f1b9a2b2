package sdjwt

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// wantReason checks that err is an *Error of that reason.
func wantReason(t testing.TB, err error, reason string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Errorf("error is %v, want %s", err, reason)
		return
	}
	if string(e.Reason) != reason {
		t.Errorf("error is %v, want %s", err, reason)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("error tells a claim: %v", err)
	}
}

// coded returns the base64url of a text.
func coded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// digestOf returns the SHA-256 digest of the disclosure that has this text.
func digestOf(s string) string { return SHA256.digest([]byte(coded(s))) }

func TestResolve(t *testing.T) {
	const (
		name    = `["salt1","name","secret Zhang"]`
		age     = `["salt2","age",30]`
		element = `["salt3","secret element"]`
		null    = `["salt4",null]`
		other   = `["salt5","name","secret Li"]`
	)
	inner := fmt.Sprintf(`["salt6","inner",{"_sd":[%q]}]`, digestOf(name))
	tests := []struct {
		name        string
		payload     string
		disclosures []string // as text
		want        string   // claims, or else
		reason      string
	}{
		{"nothing selective", `{"a":1}`, nil, `{"a":1}`, ""},
		{"member", `{"_sd":["` + digestOf(name) + `"],"_sd_alg":"sha-256"}`, []string{name}, `{"name":"secret Zhang"}`, ""},
		{"empty list", `{"a":{"_sd":[]}}`, nil, `{"a":{}}`, ""},
		{"withheld", `{"a":{"_sd":["` + digestOf(name) + `"]}}`, nil, `{"a":{}}`, ""},
		{"element", `{"a":[1,{"...":"` + digestOf(element) + `"},2]}`, []string{element}, `{"a":[1,"secret element",2]}`, ""},
		{"null element", `{"a":[{"...":"` + digestOf(null) + `"}]}`, []string{null}, `{"a":[null]}`, ""},
		{"element withheld", `{"a":[1,{"...":"` + digestOf(element) + `"},2]}`, nil, `{"a":[1,2]}`, ""},
		{"nested", `{"_sd":["` + digestOf(inner) + `"]}`, []string{name, inner}, `{"inner":{"name":"secret Zhang"}}`, ""},
		{"same name elsewhere", `{"a":{"_sd":["` + digestOf(name) + `"]},"b":{"_sd":["` + digestOf(other) + `"]}}`,
			[]string{name, other}, `{"a":{"name":"secret Zhang"},"b":{"name":"secret Li"}}`, ""},
		{"digest is no digest", `{"_sd":["x"],"a":[{"...":""}]}`, nil, `{"a":[]}`, ""},
		{"white space", `{"_sd":["` + digestOf(" \n"+name+"\t ") + `"]}`, []string{" \n" + name + "\t "}, `{"name":"secret Zhang"}`, ""},
		{"digits survive", `{"a":9007199254740993,"b":1.10,"c":-0,"d":123456789012345678901234567890}`, nil,
			`{"a":9007199254740993,"b":1.10,"c":-0,"d":123456789012345678901234567890}`, ""},

		{"collision with a plain claim", `{"name":"x","_sd":["` + digestOf(name) + `"]}`, []string{name}, "", "claim_collision"},
		{"collision of two disclosures", `{"_sd":["` + digestOf(name) + `","` + digestOf(other) + `"]}`, []string{name, other}, "", "claim_collision"},
		{"digest twice in a list", `{"_sd":["` + digestOf(name) + `","` + digestOf(name) + `"]}`, []string{name}, "", "digest_duplicate"},
		{"digest twice, withheld", `{"_sd":["` + digestOf(name) + `"],"a":[{"...":"` + digestOf(name) + `"}]}`, nil, "", "digest_duplicate"},
		{"digest twice, once in a disclosure", `{"_sd":["` + digestOf(inner) + `","` + digestOf(name) + `"]}`, []string{inner, name}, "", "digest_duplicate"},
		{"digest twice, in two elements", `{"a":[{"...":"` + digestOf(null) + `"},{"...":"` + digestOf(null) + `"}]}`, []string{null}, "", "digest_duplicate"},
		{"unreferenced", `{"_sd":["` + digestOf(name) + `"]}`, []string{name, age}, "", "disclosure_unreferenced"},
		{"parent missing", `{"_sd":["` + digestOf(inner) + `"]}`, []string{name}, "", "disclosure_unreferenced"},
		{"twice", `{"_sd":["` + digestOf(name) + `"]}`, []string{name, name}, "", "disclosure_duplicate"},
		{"element as member", `{"_sd":["` + digestOf(element) + `"]}`, []string{element}, "", "disclosure_malformed"},
		{"member as element", `{"a":[{"...":"` + digestOf(name) + `"}]}`, []string{name}, "", "disclosure_malformed"},

		{"_sd is no array", `{"_sd":"x"}`, nil, "", "sdjwt_malformed"},
		{"_sd is an object", `{"_sd":{}}`, nil, "", "sdjwt_malformed"},
		{"_sd of numbers", `{"_sd":[1]}`, nil, "", "sdjwt_malformed"},
		{"... in a member", `{"a":{"...":"x"}}`, nil, "", "sdjwt_malformed"},
		{"... at the top", `{"...":"x"}`, nil, "", "sdjwt_malformed"},
		{"... with another member", `{"a":[{"...":"x","secret":1}]}`, nil, "", "sdjwt_malformed"},
		{"... after another member", `{"a":[{"secret":1,"...":"x"}]}`, nil, "", "sdjwt_malformed"},
		{"... is no string", `{"a":[{"...":1}]}`, nil, "", "sdjwt_malformed"},
		{"_sd_alg nested", `{"a":{"_sd_alg":"sha-256"}}`, nil, "", "sdjwt_malformed"},
		{"_sd_alg is no string", `{"_sd_alg":1}`, nil, "", "sdjwt_malformed"},
		{"unknown algorithm", `{"_sd_alg":"md5"}`, nil, "", "hash_unknown"},
		{"algorithm in capitals", `{"_sd_alg":"SM3"}`, nil, "", "hash_unknown"},
		{"algorithm empty", `{"_sd_alg":""}`, nil, "", "hash_unknown"},
		{"digests under another algorithm", `{"_sd_alg":"sm3","_sd":["` + digestOf(name) + `"]}`, []string{name}, "", "disclosure_unreferenced"},
		{"no object", `["secret"]`, nil, "", "sdjwt_malformed"},
		{"empty", ``, nil, "", "sdjwt_malformed"},
		{"two values", `{} {}`, nil, "", "sdjwt_malformed"},
		{"duplicate name", `{"secret":1,"secret":2}`, nil, "", "sdjwt_malformed"},
		{"duplicate name, escaped", `{"a":1,"\u0061":2}`, nil, "", "sdjwt_malformed"},
		{"duplicate _sd", `{"_sd":[],"_sd":[]}`, nil, "", "sdjwt_malformed"},
		{"not UTF-8", "{\"secret\":\"\xff\"}", nil, "", "sdjwt_malformed"},
		{"lone surrogate", `{"a":"\ud800"}`, nil, "", "sdjwt_malformed"},
		{"truncated", `{"_sd":["`, nil, "", "sdjwt_malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token := new(Token)
			for _, d := range tt.disclosures {
				token.Disclosures = append(token.Disclosures, coded(d))
			}
			r, err := token.Resolve([]byte(tt.payload))
			if tt.reason != "" {
				wantReason(t, err, tt.reason)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(r.Claims, json.Deterministic(true))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("claims are %s, want %s", got, tt.want)
			}
		})
	}
}

func TestResolveMalformedDisclosures(t *testing.T) {
	for name, text := range map[string]string{
		"no array":                 `{"secret":1}`,
		"a string":                 `"secret"`,
		"empty":                    ``,
		"empty array":              `[]`,
		"salt alone":               `["secret"]`,
		"four elements":            `["s","a",1,2]`,
		"salt is no string":        `[1,"a","secret"]`,
		"salt is null":             `[null,"a",1]`,
		"name is no string":        `["s",1,"secret"]`,
		"name is null":             `["s",null,1]`,
		"named _sd":                `["s","_sd",["x"]]`,
		"named ...":                `["s","...","x"]`,
		"named _sd_alg":            `["s","_sd_alg","sm3"]`,
		"_sd_alg inside":           `["s","a",{"_sd_alg":"sm3"}]`,
		"... inside":               `["s","a",{"...":"x"}]`,
		"element is a digest":      `["s",{"...":"x"}]`,
		"duplicate name":           `["s","a",{"secret":1,"secret":2}]`,
		"not UTF-8":                "[\"s\",\"a\",\"secret\xff\"]",
		"two arrays":               `["s","a",1]["t","b",2]`,
		"two arrays, spaced":       `["s","a",1] ["t","b",2]`,
		"trailing text":            `["s","a",1]x`,
		"not ended":                `["s","a","secret"`,
		"goes on in the next one":  `["s","a",[1,`,
		"trailing comma":           `["s","a",1,]`,
		"byte order mark":          "\ufeff" + `["s","a",1]`,
		"comment":                  `["s","a",/**/1]`,
		"number with leading zero": `["s","a",01]`,
		"no number":                `["s","a",NaN]`,
	} {
		t.Run(name, func(t *testing.T) {
			// The one behind it would complete some of these.
			next := `2,"b"]]`
			token := Token{Disclosures: []string{coded(text), coded(next)}}
			_, err := token.Resolve([]byte(`{"_sd":["` + digestOf(text) + `","` + digestOf(next) + `"]}`))
			wantReason(t, err, "disclosure_malformed")
			token = Token{Disclosures: []string{coded(text)}}
			_, err = token.Resolve([]byte(`{"_sd":["` + digestOf(text) + `"]}`))
			wantReason(t, err, "disclosure_malformed")
		})
	}
	for name, d := range map[string]string{
		"padding":               base64.URLEncoding.EncodeToString([]byte(`["s","ab",1]` + "  ")),
		"standard alphabet":     "WyJz+/",
		"a JWS":                 "YQ.Yg.Yw",
		"a space":               " " + coded(`["s","a",1]`),
		"not ASCII":             coded(`["s","a",1]`) + "\u00e9",
		"a character over":      coded(`["s","a",1]`) + "AA",
		"trailing bits":         coded(`["s","a",1]`)[:14] + "1",
		"line feed":             coded(`["s","a",1]`)[:4] + "\n" + coded(`["s","a",1]`)[4:],
		"carriage return, last": coded(`["s","a",1]`) + "\r",
	} {
		t.Run(name, func(t *testing.T) {
			token := Token{Disclosures: []string{d}}
			_, err := token.Resolve([]byte(`{"_sd":["` + SHA256.digest([]byte(d)) + `"]}`))
			wantReason(t, err, "disclosure_malformed")
		})
	}
}

func TestResolveDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":`, n-1) + `{}` + strings.Repeat(`}`, n-1) }
	arrays := func(n int) string { return `{"a":` + strings.Repeat(`[`, n-1) + strings.Repeat(`]`, n-1) + `}` }
	// chain returns n disclosures, each an object inside the one before.
	chain := func(n int) (payload string, disclosures []string) {
		inner := "{}"
		for range n {
			d := `["s","a",` + inner + `]`
			disclosures = append(disclosures, coded(d))
			inner = `{"_sd":["` + digestOf(d) + `"]}`
		}
		return inner, disclosures
	}
	tests := []struct {
		name   string
		depth  int
		levels int
		ok     bool
	}{
		{"default, at it", 0, 16, true},
		{"default, beyond", 0, 17, false},
		{"own, at it", 3, 3, true},
		{"own, beyond", 3, 4, false},
		{"bomb", 0, 20000, false},
	}
	check := func(t *testing.T, ok bool, token *Token, payload string) {
		t.Helper()
		_, err := token.Resolve([]byte(payload))
		if ok && err != nil {
			t.Error(err)
		}
		if !ok {
			wantReason(t, err, "sdjwt_depth")
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limits := Limits{Bytes: 1 << 20, Disclosures: 1 << 20, Depth: tt.depth}
			check(t, tt.ok, &Token{limits: limits}, nested(tt.levels))
			check(t, tt.ok, &Token{limits: limits}, arrays(tt.levels))
			plain := `["s","a",` + nested(tt.levels-1) + `]`
			check(t, tt.ok, &Token{limits: limits, Disclosures: []string{coded(plain)}}, `{"_sd":["`+digestOf(plain)+`"]}`)
			if tt.levels < 100 {
				payload, disclosures := chain(tt.levels - 1)
				check(t, tt.ok, &Token{limits: limits, Disclosures: disclosures}, payload)
			}
		})
	}
}

func TestParse(t *testing.T) {
	const jws = "aGVhZGVy.cGF5bG9hZA.c2ln"
	good := map[string]Token{
		jws + "~":                  {JWS: jws},
		jws + "~YQ~":               {JWS: jws, Disclosures: []string{"YQ"}},
		jws + "~YQ~Yg~":            {JWS: jws, Disclosures: []string{"YQ", "Yg"}},
		jws + "~" + jws:            {JWS: jws, KeyBinding: jws},
		jws + "~YQ~" + jws:         {JWS: jws, Disclosures: []string{"YQ"}, KeyBinding: jws},
		jws + "~YQ~Yg~a.b.c":       {JWS: jws, Disclosures: []string{"YQ", "Yg"}, KeyBinding: "a.b.c"},
		jws + "~_-9~" + "A-_.b.c0": {JWS: jws, Disclosures: []string{"_-9"}, KeyBinding: "A-_.b.c0"},
	}
	for s, want := range good {
		got, err := Parse(s, Limits{})
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if fmt.Sprint(got.JWS, got.Disclosures, got.KeyBinding) != fmt.Sprint(want.JWS, want.Disclosures, want.KeyBinding) {
			t.Errorf("%s: parsed to %+v", s, got)
		}
		if got.String() != s {
			t.Errorf("%s: prints as %s", s, got)
		}
	}
	for s, reason := range map[string]string{
		"":                  "sdjwt_malformed",
		"~":                 "sdjwt_malformed",
		jws:                 "sdjwt_malformed", // a JWS is no SD-JWT: the tilde must be there
		"a.b~":              "sdjwt_malformed",
		"a.b.c.d~":          "sdjwt_malformed",
		"~YQ~":              "sdjwt_malformed",
		jws + "~YQ":         "sdjwt_malformed", // no tilde behind the disclosure
		jws + "~YQ~Yg":      "sdjwt_malformed",
		jws + "~~":          "disclosure_malformed",
		jws + "~YQ~~":       "disclosure_malformed",
		jws + "~YQ~a.b.c ":  "sdjwt_malformed",
		jws + "~YQ~a..c":    "sdjwt_malformed",
		jws + "~YQ~a.b.c\n": "sdjwt_malformed",
		jws + "~YQ~a.b.c=":  "sdjwt_malformed",
	} {
		_, err := Parse(s, Limits{})
		if err == nil {
			t.Errorf("%q is accepted", s)
			continue
		}
		wantReason(t, err, reason)
	}
}

func TestParseLimits(t *testing.T) {
	const jws = "aGVhZGVy.cGF5bG9hZA.c2ln"
	tests := []struct {
		name   string
		token  string
		limits Limits
		ok     bool
	}{
		{"1024 disclosures", jws + "~" + strings.Repeat("YQ~", 1024), Limits{}, true},
		{"1025 disclosures", jws + "~" + strings.Repeat("YQ~", 1025), Limits{}, false},
		{"2 disclosures, own limit", jws + "~YQ~YQ~", Limits{Disclosures: 2}, true},
		{"3 disclosures, own limit", jws + "~YQ~YQ~YQ~", Limits{Disclosures: 2}, false},
		{"64 KiB", jws + "~" + strings.Repeat("Y", 64<<10-len(jws)-2) + "~", Limits{}, true},
		{"64 KiB and a byte", jws + "~" + strings.Repeat("Y", 64<<10-len(jws)-1) + "~", Limits{}, false},
		{"own size", jws + "~", Limits{Bytes: len(jws) + 1}, true},
		{"own size and a byte", jws + "~", Limits{Bytes: len(jws)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.token, tt.limits)
			if tt.ok && err != nil {
				t.Error(err)
			}
			if !tt.ok {
				wantReason(t, err, "sdjwt_too_large")
			}
		})
	}
	t.Run("built by hand", func(t *testing.T) {
		token := Token{Disclosures: make([]string, 1025)}
		_, err := token.Resolve([]byte(`{}`))
		wantReason(t, err, "sdjwt_too_large")
		_, err = new(Token).Resolve(make([]byte, 64<<10+1))
		wantReason(t, err, "sdjwt_too_large")
	})
	t.Run("10 MB cost nothing", func(t *testing.T) {
		huge := strings.Repeat("a.b.c~", 10<<20/6)
		start := time.Now()
		for range 1000 {
			_, err := Parse(huge, Limits{})
			wantReason(t, err, "sdjwt_too_large")
		}
		// 1,000 readings of it would take seconds; 1,000 looks at its length
		// take less than a millisecond.
		if d := time.Since(start); d > time.Second {
			t.Errorf("refusing it 1,000 times took %v", d)
		}
	})
}
