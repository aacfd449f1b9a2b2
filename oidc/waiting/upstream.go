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
