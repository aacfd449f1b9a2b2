package attacks

import (
	"context"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/storage/storagetest/suite"
)

// postColumns are what changes of a post.
const postColumns = "party, roles, state, revision, body, updated, auth"

// appointed has the victim become an administrator.
func appointed(t *testing.T, v *victims) {
	cli := func(name string) officer.Caller { return officer.Caller{Actor: "cli:" + name, Operator: true} }
	p, err := v.people.Officers.Appoint(t.Context(), cli("one"), officer.Appointment{
		Participant: v.client.Participant, Name: "样例甲", Code: party.Code{Type: party.Citizen, Value: "11010519491231002X"},
		StaffNumber: "A-001", Division: "审批一处", Roles: []officer.Role{officer.Administrator},
	})
	suite.Must(t, "proposing a post", err)
	p, err = v.people.Officers.Approve(t.Context(), cli("two"), p.ID)
	suite.Must(t, "approving it", err)
	v.post, err = v.people.Officers.Accept(t.Context(), officer.Caller{Actor: v.account.ID, Party: v.account.Party, Assurance: 2}, p.ID, p.Revision)
	suite.Must(t, "accepting it", err)
}

func ofPost(v *victims) string { return v.post.ID }

// readPost fails if the victim's post can't be read; that it ended is no failure.
func readPost(ctx context.Context, v *victims) error {
	_, err := officer.Authentic(v.Provider, v.in.Keyrings().Auth()).LoadPost(ctx, v.post.ID)
	return err
}

func dismissed(t *testing.T, v *victims) {
	_, err := v.people.Officers.Dismiss(t.Context(), officer.Caller{Actor: "cli:one", Operator: true}, v.post.ID)
	suite.Must(t, "dismissing", err)
}
