package api

import (
	"context"
	"net/http"
	"time"

	"yizheng.internal/license"
)

// verify is open to everyone: limited per address, and so many at a time.
func (s *Server) verify(c *call) error {
	if wait := s.addresses.wait(s.address(c.r), time.Now()); wait > 0 {
		return &problem{Status: http.StatusTooManyRequests, Reason: "rate_limited",
			Detail: "Too many verifications from your address. Try again in a while.", retryAfter: int(wait/time.Second) + 1}
	}
	var q verifyRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	if (q.Credential == "") == (q.Identifier == "") || q.Credential != "" && q.VerificationCode != "" {
		return refuse(http.StatusUnprocessableEntity, "verify_request", "Send either a credential, or an identifier with its verification_code.")
	}
	leave, err := s.verifying.enter(c.ctx())
	if err != nil {
		return err
	}
	defer leave()
	var v license.Verification
	if q.Credential != "" {
		v = s.c.Registry.Verify(c.ctx(), q.Credential)
	} else if v, err = s.c.Registry.VerifyIdentifier(c.ctx(), q.Identifier, q.VerificationCode); err != nil {
		return err
	}
	s.metrics.verified.WithLabelValues(string(v.Verdict)).Inc()
	c.w.Header().Set("Cache-Control", "no-store")
	return c.reply(v)
}

// turnstile lets so many through at a time, and so many more wait.
type turnstile struct {
	inside, waiting chan struct{}
}

func newTurnstile(inside, waiting int) turnstile {
	return turnstile{make(chan struct{}, inside), make(chan struct{}, waiting)}
}

// maxWait is how long one waits at a turnstile.
const maxWait = 10 * time.Second

// enter returns how to leave again, or a refusal if there is no room.
func (t turnstile) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-t.inside }
	select {
	case t.inside <- struct{}{}:
		return leave, nil
	default:
	}
	busy := &problem{Status: http.StatusServiceUnavailable, Reason: "busy", Detail: "The service is busy. Try again in a few seconds.", retryAfter: 5}
	select {
	case t.waiting <- struct{}{}:
		defer func() { <-t.waiting }()
	default:
		return nil, busy
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case t.inside <- struct{}{}:
		return leave, nil
	case <-timeout.C:
		return nil, busy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
