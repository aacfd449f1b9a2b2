package factor

import "yizheng.internal/signing/journal"

// Upstream is a login at another provider, of which that told us. The account's authenticators of this
// factor say who the person is there; see yizheng.internal/oidc/identity/upstream.
const Upstream Name = "upstream"

// byUpstream counts as something that the person knows, of whatever strength the proof has: how much of what
// the other provider says is believed, the operator decided. RFC 8176 has no method for it; fed
// is what others write.
var byUpstream = Definition{
	Name: Upstream, Methods: []string{"fed"}, Kind: Known, Strength: oneFactor,
	Tries: map[journal.Action]string{journal.ActionLoginUpstream: "upstream"},
}
