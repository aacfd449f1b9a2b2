package sdjwt

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// resolve returns what comes of packed claims after all of it went over the wire.
func resolve(t testing.TB, payload map[string]any, disclosures []string) (*Token, []byte, *Resolved) {
	t.Helper()
	raw, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := Parse(Combine("a.b.c", disclosures), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := token.Resolve(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return token, raw, r
}

// license is a tree of the size of a usual license: 12 fields, two holders
// with four members each, some scalars, all but a few selective.
func license() map[string]any {
	holder := func(name, code string) Selective {
		return Selective{map[string]any{
			"name": Selective{name}, "code_type": Selective{"111"}, "code": Selective{code}, "role": Selective{"holder"},
		}}
	}
	fields := map[string]any{}
	for i := range 12 {
		fields[fmt.Sprintf("field_%02d", i)] = Selective{"云岭省青禾市样例路" + strings.Repeat("八", i)}
	}
	return map[string]any{
		"vct": "urn:yizheng:license:11100000000013338W032", "iat": int64(1700000000), "nbf": int64(1700000000),
		"type_code": "11100000000013338W032", "type_name": "居住证", "version": 1, "origin": "authority",
		"authority":  map[string]any{"code": "11330000002482103L", "name": "青禾市样例局"},
		"valid_from": "2024-01-01", "valid_until": "2034-01-01", "trust_grade": "A",
		"number": Selective{"样例0001"}, "identifier": Selective{"1.2.156.3005.2.11100000000013338W032.1"},
		"holders": []any{holder("张样例", "110101199001010000"), holder("李样例", "110101199002020000")},
		"fields":  fields,
		"cnf": map[string]any{"jwk": map[string]any{"kty": "EC", "crv": "urn:oid:1.2.156.10197.1.301",
			"x": "TCAER19Zvu3OHF4j4W4vfSVoHIP1ILilDls7vCeGemc", "y": "ZxjiWWbZMQGHVWKVQ4hbSIirsVfuecCE6t4jT9F2HZQ"}},
	}
}

func TestPack(t *testing.T) {
	for _, hash := range []Hash{"", SHA256, SM3} {
		t.Run(string(hash), func(t *testing.T) {
			claims := license()
			before := fmt.Sprint(claims)
			payload, disclosures, err := Pack(claims, PackOptions{Hash: hash})
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(claims) != before {
				t.Error("Pack changed its argument")
			}
			if len(disclosures) != 24 {
				t.Errorf("%d disclosures, want 24", len(disclosures))
			}
			_, raw, r := resolve(t, payload, disclosures)
			if got, want := canonical(t, r.Claims), canonical(t, bare(license())); got != want {
				t.Errorf("claims are\n%s, want\n%s", got, want)
			}
			want := hash
			if hash == "" {
				want = SHA256
			}
			if r.Hash != want {
				t.Errorf("hash is %s, want %s", r.Hash, want)
			}
			for _, secret := range []string{"张样例", "青禾市样例路", "110101199001010000", "样例0001"} {
				if strings.Contains(string(raw), secret) {
					t.Errorf("payload tells %s", secret)
				}
			}
		})
	}
}

// TestPackOrder checks that the order of digests depends on nothing but the
// digests, and the order of disclosures on nothing but the names.
func TestPackOrder(t *testing.T) {
	payload, disclosures, err := Pack(license(), PackOptions{Decoys: 5})
	if err != nil {
		t.Fatal(err)
	}
	list := payload["fields"].(map[string]any)["_sd"].([]string)
	if len(list) != 12+5 || !slices.IsSorted(list) {
		t.Errorf("digests are %d, sorted %v", len(list), slices.IsSorted(list))
	}
	_, _, r := resolve(t, payload, disclosures)
	if !slices.IsSorted(r.Disclosed()) {
		t.Errorf("disclosures are of %q", r.Disclosed())
	}
}

func TestPackDecoys(t *testing.T) {
	claims := map[string]any{
		"a": Selective{1}, "plain": map[string]any{"b": 2}, "list": []any{1, 2},
		"array": []any{Selective{map[string]any{"c": Selective{3}}}, "x", Selective{"y"}},
	}
	places := map[int]bool{}
	for range 50 {
		payload, disclosures, err := Pack(claims, PackOptions{Hash: SM3, Decoys: 3})
		if err != nil {
			t.Fatal(err)
		}
		array := payload["array"].([]any)
		places[slices.Index(array, any("x"))] = true
		token, raw, r := resolve(t, payload, disclosures)
		if r.Withheld != 9 { // at the top, in the array, in the disclosed object
			t.Errorf("%d decoys, want 9", r.Withheld)
		}
		if got, want := canonical(t, r.Claims), canonical(t, bare(claims)); got != want {
			t.Errorf("claims are %s, want %s", got, want)
		}
		for _, d := range payload["_sd"].([]string) {
			if len(d) != digestLen || !isBase64URL(d) {
				t.Errorf("digest %q", d)
			}
		}
		none, err := token.Present(raw, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if r, err = none.Resolve(raw); err != nil || r.Withheld != 9 { // 3 + 1 at the top, 3 + 2 in the array
			t.Errorf("%d withheld, %v, want 9", r.Withheld, err)
		}
	}
	if len(places) < 3 {
		t.Errorf("decoys in an array leave its elements at %v alone", places)
	}
}

func TestPackSalts(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		_, disclosures, err := Pack(license(), PackOptions{Decoys: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range disclosures {
			text, err := encoding.DecodeString(d)
			if err != nil {
				t.Fatal(err)
			}
			var array []any
			if err := json.Unmarshal(text, &array); err != nil {
				t.Fatal(err)
			}
			salt := array[0].(string)
			if bits, err := encoding.DecodeString(salt); err != nil || len(bits) != 16 || seen[salt] {
				t.Errorf("salt %q: %d bytes, seen before %v", salt, len(bits), seen[salt])
			}
			seen[salt] = true
		}
	}
	broken := errors.New("no randomness")
	if _, _, err := Pack(license(), PackOptions{Rand: iotest.ErrReader(broken)}); !errors.Is(err, broken) {
		t.Errorf("error is %v, want %v", err, broken)
	}
	if _, _, err := Pack(map[string]any{"a": []any{Selective{1}}}, PackOptions{Rand: strings.NewReader("short")}); err == nil {
		t.Error("Pack goes on with too little randomness")
	}
}

func TestPackValues(t *testing.T) {
	type point struct {
		X int    `json:"x"`
		Y string `json:"y,omitempty"`
	}
	for _, v := range []any{
		nil, true, false, "", "a\"\\\u2028\x00<&>", 0, -1, int64(math.MinInt64), int32(7), uint32(7), uint64(math.MaxUint64), uint8(1),
		1.5, 1e300, Number("1.10"), Number("123456789012345678901234567890"), stdjson.Number("7.0"),
		jsontext.Value(`{"a": [1, 2]}`), []string{"a", "b"}, []string(nil), map[string]string{"k": "v"}, []any(nil), map[string]any(nil),
		point{1, "y"}, &point{}, []point{{}, {2, ""}}, time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		map[string]any{"a": []any{map[string]any{}, []any{}, point{}}},
	} {
		want := canonical(t, v)
		if n, ok := v.(stdjson.Number); ok {
			want = canonical(t, Number(n))
		}
		claims := map[string]any{"plain": v, "selective": Selective{v}, "array": []any{v, Selective{v}}}
		payload, disclosures, err := Pack(claims, PackOptions{})
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		_, _, r := resolve(t, payload, disclosures)
		if got, want := canonical(t, r.Claims), `{"array":[`+want+`,`+want+`],"plain":`+want+`,"selective":`+want+`}`; got != want {
			t.Errorf("%T: claims are %s, want %s", v, got, want)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	deep := func(n int) any {
		var v any = 1
		for range n {
			v = map[string]any{"a": v}
		}
		return v
	}
	loop := map[string]any{}
	loop["loop"] = []any{loop}
	many := make([]any, 1025)
	for i := range many {
		many[i] = Selective{i}
	}
	type hidden struct{ Secret Selective }
	tests := []struct {
		name   string
		claim  any
		reason string
	}{
		{"_sd", map[string]any{"_sd": 1}, "claim_reserved"},
		{"...", map[string]any{"...": 1}, "claim_reserved"},
		{"_sd_alg", map[string]any{"_sd_alg": "sm3"}, "claim_reserved"},
		{"selective _sd", map[string]any{"_sd": Selective{1}}, "claim_reserved"},
		{"_sd, typed", map[string][]string{"_sd": {"a"}}, "claim_reserved"},
		{"..., typed", map[string]string{"...": "a"}, "claim_reserved"},
		{"... in an array, typed", []map[string]string{{"...": "a"}}, "claim_reserved"},
		{"_sd_alg, raw", jsontext.Value(`[{"_sd_alg":"sm3"}]`), "claim_reserved"},
		{"selective in selective", Selective{Selective{"secret"}}, "claim_malformed"},
		{"selective in a struct", hidden{Selective{"secret"}}, "claim_malformed"},
		{"selective in a typed list", []Selective{{"secret"}}, "claim_malformed"},
		{"selective in a typed map", map[string]Selective{"a": {"secret"}}, "claim_malformed"},
		{"pointer to a selective", &Selective{"secret"}, "claim_malformed"},
		{"a channel", make(chan int), "claim_malformed"},
		{"not a number", math.NaN(), "claim_malformed"},
		{"no number", Number("secret"), "claim_malformed"},
		{"not UTF-8", "secret\xff", "claim_malformed"},
		{"selective, not UTF-8", Selective{"secret\xff"}, "claim_malformed"},
		{"name not UTF-8", map[string]any{"secret\xff": 1}, "claim_malformed"},
		{"raw, duplicate names", jsontext.Value(`{"secret":1,"secret":2}`), "claim_malformed"},
		{"17 levels", deep(16), "sdjwt_depth"},
		{"17 levels, selective", Selective{deep(16)}, "sdjwt_depth"},
		{"17 levels, raw", jsontext.Value(strings.Repeat("[", 16) + strings.Repeat("]", 16)), "sdjwt_depth"},
		{"endless", loop, "sdjwt_depth"},
		{"1025 disclosures", many, "sdjwt_too_large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Pack(map[string]any{"claim": tt.claim}, PackOptions{})
			wantReason(t, err, tt.reason)
		})
	}
	_, _, err := Pack(nil, PackOptions{Hash: "md5"})
	wantReason(t, err, "hash_unknown")
	_, _, err = Pack(nil, PackOptions{Decoys: -1})
	wantReason(t, err, "sdjwt_too_large")
	if _, _, err := Pack(map[string]any{"a": deep(15), "b": many[:1024]}, PackOptions{}); err != nil {
		t.Errorf("16 levels and 1024 disclosures: %v", err)
	}
	if _, err := json.Marshal(map[string]any{"a": Selective{"secret"}}); err == nil {
		t.Error("a selective value marshals without Pack")
	}
	if _, err := stdjson.Marshal(map[string]any{"a": Selective{"secret"}}); err == nil {
		t.Error("a selective value marshals without Pack")
	}
}

func TestNumber(t *testing.T) {
	n := Number("9007199254740993")
	if i, err := n.Int64(); err != nil || i != 9007199254740993 {
		t.Errorf("Int64 is %d, %v", i, err)
	}
	if _, err := Number("1.5").Int64(); err == nil {
		t.Error("1.5 is an integer")
	}
	if f, err := Number("1.5").Float64(); err != nil || f != 1.5 {
		t.Errorf("Float64 is %v, %v", f, err)
	}
	if _, err := Number("1e400").Float64(); err == nil {
		t.Error("1e400 is a float64")
	}
}

func BenchmarkPack(b *testing.B) {
	claims := license()
	for _, hash := range []Hash{SM3, SHA256} {
		b.Run(string(hash), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := Pack(claims, PackOptions{Hash: hash}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	for _, hash := range []Hash{SM3, SHA256} {
		b.Run(string(hash), func(b *testing.B) {
			payload, disclosures, err := Pack(license(), PackOptions{Hash: hash})
			if err != nil {
				b.Fatal(err)
			}
			raw, err := json.Marshal(payload)
			if err != nil {
				b.Fatal(err)
			}
			s := Combine("eyJhbGciOiJFUzI1NiJ9."+encoding.EncodeToString(raw)+".c2ln", disclosures)
			b.ReportAllocs()
			for b.Loop() {
				t, err := Parse(s, Limits{})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := t.Resolve(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
