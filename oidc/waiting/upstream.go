package waiting

import (
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/upstream"
)

// Upstream says that a login at another provider led to no account here.
type Upstream struct {
	Provider string           `json:"provider"`
	Refused  identity.Reason  `json:"refused"`
	Person   *upstream.Person `json:"person,omitempty"` // who came, and may be linked to whoever logs in; nil: nobody
	Agreed   string           `json:"agreed,omitempty"` // the session in which somebody agreed to the link
	Language string           `json:"language,omitempty"`
}

// ChangeUpstream changes what is noted of a login elsewhere, if that is still there.
func ChangeUpstream(change func(u *Upstream)) func(k *Kept) {
	return func(k *Kept) {
		if k.Upstream != nil {
			u := *k.Upstream
			change(&u)
			k.Upstream = &u
		}
	}
}
