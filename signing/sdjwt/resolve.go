package sdjwt

import (
	"bytes"
	"strconv"
	"strings"
)

// Resolved is the processed payload of an SD-JWT (RFC 9901 section 7.1).
type Resolved struct {
	// Claims are the claims in the clear and those disclosed, without digests
	// and _sd_alg: map[string]any, []any, string, [Number], bool and nil.
	Claims map[string]any
	// Disclosed tells where each disclosure of the token, in its order, went
	// in Claims, as a JSON pointer (RFC 6901).
	Disclosed []string
	// Withheld counts the digests without a disclosure. Decoys are among them:
	// nobody but the issuer can tell them apart.
	Withheld int
	// Hash is the algorithm of the digests, also of a key binding's sd_hash.
	Hash Hash

	inside []int // for each disclosure the one its digest is in, or root
}

// root stands for the payload where otherwise a disclosure is named.
const root = -1

// Resolve replaces the digests in the payload by the token's disclosures and
// returns the result. The payload is that of t.JWS, whose signature the caller
// has verified. Every rule of RFC 9901 section 7.1 is checked but those about
// signature, issuer and validity claims, which are the caller's; beyond them,
// reserved names are refused wherever they carry no digest. Errors: *Error.
func (t *Token) Resolve(payload []byte) (*Resolved, error) {
	limits := t.limits.withDefaults()
	if len(payload) > limits.Bytes {
		return nil, fail("sdjwt_too_large", "a payload of at most %d bytes", limits.Bytes)
	}
	if len(t.Disclosures) > limits.Disclosures {
		return nil, fail("sdjwt_too_large", "at most %d disclosures", limits.Disclosures)
	}
	d := newTreeDecoder(payload, limits.Depth)
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
	hash, err := hashOf(claims)
	if err != nil {
		return nil, err
	}
	delete(claims, nameHash)
	r := resolver{limit: limits.Depth, out: &Resolved{Hash: hash}}
	if err := r.read(t.Disclosures); err != nil {
		return nil, err
	}
	if err := r.object(claims, place{depth: 1, inside: root}); err != nil {
		return nil, err
	}
	for i := range r.disclosures {
		if !r.disclosures[i].used {
			return nil, fail("disclosure_unreferenced", "disclosure %d", i)
		}
	}
	r.out.Claims = claims
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

// disclosure is what a disclosure says.
type disclosure struct {
	member bool // it is of an object's member, else of an array's element
	name   string
	value  any
	height int  // levels of nesting in value
	marked bool // value has digests in it
	used   bool // its digest was met
}

// place is where a value is: a container's own.
type place struct {
	pointer string
	depth   int
	inside  int // the disclosure it came with, or root
}

// resolver is one run of Resolve.
type resolver struct {
	limit       int
	out         *Resolved
	disclosures []disclosure
	byDigest    map[string]int
	unmatched   map[string]struct{} // digests met that have no disclosure
}

// read decodes the disclosures and computes their digests. All are decoded in
// one run over one buffer: setting a decoder up costs more than a disclosure.
func (r *resolver) read(list []string) error {
	r.disclosures = make([]disclosure, len(list))
	r.byDigest = make(map[string]int, len(list))
	r.out.Disclosed = make([]string, len(list))
	r.out.inside = make([]int, len(list))
	size, longest := 0, 0
	for _, s := range list {
		size += encoding.DecodedLen(len(s)) + 1
		longest = max(longest, len(s))
	}
	text := make([]byte, 0, size)
	ends := make([]int, len(list))
	var sums strings.Builder
	sums.Grow(digestLen * len(list))
	coded := make([]byte, 0, longest)
	digests := newDigester(r.out.Hash)
	for i, s := range list {
		coded = append(coded[:0], s...)
		whole := len(text) + encoding.DecodedLen(len(s))
		var err error
		text, err = encoding.AppendDecode(text, coded)
		if err != nil || len(text) != whole { // shorter if line breaks were skipped
			return fail("disclosure_malformed", "disclosure %d is not base64url", i)
		}
		ends[i] = len(text)
		text = append(text, '\n')
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
	return r.decode(text, ends)
}

// decode decodes the disclosures in text, of which each ends at its own end.
func (r *resolver) decode(text []byte, ends []int) error {
	d := newTreeDecoder(text, r.limit)
	for i, end := range ends {
		d.height, d.marked = 0, false
		err := r.disclosures[i].decode(d)
		// One that reads on into the next is no JSON by itself; and behind
		// the array there may be white space alone.
		at := int(d.dec.InputOffset())
		if err == nil && (at > end || len(bytes.TrimLeft(text[at:end], " \t\r\n")) > 0) {
			err = errTrailing
		}
		if err != nil {
			e := d.explain(err, "disclosure_malformed")
			return fail(e.Reason, "disclosure %d, of all in one: %w", i, e.Err)
		}
	}
	return nil
}

// decode reads the array [salt, name, value] or [salt, value] (RFC 9901
// sections 4.2.1 and 4.2.2).
func (x *disclosure) decode(d *treeDecoder) error {
	t, err := d.next()
	if err != nil {
		return err
	}
	if t.Kind() != '[' {
		return errType
	}
	if t, err = d.next(); err != nil {
		return err
	}
	if t.Kind() != '"' { // the salt, of which nothing else matters
		return errType
	}
	if x.value, err = d.value(1); err != nil {
		return err
	}
	if d.dec.PeekKind() != ']' {
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
	if t, err = d.next(); err != nil {
		return err
	}
	if t.Kind() != ']' {
		return errType
	}
	return nil
}

// match returns the disclosure of a digest. A digest may be met only once,
// whether it has a disclosure or not (RFC 9901 section 7.1, step 4).
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

// disclose returns the value of disclosure i, resolved, to be put at a place.
func (r *resolver) disclose(i int, at place) (any, error) {
	x := &r.disclosures[i]
	r.out.Disclosed[i], r.out.inside[i] = at.pointer, at.inside
	if at.depth+x.height-1 > r.limit {
		return nil, fail("sdjwt_depth", "at most %d levels", r.limit)
	}
	if !x.marked {
		return x.value, nil
	}
	at.inside = i
	return r.value(x.value, at)
}

// value resolves a value and returns what it has become. Its recursion is
// bounded: disclose has checked the depth of what it lets in, and the decoder
// that of the rest.
func (r *resolver) value(v any, at place) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		return v, r.object(v, at)
	case []any:
		return r.array(v, at)
	}
	return v, nil
}

// object resolves an object in place: first what is there, then what is
// disclosed into it.
func (r *resolver) object(m map[string]any, at place) error {
	list, _ := m[nameDigests].(digests)
	delete(m, nameDigests)
	for name, v := range m {
		switch v.(type) {
		case map[string]any, []any:
			v, err := r.value(v, at.below(escape(name)))
			if err != nil {
				return err
			}
			m[name] = v
		}
	}
	for _, digest := range list {
		i, ok, err := r.match(digest)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		x := &r.disclosures[i]
		if !x.member {
			return fail("disclosure_malformed", "disclosure %d is of an array element, its digest of a member", i)
		}
		if _, ok := m[x.name]; ok {
			return fail("claim_collision", "disclosure %d", i)
		}
		if m[x.name], err = r.disclose(i, at.below(escape(x.name))); err != nil {
			return err
		}
	}
	return nil
}

// array resolves an array in place and returns it without what is withheld.
func (r *resolver) array(a []any, at place) ([]any, error) {
	out := a[:0]
	for _, v := range a {
		below := at.below(strconv.Itoa(len(out)))
		digest, ok := v.(digestElement)
		if !ok {
			v, err := r.value(v, below)
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
		v, err = r.disclose(i, below)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// below returns the place of a member or an element, its name escaped.
func (p place) below(name string) place {
	return place{pointer: p.pointer + "/" + name, depth: p.depth + 1, inside: p.inside}
}

// escape returns a name as it stands in a JSON pointer (RFC 6901 section 3).
func escape(name string) string {
	if strings.ContainsAny(name, "~/") {
		name = strings.ReplaceAll(name, "~", "~0")
		name = strings.ReplaceAll(name, "/", "~1")
	}
	return name
}
