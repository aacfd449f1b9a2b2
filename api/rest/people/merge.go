package people

import (
	"net/http"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
)

// MergeRequest says that two people are one.
type MergeRequest struct {
	Keep     party.Code `json:"keep" doc:"a number of the one who stays"`
	Merge    party.Code `json:"merge" doc:"a number of the other, whose numbers go over"`
	Evidence string     `json:"evidence" doc:"on what it rests, 1 to 200 characters; kept with both"`
}

func (x *People) merge(c *call.Call) error {
	by, err := x.caller(c)
	if err != nil {
		return err
	}
	if err := c.CheckQuery(); err != nil {
		return err
	}
	var q MergeRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.Merge(c.Context(), by, registrar.Merger{Keep: q.Keep, Merge: q.Merge, Evidence: q.Evidence, Language: "zh-CN"})
	switch reasonOf(err) {
	case registrar.ReasonCode:
		return problem.Refuse(http.StatusUnprocessableEntity, "code_invalid", "One of the two is not the number of a person's document of that type.")
	case registrar.ReasonOne:
		return problem.Refuse(http.StatusConflict, "person_same", "Both numbers are one person's already.")
	case registrar.ReasonContradict:
		return problem.Refuse(http.StatusConflict, "codes_contradict", "Both hold a number of which a person has one at a time. If they are one person, end the wrong number first.")
	case registrar.ReasonNotYour:
		return problem.Refuse(http.StatusConflict, "operator_needed", "Both have or had a citizen's number, somebody has used the account that would be closed, the names differ, or the one to keep isn't who has the citizen's number. An operator merges them.")
	case registrar.ReasonOperator:
		return problem.Refuse(http.StatusConflict, "disabled_by_operator", "An operator disabled the account of one of the two, and merges them.")
	case registrar.ReasonMany:
		return tooMany()
	case identity.ReasonClosed:
		return problem.Refuse(http.StatusConflict, "person_closed", "The account of one of the two was closed. An operator can open it again.")
	}
	if err != nil {
		return tooHigh(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}
