package sdjwt

import (
	"crypto"
	"io"

	"yizheng.internal/signing/jose"
)

// PackOptions says how PackJSON works; its zero value is right for RFC 9901's
// mandatory algorithm without decoys.
type PackOptions struct {
	Hash   Hash      // default SHA256
	Decoys int       // decoy digests for every object and array that has selective parts; default 0
	Rand   io.Reader // default crypto/rand.Reader

	salt func() string // for the RFC's examples; default 128 bits from Rand
}

// Members is a JSON object. Each name may stand only once. Any order will do, but members in
// the order of their names needn't be sorted. It is for claims that are made anew for each
// token: building a map would cost more than packing it.
type Members []Member

// Member is a member of an object.
type Member struct {
	Name      string
	Value     any  // a *string is a text, too, and storing one here allocates nothing
	Selective bool // as if Value were in a [Selective]
}

// Packed is what an SD-JWT is signed from.
type Packed struct {
	Payload jose.Object

	coded []byte // all disclosures in base64url
	made  []span // of coded, in the order of the document
}

// span is a part of a text.
type span struct{ from, to int }

// Disclosures returns the disclosures, in the order of the document.
func (p *Packed) Disclosures() []string {
	all, list := string(p.coded), make([]string, len(p.made)) // dozens of parts of one string
	for i, s := range p.made {
		list[i] = all[s.from:s.to]
	}
	return list
}

// Issue signs the payload and appends the SD-JWT with all disclosures to dst.
// Errors are those of [jose.Sign].
func (p *Packed) Issue(dst []byte, s crypto.MessageSigner, h jose.Header) ([]byte, error) {
	token, err := jose.AppendSigned(dst, len(p.coded)+len(p.made)+1, s, h, p.Payload)
	if err != nil {
		return nil, err
	}
	token = append(token, '~')
	for _, s := range p.made {
		token = append(token, p.coded[s.from:s.to]...)
		token = append(token, '~')
	}
	return token, nil
}

// PackJSON turns claims into the payload of an SD-JWT and its disclosures, in
// the order of the document, names sorted, each before those inside it (RFC 9901
// section 4). The payload names the hash algorithm.
//
// Claims may hold [Selective] and [Members] at any depth of Members, and of maps
// and slices of any. Values of other types are marshalled as they are; one with
// a Selective inside is refused. Claims are not changed. The result is within the default
// [Limits] for depth and disclosures.
func PackJSON(claims Members, o PackOptions) (*Packed, error) {
	return new(Packer).Pack(claims, o)
}

// Packer packs one set of claims after another in the same memory. Its zero
// value is ready; it is not safe for concurrent use.
type Packer struct{ p packer }

// Pack is [PackJSON]. Its result is valid until it is called again.
func (p *Packer) Pack(claims Members, o PackOptions) (*Packed, error) { return p.p.pack(claims, o) }

// Pack is [PackJSON] for claims in a map. It returns the payload decoded, for callers that look
// into it: numbers are [Number], and the digests of an object []string.
func Pack(claims map[string]any, o PackOptions) (payload map[string]any, disclosures []string, err error) {
	packed, err := new(packer).pack(claims, o)
	if err != nil {
		return nil, nil, err
	}
	d := newTreeDecoder(packed.Payload, string(packed.Payload), defaultDepth)
	d.payload = true
	tree, err := d.value(1)
	if err != nil {
		return nil, nil, d.explain(err, "sdjwt_malformed")
	}
	payload, _ = plain(tree).(map[string]any)
	return payload, packed.Disclosures(), nil
}

// plain returns a decoded tree with its digests as they stand in JSON.
func plain(v any) any {
	switch v := v.(type) {
	case digests:
		return []string(v)
	case digestElement:
		return map[string]any{nameElement: string(v)}
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}
