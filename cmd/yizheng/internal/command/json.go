package command

import (
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// PrintJSON prints a value as one line.
func PrintJSON(w io.Writer, v any) error { return writeJSON(w, v) }

// PrintPretty prints a value as JSON for people.
func PrintPretty(w io.Writer, v any) error { return writeJSON(w, v, jsontext.WithIndent("  ")) }

// writeJSON prints the same value always as the same text.
func writeJSON(w io.Writer, v any, o ...json.Options) error {
	text, err := json.Marshal(v, append(o, json.Deterministic(true), timesInUTC())...)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// timesInUTC writes every time in the one form of RFC 3339 that ends in Z.
func timesInUTC() json.Options {
	return json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
		return e.WriteToken(jsontext.String(t.UTC().Format(time.RFC3339Nano)))
	}))
}
