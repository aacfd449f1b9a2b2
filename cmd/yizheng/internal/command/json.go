package command

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// PrintJSON prints a value as one line.
func PrintJSON(w io.Writer, v any) error { return writeJSON(w, v) }

// PrintPretty prints a value as JSON for people.
func PrintPretty(w io.Writer, v any) error { return writeJSON(w, v, jsontext.WithIndent("  ")) }

// writeJSON prints the same value always as the same text.
func writeJSON(w io.Writer, v any, o ...json.Options) error {
	text, err := json.Marshal(v, append(o, json.Deterministic(true))...)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
