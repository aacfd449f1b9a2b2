package api

import (
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
	byCredential := q.Credential != "" && q.Identifier == "" && q.VerificationCode == ""
	byCode := q.Credential == "" && q.Identifier != "" && q.VerificationCode != ""
	if !byCredential && !byCode {
		return refuse(http.StatusUnprocessableEntity, "verify_request", "Send either a credential, or an identifier with its verification_code.")
	}
	leave, err := s.verifying.enter(c.ctx(), c.size)
	if err != nil {
		return err
	}
	defer leave()
	var v license.Verification
	if byCredential {
		v = s.c.Registry.Verify(c.ctx(), q.Credential)
	} else if v, err = s.c.Registry.VerifyIdentifier(c.ctx(), q.Identifier, q.VerificationCode, addressPrefix(s.address(c.r))); err != nil {
		return err
	}
	s.metrics.verified.WithLabelValues(string(v.Verdict)).Inc()
	c.w.Header().Set("Cache-Control", "no-store")
	return c.reply(v)
}
