package sdjwt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// bare returns v without the marks: what must come out in the end.
func bare(v any) any {
	switch v := v.(type) {
	case Selective:
		return bare(v.Value)
	case map[string]any:
		out := map[string]any{}
		for name, v := range v {
			out[name] = bare(v)
		}
		return out
	case []any:
		out := []any{}
		for _, v := range v {
			out = append(out, bare(v))
		}
		return out
	}
	return v
}

// shown returns v as a verifier sees it who is shown the selective parts at
// those pointers. Pointers count elements of the whole array.
func shown(v any, pointer string, show map[string]bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, v := range v {
			at := pointer + "/" + escape(name)
			if s, ok := v.(Selective); ok {
				if !show[at] {
					continue
				}
				v = s.Value
			}
			out[name] = shown(v, at, show)
		}
		return out
	case []any:
		out := []any{}
		for i, v := range v {
			at := fmt.Sprintf("%s/%d", pointer, i)
			if s, ok := v.(Selective); ok {
				if !show[at] {
					continue
				}
				v = s.Value
			}
			out = append(out, shown(v, at, show))
		}
		return out
	}
	return v
}

// selectives adds the pointers of all selective parts of v, each with that of
// the one it lies in.
func selectives(v any, pointer, inside string, all map[string]string) {
	visit := func(v any, at string) {
		if s, ok := v.(Selective); ok {
			all[at] = inside
			selectives(s.Value, at, at, all)
			return
		}
		selectives(v, at, inside, all)
	}
	switch v := v.(type) {
	case map[string]any:
		for name, v := range v {
			visit(v, pointer+"/"+escape(name))
		}
	case []any:
		for i, v := range v {
			visit(v, fmt.Sprintf("%s/%d", pointer, i))
		}
	}
}

// randomTree returns a tree of at most depth levels, some of it selective.
func randomTree(r *rand.Rand, depth int, budget *int) any {
	names := []string{"a", "b", "c", "a/b", "~", "~1", "", "姓名", "\"", "_sd_", "0", "1"}
	part := func() any {
		v := randomTree(r, depth-1, budget)
		if r.IntN(2) == 0 && *budget > 0 {
			*budget--
			return Selective{v}
		}
		return v
	}
	switch kind := r.IntN(8); {
	case depth > 0 && kind < 3:
		m := map[string]any{}
		for range r.IntN(6) {
			m[names[r.IntN(len(names))]] = part()
		}
		return m
	case depth > 0 && kind < 6:
		a := []any{}
		for range r.IntN(5) {
			a = append(a, part())
		}
		return a
	}
	return []any{nil, true, "", "文\u2028\"\\", r.IntN(1000), int64(1) << 60, Number("1.50"), strings.Repeat("x", r.IntN(300))}[r.IntN(8)]
}

// TestProperties packs random trees. All of it comes back when all is
// disclosed; and any selection shows exactly what was selected and what is
// needed to reach it.
func TestProperties(t *testing.T) {
	const runs = 400
	parts := 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 9901))
		budget := 200
		claims := map[string]any{"top": randomTree(r, 6, &budget), "also": Selective{randomTree(r, 3, &budget)}}
		options := PackOptions{Hash: []Hash{SHA256, SM3}[r.IntN(2)], Decoys: r.IntN(3)}
		payload, disclosures, err := Pack(claims, options)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		token, raw, whole := resolve(t, payload, disclosures)
		if got, want := canonical(t, whole.Claims), canonical(t, bare(claims)); got != want {
			t.Fatalf("seed %d: claims are\n%s, want\n%s", seed, got, want)
		}
		all := map[string]string{}
		selectives(claims, "", "", all)
		if len(whole.Disclosed()) != len(all) {
			t.Fatalf("seed %d: %d disclosed, want %d", seed, len(whole.Disclosed()), len(all))
		}
		parts += len(all)
		show := map[string]bool{}
		selected := map[string]bool{}
		for _, pointer := range whole.Disclosed() {
			if r.IntN(3) > 0 {
				continue
			}
			selected[pointer] = true
			for ; pointer != ""; pointer = all[pointer] {
				show[pointer] = true
			}
		}
		some, err := token.Present(raw, func(pointer string) bool {
			if _, ok := all[pointer]; !ok {
				t.Errorf("seed %d: asked for %s, which is not selective", seed, pointer)
			}
			return selected[pointer]
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkSelection(t, seed, some, raw, shown(claims, "", show), len(show))
	}
	if parts < runs {
		t.Errorf("only %d selective parts in %d trees", parts, runs)
	}
}

// checkSelection checks that a token discloses so many parts, that it shows
// what is wanted, and that none of its disclosures can be left out alone when
// another lies in it.
func checkSelection(t *testing.T, seed uint64, token *Token, raw []byte, want any, disclosed int) {
	t.Helper()
	r, err := token.Resolve(raw)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if got, want := canonical(t, r.Claims), canonical(t, want); got != want {
		t.Fatalf("seed %d: selection shows\n%s, want\n%s", seed, got, want)
	}
	if len(token.Disclosures) != disclosed {
		t.Fatalf("seed %d: %d disclosures, want %d", seed, len(token.Disclosures), disclosed)
	}
	for i := range token.Disclosures {
		without := *token
		without.Disclosures = slices.Delete(slices.Clone(token.Disclosures), i, i+1)
		_, err := without.Resolve(raw)
		if slices.ContainsFunc(r.places, func(p place) bool { return p.inside == i }) {
			wantReason(t, err, "disclosure_unreferenced")
		} else if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// FuzzParse feeds Parse and Resolve whatever there is. What resolves must do so
// again after it was printed, and all of it must be selectable.
func FuzzParse(f *testing.F) {
	for _, e := range readRFC9901(f).Examples {
		for _, token := range []string{e.Issued, e.Presentation} {
			if t, err := Parse(token, Limits{}); err == nil {
				f.Add(token, payloadOf(f, t))
			}
		}
	}
	payload, disclosures, err := Pack(license(), PackOptions{Hash: SM3, Decoys: 1})
	if err != nil {
		f.Fatal(err)
	}
	raw, err := json.Marshal(payload)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Combine("a.b.c", disclosures), raw)
	d := `["s",{"a":[]}]`
	f.Add(Combine("a.b.c", []string{coded(d)}), []byte(`{"a":[{"...":"`+digestOf(d)+`"},{"...":"x"}],"_sd":["y"]}`))
	f.Fuzz(func(t *testing.T, s string, payload []byte) {
		token, err := Parse(s, Limits{})
		if err != nil {
			wantAnyReason(t, err)
			return
		}
		if token.String() != s {
			t.Errorf("%q prints as %q", s, token.String())
		}
		if _, err := token.hash(); err != nil {
			wantAnyReason(t, err)
		}
		r, err := token.Resolve(payload)
		if err != nil {
			wantAnyReason(t, err)
			return
		}
		again, err := Parse(token.String(), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		second, err := again.Resolve(payload)
		if err != nil {
			t.Fatal(err)
		}
		said := func(r *Resolved) string { return fmt.Sprint(r.Claims, r.Disclosed(), r.Withheld, r.Hash) }
		if got, want := said(second), said(r); got != want {
			t.Errorf("resolves to %s, then to %s", want, got)
		}
		for _, all := range []bool{true, false} {
			some, err := token.Present(payload, func(string) bool { return all })
			if err != nil {
				t.Fatal(err)
			}
			if all != slices.Equal(some.Disclosures, token.Disclosures) && len(token.Disclosures) > 0 {
				t.Errorf("keeping all is %v: %d of %d kept", all, len(some.Disclosures), len(token.Disclosures))
			}
			if _, err := some.Resolve(payload); err != nil {
				t.Errorf("a selection does not resolve: %v", err)
			}
		}
		if _, err := json.Marshal(r.Claims); err != nil {
			t.Errorf("claims do not marshal: %v", err)
		}
	})
}

// FuzzResolve reads any text as a disclosure, with the right digest in its
// place. Whatever is accepted must be one strict JSON array of the right kind,
// and its value must be in the claims.
func FuzzResolve(f *testing.F) {
	f.Add(`["s","name",{"a":[1,"\u00e9",null]}]`, `["t",-0.5e7]`)
	f.Add(`["s","name",{"_sd":["x"],"b":[{"...":"y"},true]}]`, ` [ "t" , [[{}]] ] `)
	f.Add(`["s","_sd",[]]`, `["t",{"...":"x"}]`)
	f.Add(`["s","a",[1,`, `2]]`)
	f.Add(`["s","n",1e400]`, `["t",-1E-999]`)
	f.Add(`["s","list",1]`, `["t","n",2]`)
	f.Fuzz(func(t *testing.T, member, element string) {
		if member == element {
			return
		}
		token := Token{Disclosures: []string{coded(member), coded(element)}}
		payload := fmt.Sprintf(`{"_sd":[%q],"list":[{"...":%q}]}`, digestOf(member), digestOf(element))
		r, err := token.Resolve([]byte(payload))
		if err != nil {
			wantAnyReason(t, err)
			return
		}
		var m, e []jsontext.Value // not any: 1e400 is a number, but no float64
		if err := json.Unmarshal([]byte(member), &m); err != nil || len(m) != 3 {
			t.Fatalf("%q is accepted for a member: %v", member, err)
		}
		if err := json.Unmarshal([]byte(element), &e); err != nil || len(e) != 2 {
			t.Fatalf("%q is accepted for an element: %v", element, err)
		}
		if strings.Contains(member+element, "_sd") || strings.Contains(member+element, "...") || strings.Contains(member+element, `\u`) {
			return // the values may hold digests, which are gone from the claims
		}
		var name string
		if err := json.Unmarshal(m[1], &name); err != nil {
			t.Fatal(err)
		}
		got, want := canonical(t, r.Claims), canonical(t, map[string]any{name: m[2], "list": []any{e[1]}})
		if got != want {
			t.Errorf("claims are %s, want %s", got, want)
		}
	})
}

// FuzzPlain checks that a disclosure read without the decoder is what the
// decoder would have made of it.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{
		`["s","name","value"]`, `["s","element"]`, `["s","证照","样例"]`, `["","",""]`, `["s","a\u0061","b"]`, `["s","a", "b"]`, `["s","a","b","c"]`,
		`["s","a","b"]]`, `["s","_sd","b"]`, `["s","..."]`, `["s",",","]"]`, "[\"s\",\"a\",\"\xff\"]", "[\"s\",\"a\",\"\n\"]", `["s"]`, `["s","a",1]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want disclosure
		if !got.plain(s) {
			return
		}
		d := newTreeDecoder([]byte(s), s, defaultDepth)
		if err := want.decode(d); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if err := d.end(); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if got != want {
			t.Errorf("%q is %+v, want %+v", s, got, want)
		}
	})
}
