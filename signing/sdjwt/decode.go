package sdjwt

import (
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/strictjson"
)

// digests are the contents of an "_sd" member, in a tree that a treeDecoder makes.
type digests []string

// digestElement is the digest in an array element {"...": digest}.
type digestElement string

var (
	errMisplaced = errors.New("digests where none may be")
	errType      = errors.New("not of the type it has to be")
	errTrailing  = errors.New("more than one JSON value")
	errDepth     = errors.New("nested too deeply")
)

// treeDecoder makes trees of map[string]any, []any, string, [Number], bool and
// nil from JSON, in which digests have types of their own. It refuses text that is nested too
// deep, duplicate names and invalid UTF-8.
type treeDecoder struct {
	tokens strictjson.Tokens
	limit  int

	payload bool // it is the payload, where _sd_alg may stand at the top
	height  int  // the greatest depth so far
	marked  bool // there are digests
}

// newTreeDecoder returns a decoder of data, whose text is source.
func newTreeDecoder(data []byte, source string, limit int) *treeDecoder {
	return &treeDecoder{tokens: strictjson.NewTokens(data, source), limit: limit}
}

// reset makes it a decoder of other data, with the same limit.
func (d *treeDecoder) reset(data []byte, source string) {
	d.tokens.Restart(data, source)
	d.height, d.marked = 0, false
}

// usualClaims is the initial capacity for claims.
const usualClaims = 24

// explain turns an error of the decoder into an *Error that says where the bad input is, but
// doesn't quote it.
func (d *treeDecoder) explain(err error, reason Reason) *Error {
	switch err {
	case errDepth:
		return fail("sdjwt_depth", "at most %d levels", d.limit)
	case errMisplaced, errType, errTrailing:
		return fail(reason, "%w, before byte %d", err, d.tokens.InputOffset())
	}
	return fail(reason, "not strict JSON after byte %d", d.tokens.InputOffset())
}

// end returns an error if anything but white space is left.
func (d *treeDecoder) end() error {
	if _, err := d.tokens.Next(); err != io.EOF {
		return errTrailing
	}
	return nil
}

// value reads the next value. If it is an object or array, it is at the given depth.
func (d *treeDecoder) value(depth int) (any, error) {
	t, err := d.tokens.Next()
	if err != nil {
		return nil, err
	}
	return d.rest(t, depth, false)
}

// rest reads the rest of the value that begins with t. An object that is an
// array's element may be a digest.
func (d *treeDecoder) rest(t jsontext.Token, depth int, inArray bool) (any, error) {
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return d.tokens.Content(t), nil
	case '0':
		return Number(t.String()), nil
	case '{', '[':
		if depth > d.limit {
			return nil, errDepth
		}
		d.height = max(d.height, depth)
		if t.Kind() == '[' {
			return d.array(depth)
		}
		return d.object(depth, inArray)
	}
	return nil, errType
}

// array reads an array's elements and its end.
func (d *treeDecoder) array(depth int) (any, error) {
	a := []any{}
	for {
		t, err := d.tokens.Next()
		if err != nil {
			return nil, err
		}
		if t.Kind() == ']' {
			return a, nil
		}
		v, err := d.rest(t, depth+1, true)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
}

// object reads an object's members and its end.
func (d *treeDecoder) object(depth int, inArray bool) (any, error) {
	var m map[string]any
	if depth == 1 && d.payload {
		m = make(map[string]any, usualClaims)
	} else {
		m = make(map[string]any)
	}
	for {
		t, err := d.tokens.Next()
		if err != nil {
			return nil, err
		}
		if t.Kind() == '}' {
			return m, nil
		}
		name := d.tokens.Content(t)
		var v any
		switch name {
		case nameElement:
			if !inArray || len(m) > 0 {
				return nil, errMisplaced
			}
			return d.element()
		case nameDigests:
			v, err = d.digests()
		case nameHash: // RFC 9901 section 4.1.1: nowhere but at the top
			if !d.payload || depth > 1 {
				return nil, errMisplaced
			}
			v, err = d.value(depth + 1)
		default:
			v, err = d.value(depth + 1)
		}
		if err != nil {
			return nil, err
		}
		m[name] = v
	}
}

// element reads the digest and the end of {"...": digest}, which may have no
// other member (RFC 9901 section 4.2.4.2).
func (d *treeDecoder) element() (digestElement, error) {
	d.marked = true
	digest, err := d.text()
	if err != nil {
		return "", err
	}
	t, err := d.tokens.Next()
	if err != nil {
		return "", err
	}
	if t.Kind() != '}' {
		return "", errMisplaced
	}
	return digestElement(digest), nil
}

// digests reads the value of an "_sd" member: an array of strings (RFC 9901
// section 4.2.4.1).
func (d *treeDecoder) digests() (digests, error) {
	d.marked = true
	t, err := d.tokens.Next()
	if err != nil {
		return nil, err
	}
	if t.Kind() != '[' {
		return nil, errType
	}
	var list digests
	for d.tokens.PeekKind() != ']' {
		digest, err := d.text()
		if err != nil {
			return nil, err
		}
		list = append(list, digest)
	}
	_, err = d.tokens.Next()
	return list, err
}

// text reads a string.
func (d *treeDecoder) text() (string, error) {
	t, err := d.tokens.Next()
	if err != nil {
		return "", err
	}
	if t.Kind() != '"' {
		return "", errType
	}
	return d.tokens.Content(t), nil
}
