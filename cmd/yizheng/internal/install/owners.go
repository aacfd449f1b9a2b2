package install

import (
	"context"
	"errors"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// owners knows the participants that a list names.
type owners struct {
	in    *Installation
	known map[string]identity.Participant
}

// Owners returns what finds the participants that a list names, each once.
func (in *Installation) Owners() owners { return owners{in, map[string]identity.Participant{}} }

// Of returns a participant by its id, one without a name if there is none.
func (o owners) Of(ctx context.Context, id string) (identity.Participant, error) {
	if n, ok := o.known[id]; ok {
		return n, nil
	}
	n, err := o.in.Provider.Clients.Participant(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		n, err = identity.Participant{ID: id}, nil
	}
	if err == nil {
		o.known[id] = n
	}
	return n, err
}

// By returns a participant by its code, likewise.
func (o owners) By(ctx context.Context, code string) (identity.Participant, error) {
	if n, ok := o.known[code]; ok || code == "" {
		return n, nil
	}
	n, err := o.in.Provider.Clients.FindParticipant(ctx, party.USCC(code))
	if errors.Is(err, identity.ErrNotFound) {
		n, err = identity.Participant{USCC: party.USCC(code)}, nil
	}
	if err == nil {
		o.known[code] = n
	}
	return n, err
}
