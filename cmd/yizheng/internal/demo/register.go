package demo

import (
	"context"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
)

// populationRegister is the demo's population register 人口库: it knows the sample
// people, and nobody else. It implements [identity.IdentityProofer].
type populationRegister struct{ people []samplePerson }

// Proof implements [identity.IdentityProofer]: name and number must be one
// person's. The phone is theirs if it is the one that they had in the samples.
func (r populationRegister) Proof(_ context.Context, c identity.Claim) (identity.Proofing, error) {
	for _, p := range r.people {
		if c.Code == p.code() && party.NameKey(c.Name) == party.NameKey(p.Name) {
			phone, err := identity.ReadPhone(p.Phone)
			return identity.Proofing{
				Level: 2, Method: "register_match", Source: "青禾市人口库（样例）", At: time.Now().UTC(), Phone: err == nil && phone == c.Phone,
				Present: p.Login == "", // whoever is new shows their face
			}, nil
		}
	}
	return identity.Proofing{}, &identity.Error{Reason: "not_matched", Detail: "the population register has nobody with this name and number"}
}
