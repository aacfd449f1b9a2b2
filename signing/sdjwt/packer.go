package sdjwt

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	stdjson "encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	saltSize = 16 // bytes: the 128 bits that RFC 9901 section 9.3 recommends
	// poolSize is how much randomness is read at a time, as each read is a system call. It is
	// enough for the salts of most licenses.
	poolSize = 32 * saltSize
)

// packer runs pack, once or several times. It writes the payload into out. Each disclosure is
// written behind the part of the payload that is done, hashed, and then overwritten.
type packer struct {
	PackOptions
	digester *digester
	out      []byte // JSON
	coded    []byte // as in Packed
	made     []span
	digests  [][digestLen]byte // of members of objects under way, the inmost last
	random   [poolSize]byte    // read at once
	unused   []byte            // of random
	own      bool              // random comes from the caller's reader
}

// pack packs claims, Members or a map.
func (p *packer) pack(claims any, o PackOptions) (*Packed, error) {
	if o.Hash == "" {
		o.Hash = SHA256
	}
	if !o.Hash.valid() {
		return nil, fail("hash_unknown", "packing claims")
	}
	if o.Decoys < 0 || o.Decoys > defaultDisclosures {
		return nil, fail(ReasonTooLarge, "between 0 and %d decoys", defaultDisclosures)
	}
	own := o.Rand != nil
	if own || p.own {
		p.unused = nil // it came from another reader
	}
	if p.own = own; !own {
		o.Rand = rand.Reader
	}
	if p.digester == nil || p.Hash != o.Hash {
		p.digester = newDigester(o.Hash)
	}
	p.PackOptions = o
	// This is enough for most licenses. A later run overwrites it.
	p.out = slices.Grow(p.out[:0], 2048)
	p.coded = slices.Grow(p.coded[:0], 4096)
	p.made = slices.Grow(p.made[:0], 32)
	p.digests = slices.Grow(p.digests[:0], 32)
	if err := p.value(claims, 1); err != nil {
		return nil, err
	}
	return &Packed{p.out, p.coded, p.made}, nil
}

// value appends v, in which digests replace everything selective. v is at the given depth.
func (p *packer) value(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		p.out = append(p.out, "null"...)
	case bool:
		p.out = strconv.AppendBool(p.out, v)
	case int:
		p.out = strconv.AppendInt(p.out, int64(v), 10)
	case int64:
		p.out = strconv.AppendInt(p.out, v, 10)
	case string:
		return p.quote(v)
	case *string:
		return p.quote(*v)
	case Members:
		return p.object(v, depth)
	case map[string]any:
		members := make(Members, 0, len(v))
		for name, value := range v {
			s, selective := value.(Selective)
			if selective {
				value = s.Value
			}
			members = append(members, Member{name, value, selective})
		}
		return p.object(members, depth)
	case []any:
		return p.array(v, depth)
	case Selective:
		return fail("claim_malformed", "a selective value directly inside another")
	case stdjson.Number: // json/v2 would quote it like a string
		return p.foreign(Number(v), depth)
	default:
		return p.foreign(v, depth)
	}
	return nil
}

// quote appends a string.
func (p *packer) quote(s string) (err error) {
	if plainText(s) { // nearly all are
		p.out = append(p.out, '"')
		p.out = append(p.out, s...)
		p.out = append(p.out, '"')
		return nil
	}
	if p.out, err = jsontext.AppendQuote(p.out, s); err != nil {
		return fail("claim_malformed", "a string or name is not UTF-8")
	}
	return nil
}

// foreign appends a value of another type, and checks it like the rest.
func (p *packer) foreign(v any, depth int) error {
	raw, err := json.Marshal(v, json.Deterministic(true))
	if err != nil { // it may quote the claim, so it is not returned
		return fail("claim_malformed", "a value of type %T has no JSON form", v)
	}
	d := newTreeDecoder(raw, string(raw), defaultDepth-depth+1)
	if _, err := d.value(1); err != nil {
		if err != errMisplaced {
			return d.explain(err, "claim_malformed")
		}
		d.marked = true
	}
	if d.marked {
		return fail("claim_reserved", "in a value of type %T", v)
	}
	p.out = append(p.out, raw...)
	return nil
}

// object appends an object with its selective members replaced by a sorted list
// of digests. Sorting hides their order (RFC 9901 section 4.2.4.1) and mixes in
// the decoys.
func (p *packer) object(members Members, depth int) error {
	if depth > defaultDepth {
		return fail("sdjwt_depth", "at most %d levels", defaultDepth)
	}
	outer := len(p.digests)
	if byName := (func(a, b Member) int { return strings.Compare(a.Name, b.Name) }); !slices.IsSortedFunc(members, byName) {
		members = slices.SortedFunc(slices.Values(members), byName)
	}
	p.out = append(p.out, '{')
	for i, m := range members {
		switch {
		case reserved(m.Name):
			return fail("claim_reserved", "at depth %d", depth)
		case i > 0 && m.Name == members[i-1].Name:
			return fail("claim_malformed", "a name stands twice")
		case m.Selective:
			digest, err := p.disclose(true, m.Name, m.Value, depth+1)
			if err != nil {
				return err
			}
			p.digests = append(p.digests, digest)
			continue
		}
		p.comma()
		if err := p.quote(m.Name); err != nil {
			return err
		}
		p.out = append(p.out, ':')
		if err := p.value(m.Value, depth+1); err != nil {
			return err
		}
	}
	if len(p.digests) > outer {
		if err := p.list(outer); err != nil {
			return err
		}
	}
	if depth == 1 { // the payload (RFC 9901 section 4.1.1)
		p.comma()
		p.out = append(p.out, `"`+nameHash+`":"`+p.Hash+`"`...)
	}
	p.out = append(p.out, '}')
	return nil
}

// list appends the member _sd, which has the digests from the given one on and decoys. It
// removes the digests from p.digests.
func (p *packer) list(from int) error {
	for range p.Decoys {
		digest, err := p.decoy()
		if err != nil {
			return err
		}
		p.digests = append(p.digests, digest)
	}
	digests := p.digests[from:]
	slices.SortFunc(digests, func(a, b [digestLen]byte) int { return bytes.Compare(a[:], b[:]) })
	p.comma()
	p.out = append(p.out, `"`+nameDigests+`":[`...)
	for i := range digests {
		p.comma()
		p.out = append(p.out, '"')
		p.out = append(p.out, digests[i][:]...)
		p.out = append(p.out, '"')
	}
	p.out = append(p.out, ']')
	p.digests = p.digests[:from]
	return nil
}

// comma appends a comma unless the next value is the first in its object or array.
func (p *packer) comma() {
	if last := p.out[len(p.out)-1]; last != '{' && last != '[' {
		p.out = append(p.out, ',')
	}
}

// array appends a, in which digests replace the selective elements, with decoys at random
// places between them (RFC 9901 section 4.2.4.2).
func (p *packer) array(a []any, depth int) error {
	selective := slices.ContainsFunc(a, func(v any) bool { _, ok := v.(Selective); return ok })
	if depth > defaultDepth || selective && depth == defaultDepth { // a digest's object is another level
		return fail("sdjwt_depth", "at most %d levels", defaultDepth)
	}
	decoys := 0
	if selective {
		decoys = p.Decoys
	}
	p.out = append(p.out, '[')
	for len(a) > 0 || decoys > 0 {
		p.comma()
		decoy, err := p.draw(decoys, decoys+len(a))
		if err != nil {
			return err
		}
		if decoy {
			digest, err := p.decoy()
			if err != nil {
				return err
			}
			p.element(digest)
			decoys--
			continue
		}
		v := a[0]
		a = a[1:]
		s, ok := v.(Selective)
		if !ok {
			if err := p.value(v, depth+1); err != nil {
				return err
			}
			continue
		}
		digest, err := p.disclose(false, "", s.Value, depth+1)
		if err != nil {
			return err
		}
		p.element(digest)
	}
	p.out = append(p.out, ']')
	return nil
}

// element appends the object that takes the place of a withheld array element.
func (p *packer) element(digest [digestLen]byte) {
	p.out = append(p.out, `{"`+nameElement+`":"`...)
	p.out = append(p.out, digest[:]...)
	p.out = append(p.out, `"}`...)
}

// disclose adds the disclosure of a member or array element, and returns its digest (RFC 9901
// sections 4.2.1 to 4.2.3).
func (p *packer) disclose(member bool, name string, v any, depth int) (digest [digestLen]byte, err error) {
	place := len(p.made)
	if place == defaultDisclosures {
		return digest, fail(ReasonTooLarge, "at most %d disclosures", defaultDisclosures)
	}
	p.made = append(p.made, span{})
	begin := len(p.out)
	p.out = append(p.out, `["`...)
	if p.salt != nil {
		p.out = append(p.out, p.salt()...)
	} else {
		salt, err := p.take(saltSize)
		if err != nil {
			return digest, err
		}
		p.out = encoding.AppendEncode(p.out, salt)
	}
	p.out = append(p.out, `",`...)
	if member {
		if err := p.quote(name); err != nil {
			return digest, err
		}
		p.out = append(p.out, ',')
	}
	if err := p.value(v, depth); err != nil { // with the disclosures inside
		return digest, err
	}
	p.out = append(p.out, ']')
	from := len(p.coded)
	p.coded = encoding.AppendEncode(p.coded, p.out[begin:])
	p.out = p.out[:begin]
	p.made[place] = span{from, len(p.coded)}
	return p.digester.digest(p.coded[from:]), nil
}

// decoy returns the digest of random bytes (RFC 9901 section 4.2.5).
func (p *packer) decoy() (digest [digestLen]byte, err error) {
	random, err := p.take(hashSize)
	if err != nil {
		return digest, err
	}
	return p.digester.digest(random), nil
}

// draw returns true with probability k/n.
func (p *packer) draw(k, n int) (bool, error) {
	if k == 0 {
		return false, nil
	}
	random, err := p.take(8)
	if err != nil {
		return false, err
	}
	return binary.LittleEndian.Uint64(random)%uint64(n) < uint64(k), nil
}

// take returns n ≤ poolSize random bytes, valid until it is called again.
func (p *packer) take(n int) ([]byte, error) {
	if len(p.unused) < n {
		if _, err := io.ReadFull(p.Rand, p.random[:]); err != nil {
			return nil, err
		}
		p.unused = p.random[:]
	}
	out := p.unused[:n]
	p.unused = p.unused[n:]
	return out, nil
}
