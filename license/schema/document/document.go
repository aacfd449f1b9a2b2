// Package document reads JSON documents from outside. It is strict, so that each document has one meaning, and
// limits size, depth and count. Schemas and face fields 照面信息 are such documents. For face fields of the usual
// kind there is a faster way, ReadPlain.
package document

import (
	"errors"

	"yizheng.internal/signing/sdjwt"
)

// Limits are how large a document may be.
type Limits struct {
	Bytes  int
	Depth  int // of nested objects and arrays
	Values int // of any kind
}

// Why a document isn't read.
var (
	ErrSyntax = errors.New("not one strict JSON document") // duplicate names, invalid UTF-8 and trailing data too
	ErrSize   = errors.New("has too many bytes")
	ErrDepth  = errors.New("is nested too deep")
	ErrCount  = errors.New("has too many values")
)

// Read decodes a document: map[string]any, []any, string, bool, nil, and
// [encoding/json.Number] for numbers. Errors: ErrSyntax, ErrSize, ErrDepth, ErrCount.
func Read(raw []byte, l Limits) (any, error) {
	v, _, err := ReadOrdered(raw, l, "")
	return v, err
}

// ReadOrdered is Read, and also returns the member names of the object at a JSON Pointer (RFC 6901), in the order
// in which they stand there. With an empty pointer it returns no names.
func ReadOrdered(raw []byte, l Limits, at string) (v any, order []string, err error) {
	if len(raw) > l.Bytes {
		return nil, nil, ErrSize
	}
	d := newDecoder(raw, l, at)
	if v, err = d.document(); err != nil {
		return nil, nil, err
	}
	return v, d.order, nil
}

// ReadPlain reads an object of texts without escapes, whole numbers and truth values, at a fraction of Read's
// cost. It returns false for every other document, valid or not. Members are sorted by name and selective; texts
// are *string, numbers [encoding/json.Number].
func ReadPlain(raw []byte, l Limits) (sdjwt.Members, bool) {
	if len(raw) > l.Bytes {
		return nil, false
	}
	return readPlain(string(raw), l.Values)
}
