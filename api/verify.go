package api

import (
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/credential"
)

// verify is open to everyone: limited per address, and so many at a time.
func (s *Server) verify(c *call) error {
	if err := s.limitVerifying(c.r); err != nil {
		return err
	}
	var q verifyRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	v, err := s.verification(c.r, q, c.size)
	if err != nil {
		return err
	}
	c.w.Header().Set("Cache-Control", "no-store")
	return c.reply(v)
}

// limitVerifying counts a verification of an address, and refuses it if there
// were too many.
func (s *Server) limitVerifying(r *http.Request) error {
	if wait := s.addresses.WaitAddress(s.address(r), 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "rate_limited", "Too many verifications from your address. Try again in a while.", int(wait/time.Second)+1)
	}
	return nil
}

// verification answers a request to verify, when its turn comes. The size is
// that of what it holds meanwhile, in bytes.
func (s *Server) verification(r *http.Request, q verifyRequest, size int) (v credential.Verification, err error) {
	byCredential := q.Credential != "" && q.Identifier == "" && q.VerificationCode == ""
	byCode := q.Credential == "" && q.Identifier != "" && q.VerificationCode != ""
	if !byCredential && !byCode {
		return v, problem.Refuse(http.StatusUnprocessableEntity, "verify_request", "Send either a credential, or an identifier with its verification_code.")
	}
	if q.Audience != "" || q.Nonce != "" {
		if !byCredential || q.Audience == "" || q.Nonce == "" {
			return v, problem.Refuse(http.StatusUnprocessableEntity, "verify_binding", "Send audience and nonce together, and with a credential.")
		}
	}
	leave, err := s.verifying.Enter(r.Context(), size)
	if errors.Is(err, limit.ErrBusy) {
		err = problem.Later(http.StatusServiceUnavailable, "busy", "The service is busy. Try again in a few seconds.", problem.RetrySoon)
	}
	if err != nil {
		return v, err
	}
	defer leave()
	if byCredential {
		v = s.c.Registry.VerifyBound(r.Context(), q.Credential, credential.Binding{Audience: q.Audience, Nonce: q.Nonce})
	} else if v, err = s.c.Registry.VerifyIdentifier(r.Context(), q.Identifier, q.VerificationCode, limit.Networks(s.address(r))...); err != nil {
		return v, err
	}
	s.metrics.verified.WithLabelValues(string(v.Verdict)).Inc()
	return v, nil
}
