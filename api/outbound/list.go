package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	listPatience = 30 * time.Second
	maxList      = 5 << 20 // bytes of a revocation list
)

// FetchList fetches a CA's revocation list; private: it may be on loopback or in a private network.
func FetchList(ctx context.Context, address string, private bool) ([]byte, error) {
	client := newClient(listPatience, private, nil)
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("making a request for a revocation list")
	}
	r.Header.Set("User-Agent", "yizheng")
	answer, err := do(client, r)
	if err != nil {
		return nil, fmt.Errorf("fetching a revocation list: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching a revocation list: status %d; redirects aren't followed", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxList+1))
	switch {
	case err != nil:
		return nil, errors.New("fetching a revocation list: it ended early, or took too long")
	case len(text) > maxList:
		return nil, fmt.Errorf("a revocation list has more than %d bytes", maxList)
	}
	return text, nil
}
