package api

import (
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
)

// A client doesn't make another person of somebody whose level it couldn't have given: their name and
// numbers stay, so that no high level goes over to another identity.
func TestAttackCarryLevel(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	x.change(t, x.portal, mine, "name", `"1"`, nameBody("张新样例")).want(t, 200, "")
	operator := registrar.Caller{Actor: "cli", Operator: true}
	_, err := x.people.Registrar.SetLevel(t.Context(), operator, registrar.Target{Account: mine}, 3, "人证核验")
	mustOf(t)(err)
	x.change(t, x.portal, mine, "name", `"3"`, nameBody("李样例")).want(t, 403, "level_too_high")
	x.change(t, x.portal, mine, "codes", `"3"`, codeBody("414", "E00000001")).want(t, 403, "level_too_high")
	x.change(t, x.portal, mine, "codes/end", `"3"`, object{
		"code": object{"type": "111", "value": portalPerson}, "until": party.DateOf(time.Now().AddDate(0, 0, -2)).String(), "evidence": "样例",
	}).want(t, 403, "level_too_high")
	// Nor does it lower, close or disable them.
	x.change(t, x.portal, mine, "level", `"3"`, object{"level": 1, "evidence": "样例"}).want(t, 403, "level_too_high")
	x.change(t, x.portal, mine, "close", `"3"`, object{"kind": "closed", "on": party.DateOf(time.Now()).String(), "evidence": "样例"}).want(t, 403, "level_too_high")
	x.change(t, x.portal, mine, "disable", `"3"`, nil).want(t, 403, "level_too_high")
	if a, err := x.people.Account(t.Context(), mine); err != nil || a.Revision != 3 || a.Proofing.Level != 3 {
		t.Errorf("the account is %+v, %v", a, err)
	}
}

// A citizen's number finds licenses, so a client gives nobody a second one; an operator does, after a
// correction. No number is added that anybody else may type to log in, in whatever reading.
func TestAttackSecondNumber(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	x.change(t, x.portal, mine, "codes", `"1"`, codeBody("111", "110101199003071110")).want(t, 409, "operator_needed")
	_, _, err := x.people.Register(t.Context(), identity.Registration{
		Name: "赵样例", Code: party.Code{Type: party.Citizen, Value: "110101199003073335"}, LoginName: "zhaoyang", Phone: "15400000077", Actor: "cli",
		Proofing: &identity.Proofing{Level: 2, Method: "in_person", Source: "cli", At: time.Now()},
	})
	mustOf(t)(err)
	for _, value := range []string{"15400000077", "ZHAOYANG"} {
		x.change(t, x.portal, mine, "codes", `"1"`, codeBody("999", value)).want(t, 409, "person_exists")
	}
	x.change(t, x.portal, mine, "codes", `"1"`, codeBody("414", "E00000001")).want(t, 200, "")
	x.change(t, x.portal, mine, "codes", `"2"`, codeBody("413", "E00000001")).want(t, 200, "") // two documents may have one number
	operator := registrar.Caller{Actor: "cli", Operator: true}
	_, err = x.people.Registrar.AddCode(t.Context(), operator, registrar.Target{Account: mine},
		registrar.NewCode{Code: party.Code{Type: party.Citizen, Value: "110101199003071110"}, Evidence: "号码更正"})
	mustOf(t)(err)
}

// What was disabled before it was closed is disabled when it is opened again.
func TestReopenDisabled(t *testing.T) {
	t.Parallel()
	x := newRegistry(t, serviceConfig{})
	mine := x.take(t, "portal", "1", "张样例", portalPerson)
	_, err := x.people.Registrar.Disable(t.Context(), registrar.Caller{Actor: "cli", Operator: true}, registrar.Target{Account: mine}, true)
	mustOf(t)(err)
	operator, to := registrar.Caller{Actor: "cli", Operator: true}, registrar.Target{Account: mine}
	_, err = x.people.Registrar.Close(t.Context(), operator, to, identity.Closing{Kind: identity.ClosedDown, On: party.DateOf(time.Now()), Evidence: "本人申请"})
	mustOf(t)(err)
	if _, _, err := x.people.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: mine, To: "15400000078"}); identity.ReasonOf(err) != string(identity.ReasonClosed) {
		t.Errorf("a closed account gets a phone: %v", err)
	}
	if _, err := x.people.Tickets.SetupTicket(t.Context(), "cli", mine); identity.ReasonOf(err) != string(identity.ReasonClosed) {
		t.Errorf("a closed account gets a ticket: %v", err)
	}
	_, err = x.people.Registrar.Reopen(t.Context(), operator, to)
	mustOf(t)(err)
	if a, err := x.people.Account(t.Context(), mine); err != nil || !a.Disabled || a.DisabledBy != "" || a.Closed.Kind != "" {
		t.Errorf("opened again: %+v, %v", a, err)
	}
}
