package journal

import (
	stdjson "encoding/json"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// This file is for reading events that were written before the present form. It never
// changes.

// firstOfProvider is the first form of the provider's events: members in the order of
// RFC 8785, without a version.
func (e Event) firstOfProvider() ([]byte, error) {
	return json.Marshal(struct {
		Action    Action `json:"action"`
		Actor     string `json:"actor"`
		At        string `json:"at"`
		Hash      string `json:"hash"` // the algorithm
		ID        string `json:"id"`
		Object    string `json:"object"`
		RequestID string `json:"request_id"`
		Result    string `json:"result"`
	}{e.Action, e.Actor.ID, e.At.UTC().Format("2006-01-02T15:04:05.000Z"), "sm3", e.ID, e.Subject, e.RequestID, e.Result}, jsontext.AllowInvalidUTF8(true))
}

// firstOfRegistry is the first form of the registry's events: what encoding/json made of
// these members, in this order.
func (e Event) firstOfRegistry(p Private) ([]byte, error) {
	text, err := stdjson.Marshal(struct {
		V           int               `json:"v"`
		ID          string            `json:"id"`
		At          time.Time         `json:"at"`
		Action      Action            `json:"action"`
		Client      string            `json:"client"`
		Participant string            `json:"participant"`
		RequestID   string            `json:"request_id"`
		License     string            `json:"license"`
		Version     int               `json:"version"`
		Result      string            `json:"result"`
		Detail      map[string]string `json:"detail"` // null for none
		Nonce       []byte            `json:"nonce"`
	}{1, e.ID, e.At.UTC(), e.Action, e.Actor.ID, e.Actor.Participant, e.RequestID, e.Subject, e.Version, e.Result, p.Detail, p.Nonce})
	if err != nil {
		return nil, fmt.Errorf("encoding event %s: %w", e.ID, err)
	}
	return text, nil
}
