package archive

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"yizheng.internal/storage/retention"
)

// Row reads a line of an archive: a row with exactly its log's columns, in their order.
func Row(table retention.Table, line []byte) (retention.Row, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("a line is no row in JSON")
	}
	row := make(retention.Row, 0, len(table.Columns()))
	for _, c := range table.Columns() {
		if c.Kind == retention.Form && !d.More() {
			row = append(row, retention.FirstForm)
			continue
		}
		name, err := d.Token()
		if err != nil || name != c.Name {
			return nil, fmt.Errorf("a line is no row of %s: it lacks %s where that should stand", table, c.Name)
		}
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("a line is no row of %s: %s has no value", table, c.Name)
		}
		v, err := value(c.Kind, t)
		if err != nil {
			return nil, fmt.Errorf("a line is no row of %s: %s is no %s", table, c.Name, c.Kind)
		}
		row = append(row, v)
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, fmt.Errorf("a line is no row of %s: it has more than its columns", table)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("a line is no row of %s: something stands behind it", table)
	}
	if p := row.Place(); p.Seq <= 0 || p.At.IsZero() {
		return nil, fmt.Errorf("a line is no row of %s: it has no place", table)
	}
	return row, nil
}

// value returns what a column holds.
func value(kind retention.Kind, t json.Token) (any, error) {
	number, isNumber := t.(json.Number)
	text, isText := t.(string)
	switch {
	case kind == retention.Number && isNumber:
		return number.Int64()
	case kind == retention.Form && isNumber:
		n, err := number.Int64()
		if n == retention.FirstForm {
			err = errors.New("it is written without")
		}
		return n, err
	case kind == retention.Text && isText:
		return text, nil
	case kind == retention.Time && isText:
		at, err := time.Parse(time.RFC3339Nano, text)
		if at = at.UTC(); err == nil && (at.Year() < 1 || at.Year() > 9999) {
			err = errors.New("no such year")
		}
		return at, err
	case kind == retention.Bytes && t == nil:
		return []byte(nil), nil
	case kind == retention.Bytes && isText:
		return base64.StdEncoding.Strict().DecodeString(text)
	}
	return nil, errors.New("another kind of value")
}
