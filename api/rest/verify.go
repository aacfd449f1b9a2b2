package rest

import (
	"errors"
	"net/http"
	"net/netip"
	"reflect"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/verify"
	"yizheng.internal/signing/journal"
)

// Verification verifies licenses for everybody, through the API and on a page. Both count
// towards the same limits. Safe for concurrent use.
type Verification struct {
	verifier  *verify.Service
	addresses *limit.Rate
	turns     *limit.Turnstile
	address   func(*http.Request) netip.Addr
	verified  func(verdict string)
}

func (x *Verification) verifyEndpoints() []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/verify", ID: "verify", Tag: "Verification", Action: journal.ActionLicenseVerify, Summary: "Verify a license",
			Text: "Either a credential, whole or with fields withheld, or an identifier with the verification code printed on the license. " +
				"Open to everyone, limited per address. An unknown identifier and a wrong code get the same answer.",
			Public: true, In: reflect.TypeFor[VerifyRequest](), Most: call.LargeBody, Out: reflect.TypeFor[credential.Verification]()}, Serve: x.verify},
	}
}

// VerifyRequest is a credential, or an identifier with its verification code.
type VerifyRequest struct {
	Credential       string `json:"credential,omitempty" doc:"an SD-JWT VC of at most 128 KiB; or else the other two"`
	Identifier       string `json:"identifier,omitempty" doc:"电子证照标识, as printed on the license"`
	VerificationCode string `json:"verification_code,omitempty" doc:"查验码, as printed on the license; case, spaces and hyphens don't matter"`
	Audience         string `json:"audience,omitempty" doc:"with credential: your client id, for which the key binding must have been made; nonce must be given too"`
	Nonce            string `json:"nonce,omitempty" doc:"with credential: the nonce that you sent for this reading; audience must be given too"`
}

// verify is open to everyone: limited per address, and so many at a time.
func (x *Verification) verify(c *call.Call) error {
	if err := x.Limit(c.Request); err != nil {
		return err
	}
	var q VerifyRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	v, err := x.Verify(c.Request, q, c.Size())
	if err != nil {
		return err
	}
	c.Header().Set("Cache-Control", "no-store")
	return c.Reply(v)
}

// Limit counts a verification of an address, and refuses it if there
// were too many.
func (x *Verification) Limit(r *http.Request) error {
	if wait := x.addresses.WaitAddress(x.address(r), 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "rate_limited", "Too many verifications from your address. Try again in a while.", problem.Seconds(wait))
	}
	return nil
}

// Verify waits for a turn, and then answers a request to verify. size is how many bytes the
// request holds in memory while it waits.
func (x *Verification) Verify(r *http.Request, q VerifyRequest, size int) (v credential.Verification, err error) {
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
	leave, err := x.turns.Enter(r.Context(), size)
	if errors.Is(err, limit.ErrBusy) {
		err = problem.Later(http.StatusServiceUnavailable, "busy", "The service is busy. Try again in a few seconds.", problem.RetrySoon)
	}
	if err != nil {
		return v, err
	}
	defer leave()
	if byCredential {
		v = x.verifier.VerifyBound(r.Context(), q.Credential, credential.Binding{Audience: q.Audience, Nonce: q.Nonce})
	} else if v, err = x.verifier.VerifyIdentifier(r.Context(), q.Identifier, q.VerificationCode, limit.Networks(x.address(r))...); err != nil {
		return v, err
	}
	x.verified(string(v.Verdict))
	return v, nil
}
