package sdjwt

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Payload is the decoded payload of an SD-JWT. It still has digests in the place of claims that
// are selectively disclosable.
type Payload struct{ claims map[string]any }

// DecodePayload decodes a payload, which must be one strict JSON object. Errors:
// *Error.
func DecodePayload(payload []byte, limits Limits) (*Payload, error) {
	limits = limits.withDefaults()
	if len(payload) > limits.Bytes {
		return nil, fail(ReasonTooLarge, "a payload of at most %d bytes", limits.Bytes)
	}
	d := newTreeDecoder(payload, string(payload), limits.Depth)
	d.payload = true
	tree, err := d.value(1)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return nil, d.explain(err, "sdjwt_malformed")
	}
	claims, ok := tree.(map[string]any)
	if !ok {
		return nil, fail("sdjwt_malformed", "the payload is not an object")
	}
	return &Payload{claims}, nil
}

// Claims returns the claims that stand in the clear, as in [Resolved]. Digests among them have
// types of this package. The result must not be changed.
func (p *Payload) Claims() map[string]any { return p.claims }

// Resolved is the processed payload of an SD-JWT (RFC 9901 section 7.1).
type Resolved struct {
	// Claims are the claims in the clear and those disclosed, without digests
	// and _sd_alg: map[string]any, []any, string, [Number], bool and nil.
	Claims map[string]any
	// Withheld counts the digests without a disclosure, decoys among them: only the issuer can
	// tell them apart.
	Withheld int
	// Hash is the algorithm of the digests, also of a key binding's sd_hash.
	Hash Hash

	places []place // where each disclosure went
}

// Disclosed returns, for each disclosure of the token in its order, its place in Claims, as a
// JSON pointer (RFC 6901).
func (r *Resolved) Disclosed() []string {
	pointers := make([]string, len(r.places))
	for i := range r.places {
		pointers[i] = r.places[i].pointer()
	}
	return pointers
}

// root is the number of the payload, where a disclosure would have its index.
const root = -1

// Resolve replaces the digests in the payload by the token's disclosures and
// returns the result. The payload is that of t.JWS, whose signature the caller
// has verified. It checks every rule of RFC 9901 section 7.1 but those about signature, issuer
// and validity, which the caller must check. Beyond that, it refuses reserved names wherever
// they carry no digest. Errors: *Error.
func (t *Token) Resolve(payload []byte) (*Resolved, error) {
	p, err := DecodePayload(payload, t.limits)
	if err != nil {
		return nil, err
	}
	return t.ResolveDecoded(p)
}

// ResolveDecoded is [Token.Resolve] for a decoded payload. The payload becomes part of the
// result and can't be used again.
func (t *Token) ResolveDecoded(p *Payload) (*Resolved, error) {
	limits := t.limits.withDefaults()
	if len(t.Disclosures) > limits.Disclosures {
		return nil, fail(ReasonTooLarge, "at most %d disclosures", limits.Disclosures)
	}
	claims := p.claims
	hash, err := hashOf(claims)
	if err != nil {
		return nil, err
	}
	delete(claims, nameHash)
	r := resolver{limit: limits.Depth, out: &Resolved{Hash: hash}}
	if err := r.read(t.Disclosures); err != nil {
		return nil, err
	}
	if r.out.Claims, err = r.object(claims, &place{depth: 1, inside: root}); err != nil {
		return nil, err
	}
	for i := range r.disclosures {
		if !r.disclosures[i].used {
			return nil, fail("disclosure_unreferenced", "disclosure %d", i)
		}
	}
	return r.out, nil
}

// hashOf returns the hash algorithm that a payload names (RFC 9901 section 4.1.1).
func hashOf(claims map[string]any) (Hash, error) {
	v, ok := claims[nameHash]
	if !ok {
		return SHA256, nil
	}
	name, ok := v.(string)
	if !ok {
		return "", fail("sdjwt_malformed", "_sd_alg is not a string")
	}
	if !Hash(name).valid() {
		return "", fail("hash_unknown", "neither %s nor %s", SHA256, SM3)
	}
	return Hash(name), nil
}

// disclosure is a decoded disclosure.
type disclosure struct {
	member bool // it discloses an object's member, else an array's element
	name   string
	value  any
	height int  // levels of nesting in value
	marked bool // value has digests in it
	used   bool // its digest was found
}

// place is where a value is.
type place struct {
	within *place // the container; nil at the top
	name   string // in an object,
	index  int    // or in an array: its place there
	array  bool
	depth  int // the value's own, if it is a container
	inside int // the disclosure that holds it, or root
}

// member returns the place of a member of the object at p, element that of an
// element of the array there.
func (p *place) member(name string) place {
	return place{within: p, name: name, depth: p.depth + 1, inside: p.inside}
}

func (p *place) element(index int) place {
	return place{within: p, index: index, array: true, depth: p.depth + 1, inside: p.inside}
}

// pointer returns the place as a JSON pointer (RFC 6901).
func (p *place) pointer() string {
	switch {
	case p.within == nil:
		return ""
	case p.array:
		return p.within.pointer() + "/" + strconv.Itoa(p.index)
	}
	return p.within.pointer() + "/" + escape(p.name)
}

// resolver is one run of Resolve.
type resolver struct {
	limit       int
	out         *Resolved
	disclosures []disclosure
	byDigest    map[string]int
	unmatched   map[string]struct{} // digests that were found and have no disclosure
}

// read decodes the disclosures and computes their digests.
func (r *resolver) read(list []string) error {
	r.disclosures = make([]disclosure, len(list))
	r.byDigest = make(map[string]int, len(list))
	r.out.places = make([]place, len(list))
	size, longest := 0, 0
	for _, s := range list {
		size += encoding.DecodedLen(len(s))
		longest = max(longest, len(s))
	}
	ends := make([]int, len(list))
	var text, sums strings.Builder // one allocation each
	text.Grow(size)
	sums.Grow(digestLen * len(list))
	coded, decoded := make([]byte, 0, longest), make([]byte, 0, encoding.DecodedLen(longest))
	digests := newDigester(r.out.Hash)
	for i, s := range list {
		coded = append(coded[:0], s...)
		var err error
		decoded, err = encoding.AppendDecode(decoded[:0], coded)
		if err != nil || len(decoded) != encoding.DecodedLen(len(s)) { // it is shorter if line breaks were skipped
			return fail("disclosure_malformed", "disclosure %d is not base64url", i)
		}
		text.Write(decoded)
		ends[i] = text.Len()
		digest := digests.digest(coded)
		sums.Write(digest[:])
	}
	all := sums.String()
	for i := range list {
		digest := all[i*digestLen:][:digestLen]
		if _, ok := r.byDigest[digest]; ok {
			return fail("disclosure_duplicate", "disclosure %d", i)
		}
		r.byDigest[digest] = i
	}
	return r.decode(text.String(), ends)
}

// decode decodes the disclosures in text. ends has the end of each.
func (r *resolver) decode(text string, ends []int) error {
	from := 0
	var d *treeDecoder
	for i, end := range ends {
		s := text[from:end]
		from = end
		if r.disclosures[i].plain(s) {
			continue
		}
		if d == nil {
			d = newTreeDecoder([]byte(s), s, r.limit)
		} else {
			d.reset([]byte(s), s)
		}
		err := r.disclosures[i].decode(d)
		if err == nil {
			err = d.end()
		}
		if err != nil {
			e := d.explain(err, "disclosure_malformed")
			return fail(e.Reason, "disclosure %d: %w", i, e.Err)
		}
	}
	return nil
}

// plain reads a disclosure of the usual kind, whose value is a text, much faster than the
// decoder. It reads only disclosures without escapes and white space, and reports false for
// all others, good or bad.
func (x *disclosure) plain(s string) bool {
	s, ok := strings.CutPrefix(s, `["`)
	if !ok {
		return false
	}
	if s, ok = strings.CutSuffix(s, `"]`); !ok {
		return false
	}
	const between = `","`
	salt, s, ok := strings.Cut(s, between)
	if !ok || !plainText(salt) {
		return false
	}
	name, value, member := strings.Cut(s, between)
	if !member {
		name, value = "", name
	}
	if !plainText(name) || !plainText(value) || member && reserved(name) {
		return false
	}
	x.member, x.name, x.value = member, name, value
	return true
}

// plainText reports whether s needs no escapes as a JSON string.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.ValidString(s)
}

// decode reads the array [salt, name, value] or [salt, value] (RFC 9901
// sections 4.2.1 and 4.2.2).
func (x *disclosure) decode(d *treeDecoder) error {
	t, err := d.tokens.Next()
	if err != nil {
		return err
	}
	if t.Kind() != '[' {
		return errType
	}
	if t, err = d.tokens.Next(); err != nil {
		return err
	}
	if t.Kind() != '"' { // the salt may be any string
		return errType
	}
	if x.value, err = d.value(1); err != nil {
		return err
	}
	if d.tokens.PeekKind() != ']' {
		var ok bool
		if x.name, ok = x.value.(string); !ok {
			return errType
		}
		if reserved(x.name) {
			return errMisplaced
		}
		x.member = true
		if x.value, err = d.value(1); err != nil {
			return err
		}
	}
	x.height, x.marked = d.height, d.marked
	if t, err = d.tokens.Next(); err != nil {
		return err
	}
	if t.Kind() != ']' {
		return errType
	}
	return nil
}

// match returns the disclosure of a digest. A digest may stand in a token only once, whether
// it has a disclosure or not (RFC 9901 section 7.1, step 4).
func (r *resolver) match(digest string) (int, bool, error) {
	if i, ok := r.byDigest[digest]; ok {
		if r.disclosures[i].used {
			return 0, false, fail("digest_duplicate", "of disclosure %d", i)
		}
		r.disclosures[i].used = true
		return i, true, nil
	}
	if _, ok := r.unmatched[digest]; ok {
		return 0, false, fail("digest_duplicate", "of no disclosure")
	}
	if r.unmatched == nil {
		r.unmatched = make(map[string]struct{})
	}
	r.unmatched[digest] = struct{}{}
	r.out.Withheld++
	return 0, false, nil
}

// disclose returns the resolved value of disclosure i, which the caller puts at a place.
func (r *resolver) disclose(i int, at place) (any, error) {
	x := &r.disclosures[i]
	r.out.places[i] = at
	if at.depth+x.height-1 > r.limit {
		return nil, fail("sdjwt_depth", "at most %d levels", r.limit)
	}
	if !x.marked {
		return x.value, nil
	}
	at.inside = i
	return r.value(x.value, at)
}

// value resolves a value and returns the result. Its recursion is bounded: disclose checks the
// depth of disclosed values, and the decoder checked that of the rest.
func (r *resolver) value(v any, at place) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		within := at // a copy, because it is kept
		return r.object(v, &within)
	case []any:
		within := at
		return r.array(v, &within)
	}
	return v, nil
}

// object resolves an object and returns the result. It resolves the members that are there
// first, and then adds those that are disclosed.
func (r *resolver) object(m map[string]any, at *place) (map[string]any, error) {
	list, _ := m[nameDigests].(digests)
	delete(m, nameDigests)
	for name, v := range m {
		switch v.(type) {
		case map[string]any, []any:
			v, err := r.value(v, at.member(name))
			if err != nil {
				return nil, err
			}
			m[name] = v
		}
	}
	if len(m) == 0 && len(list) > 0 {
		m = make(map[string]any, len(list)) // room for all that may come
	}
	for _, digest := range list {
		i, ok, err := r.match(digest)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		x := &r.disclosures[i]
		if !x.member {
			return nil, fail("disclosure_malformed", "disclosure %d is of an array element, its digest of a member", i)
		}
		if _, ok := m[x.name]; ok {
			return nil, fail("claim_collision", "disclosure %d", i)
		}
		if m[x.name], err = r.disclose(i, at.member(x.name)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// array resolves an array in place and returns it without the withheld elements.
func (r *resolver) array(a []any, at *place) ([]any, error) {
	out := a[:0]
	for _, v := range a {
		digest, ok := v.(digestElement)
		if !ok {
			v, err := r.value(v, at.element(len(out)))
			if err != nil {
				return nil, err
			}
			out = append(out, v)
			continue
		}
		i, ok, err := r.match(string(digest))
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if r.disclosures[i].member {
			return nil, fail("disclosure_malformed", "disclosure %d is of a member, its digest of an array element", i)
		}
		v, err = r.disclose(i, at.element(len(out)))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// escape returns a name as it stands in a JSON pointer (RFC 6901 section 3).
func escape(name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.ReplaceAll(name, "~", "~0")
		name = strings.ReplaceAll(name, "/", "~1")
	}
	return name
}
