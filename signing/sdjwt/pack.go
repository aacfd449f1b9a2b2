package sdjwt

import (
	"crypto/rand"
	"encoding/binary"
	stdjson "encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// PackOptions says how Pack works; its zero value is right for RFC 9901's
// mandatory algorithm without decoys.
type PackOptions struct {
	Hash   Hash      // default SHA256
	Decoys int       // decoy digests for every object and array that has selective parts; default 0
	Rand   io.Reader // default crypto/rand.Reader

	salt func() string // for the RFC's examples; default 128 bits from Rand
}

const (
	saltSize = 16 // bytes: the 128 bits that RFC 9901 section 9.3 recommends
	saltLen  = (saltSize*8 + 5) / 6
	// poolSize is how much randomness is read at a time: enough for the salts
	// of most licenses, since each read is a system call.
	poolSize = 32 * saltSize
)

// Pack turns claims into the payload of an SD-JWT and its disclosures, in the
// order of the document, names sorted, each before those inside it (RFC 9901
// section 4). The payload names the hash algorithm and marshals to JSON.
//
// Claims may hold [Selective] at any depth of maps and slices of any. Values of
// other types are marshalled as they are; one with a Selective inside is
// refused. Claims are not changed, but the payload may share parts of them.
// What Pack makes is within the default [Limits] for depth and disclosures.
func Pack(claims map[string]any, o PackOptions) (payload map[string]any, disclosures []string, err error) {
	payload, p, err := pack(claims, o)
	if err != nil {
		return nil, nil, err
	}
	return payload, p.disclosures, nil
}

// PackJSON is [Pack] for a payload that is to be signed at once: it returns it
// as JSON, names sorted.
func PackJSON(claims map[string]any, o PackOptions) (payload jsontext.Value, disclosures []string, err error) {
	tree, p, err := pack(claims, o)
	if err != nil {
		return nil, nil, err
	}
	if payload, err = p.appendJSON(make([]byte, 0, 2048), tree); err != nil {
		return nil, nil, err
	}
	return payload, p.disclosures, nil
}

// pack makes the payload and, in the packer, the disclosures.
func pack(claims map[string]any, o PackOptions) (map[string]any, *packer, error) {
	p := &packer{
		PackOptions: o,
		disclosures: make([]string, 0, 32),
		text:        make([]byte, 0, 512),
		coded:       make([]byte, 0, 512),
		names:       make([]string, 0, 32),
	}
	if p.Hash == "" {
		p.Hash = SHA256
	}
	if !p.Hash.valid() {
		return nil, nil, fail("hash_unknown", "packing claims")
	}
	if p.Decoys < 0 || p.Decoys > defaultDisclosures {
		return nil, nil, fail("sdjwt_too_large", "between 0 and %d decoys", defaultDisclosures)
	}
	if p.Rand == nil {
		p.Rand = rand.Reader
	}
	p.digests = newDigester(p.Hash)
	p.made.Grow(4096)
	payload, err := p.object(claims, 1)
	if err != nil {
		return nil, nil, err
	}
	payload[nameHash] = string(p.Hash)
	return payload, p, nil
}

// packer is one run of Pack.
type packer struct {
	PackOptions
	disclosures []string
	digests     *digester
	made        strings.Builder // what disclosures and digests are parts of
	pool        []byte          // randomness not used yet
	text, coded []byte          // scratch: a disclosure as JSON and in base64url
	names       []string        // scratch: the sorted names of objects under way
}

// keep returns b as a string. All lie in a few blocks of memory, since a
// license has dozens of them.
func (p *packer) keep(b []byte) string {
	from := p.made.Len()
	p.made.Write(b)
	return p.made.String()[from:]
}

// value returns v with everything selective in it replaced by digests. It
// stands at the given depth.
func (p *packer) value(v any, depth int) (any, error) {
	switch x := v.(type) {
	case nil, bool, int, int64, int32, uint32:
		return v, nil
	case string:
		if !utf8.ValidString(x) {
			return nil, fail("claim_malformed", "a string is not UTF-8")
		}
		return v, nil // not x, which would be allocated again
	case map[string]any:
		return p.object(x, depth)
	case []any:
		return p.array(x, depth)
	case Selective:
		return nil, fail("claim_malformed", "a selective value directly inside another")
	case stdjson.Number: // a kind of string to json/v2, which would quote it
		return p.foreign(Number(x), depth)
	}
	return p.foreign(v, depth)
}

// foreign returns a value of a type of its own as JSON, checked like the rest.
func (p *packer) foreign(v any, depth int) (jsontext.Value, error) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil { // which may quote the claim, so it is not passed on
		return nil, fail("claim_malformed", "a value of type %T has no JSON form", v)
	}
	d := newTreeDecoder(raw, defaultDepth-depth+1)
	if _, err := d.value(1); err != nil {
		if err != errMisplaced {
			return nil, d.explain(err, "claim_malformed")
		}
		d.marked = true
	}
	if d.marked {
		return nil, fail("claim_reserved", "in a value of type %T", v)
	}
	return raw, nil
}

// object returns m with its selective members replaced by a sorted list of
// digests. Sorting hides their order (RFC 9901 section 4.2.4.1) and mixes in
// the decoys.
func (p *packer) object(m map[string]any, depth int) (map[string]any, error) {
	if depth > defaultDepth {
		return nil, fail("sdjwt_depth", "at most %d levels", defaultDepth)
	}
	names := p.sorted(m)
	defer p.done(names)
	plain := 0
	for _, v := range m {
		if _, ok := v.(Selective); !ok {
			plain++
		}
	}
	out := make(map[string]any, plain+1)
	var digests []string
	for _, name := range names {
		if reserved(name) {
			return nil, fail("claim_reserved", "at depth %d", depth)
		}
		if !utf8.ValidString(name) {
			return nil, fail("claim_malformed", "a name is not UTF-8")
		}
		v := m[name]
		s, ok := v.(Selective)
		if !ok {
			v, err := p.value(v, depth+1)
			if err != nil {
				return nil, err
			}
			out[name] = v
			continue
		}
		digest, err := p.disclose(true, name, s.Value, depth+1)
		if err != nil {
			return nil, err
		}
		if digests == nil {
			digests = make([]string, 0, len(m)-plain+p.Decoys)
		}
		digests = append(digests, digest)
	}
	if digests == nil {
		return out, nil
	}
	for range p.Decoys {
		digest, err := p.decoy()
		if err != nil {
			return nil, err
		}
		digests = append(digests, digest)
	}
	slices.Sort(digests)
	out[nameDigests] = digests
	return out, nil
}

// array returns a with its selective elements replaced by their digests, in
// place, and decoys at random places between them (RFC 9901 section 4.2.4.2).
func (p *packer) array(a []any, depth int) ([]any, error) {
	if depth > defaultDepth {
		return nil, fail("sdjwt_depth", "at most %d levels", defaultDepth)
	}
	out := make([]any, len(a))
	selective := false
	for i, v := range a {
		s, ok := v.(Selective)
		if !ok {
			v, err := p.value(v, depth+1)
			if err != nil {
				return nil, err
			}
			out[i] = v
			continue
		}
		digest, err := p.disclose(false, "", s.Value, depth+1)
		if err != nil {
			return nil, err
		}
		out[i], selective = element(digest), true
	}
	if !selective {
		return out, nil
	}
	for range p.Decoys {
		digest, err := p.decoy()
		if err != nil {
			return nil, err
		}
		where, err := p.random(8)
		if err != nil {
			return nil, err
		}
		i := binary.LittleEndian.Uint64(where) % uint64(len(out)+1)
		out = slices.Insert(out, int(i), any(element(digest)))
	}
	return out, nil
}

// element returns what stands in an array for a withheld element.
func element(digest string) map[string]any { return map[string]any{nameElement: digest} }

// disclose adds the disclosure of a member, or else of an array element, and
// returns its digest (RFC 9901 sections 4.2.1 to 4.2.3).
func (p *packer) disclose(member bool, name string, v any, depth int) (string, error) {
	place := len(p.disclosures)
	if place == defaultDisclosures {
		return "", fail("sdjwt_too_large", "at most %d disclosures", defaultDisclosures)
	}
	p.disclosures = append(p.disclosures, "")
	v, err := p.value(v, depth) // what is inside has its digests first
	if err != nil {
		return "", err
	}
	text := append(p.text[:0], `["`...)
	if p.salt != nil {
		text = append(text, p.salt()...)
	} else {
		salt, err := p.random(saltSize)
		if err != nil {
			return "", err
		}
		text = encoding.AppendEncode(text, salt)
	}
	text = append(text, `",`...)
	if member {
		if text, err = jsontext.AppendQuote(text, name); err != nil {
			return "", fail("claim_malformed", "a name is not UTF-8")
		}
		text = append(text, ',')
	}
	if text, err = p.appendJSON(text, v); err != nil {
		return "", err
	}
	p.text = append(text, ']')
	p.coded = encoding.AppendEncode(p.coded[:0], p.text)
	p.disclosures[place] = p.keep(p.coded)
	return p.keep(p.digests.of(p.coded)), nil
}

// decoy returns a digest of nothing but randomness (RFC 9901 section 4.2.5).
func (p *packer) decoy() (string, error) {
	random, err := p.random(hashSize)
	if err != nil {
		return "", err
	}
	return p.keep(p.digests.of(random)), nil
}

// random returns n ≤ poolSize random bytes, valid until it is called again.
func (p *packer) random(n int) ([]byte, error) {
	if len(p.pool) < n {
		pool := make([]byte, poolSize)
		if _, err := io.ReadFull(p.Rand, pool); err != nil {
			return nil, err
		}
		p.pool = pool
	}
	out := p.pool[:n]
	p.pool = p.pool[n:]
	return out, nil
}

// sorted returns m's names in order. They lie in scratch space until done.
func (p *packer) sorted(m map[string]any) []string {
	before := len(p.names)
	for name := range m {
		p.names = append(p.names, name)
	}
	names := p.names[before:]
	slices.Sort(names)
	return names
}

// done gives back the names that sorted returned last.
func (p *packer) done(names []string) { p.names = p.names[:len(p.names)-len(names)] }

// appendJSON appends a value that packer.value returned, as JSON. The encoder
// of json/v2 would do, at four times the cost for values as small as these.
func (p *packer) appendJSON(dst []byte, v any) (_ []byte, err error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint32:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case string:
		return jsontext.AppendQuote(dst, v)
	case jsontext.Value:
		return append(dst, v...), nil
	case []string: // digests
		return appendList(dst, v, jsontext.AppendQuote[string])
	case []any:
		return appendList(dst, v, p.appendJSON)
	case map[string]any:
		names := p.sorted(v)
		defer p.done(names)
		dst = append(dst, '{')
		for i, name := range names {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = jsontext.AppendQuote(dst, name); err != nil {
				return nil, err
			}
			if dst, err = p.appendJSON(append(dst, ':'), v[name]); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	return nil, fail("claim_malformed", "a value of type %T", v)
}

// appendList appends a JSON array whose elements one appends.
func appendList[T any](dst []byte, list []T, one func([]byte, T) ([]byte, error)) (_ []byte, err error) {
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = one(dst, v); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}
