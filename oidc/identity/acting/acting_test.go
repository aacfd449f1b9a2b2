package acting_test

import (
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/identitytest"
)

// The legal representative acts, appoints an administrator, who appoints an agent, who acts and is dismissed: over a
// moment later, on another node.
func TestOrganization(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		li, wang, zhao := w.someone(identitytest.LiCode), w.someone(wangCode), w.someone(zhaoCode)
		w.leads(identitytest.LiCode)
		head := w.as(li)
		if head.Kind != acting.LegalRepresentative || head.Proof.License != "license-1" || head.Principal.Codes[0].Code != noodles || !head.Consents {
			t.Fatalf("the legal representative acts as %+v", head)
		}
		if again := w.as(li); again.ID != head.ID {
			t.Error("a second choice stored a second representation")
		}
		w.appoints(li, head, acting.Administrator, wang)
		admin := w.as(wang)
		agent := w.appoints(wang, admin, acting.Agent, zhao)
		w.may("an agent", zhao, agent.ID, "")
		w.may("somebody else's", wang, agent.ID, acting.ReasonUnknown)
		elsewhere := w.node()
		if _, err := w.End(t.Context(), li, head, agent.ID); err != nil {
			t.Fatal(err)
		}
		_, err := elsewhere.Check(t.Context(), zhao, acting.Wanted{Act: acting.Apply}, agent.ID)
		identitytest.IsReason(t, "a moment later, on another node", err, string(acting.ReasonEnded))
		w.may("after it was ended", zhao, agent.ID, acting.ReasonEnded)
		w.leads(party.Code{})
		w.may("who was replaced", li, head.ID, acting.ReasonUnproved)
		time.Sleep(acting.Lapse - time.Second)
		w.may("an administrator, 30 days later", wang, admin.ID, "")
		time.Sleep(time.Second)
		w.may("an administrator, a second later", wang, admin.ID, acting.ReasonLapsed)
	})
}
