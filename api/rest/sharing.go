package rest

import (
	"net/http"
	"time"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/access"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing/journal"
)

// sharing serves licenses of others, which their holders let the caller read.
type sharing struct {
	grants   *grant.Service
	readings *access.Service
}

func (x *sharing) sharingEndpoints() []endpoint {
	return []endpoint{
		{openapi.Endpoint{Method: "GET", Path: "/v1/shared/licenses", ID: "list-shared", Tag: "Sharing", Summary: "List what a grant covers",
			Text:   "With the access token of a person's login, of which the grant 用证授权 is a part. Says what can be read now, and shows no data.",
			Action: journal.ActionGrantShared, Out: typeOf[sharedLicenses]()}, x.shared},
		{openapi.Endpoint{Method: "POST", Path: "/v1/use-codes/redeem", ID: "redeem", Tag: "Sharing", Summary: "Read a license by its use code",
			Text: "Opens a reading window of 10 minutes, within the grant. The access record is written before anything is released, and the holder sees it. " +
				"With the same `request_id`, `nonce` and `officer` it is the same reading, however often it is repeated within the window. " +
				"Any access token of the client that owns the grant will do: that of the login, or of client credentials. To any other client the code isn't there.",
			Action: journal.ActionLicenseRedeem, In: typeOf[redeemRequest](), Most: smallBody, Out: typeOf[access.Released]()}, x.redeem},
	}
}

// sharedLicenses is a grant, as its client sees it, and what it covers.
type sharedLicenses struct {
	Grant     grant.ID              `json:"grant_id" doc:"opaque id of the grant"`
	State     grant.State           `json:"state" doc:"of the grant" enum:"pending,active,ended"`
	EndedBy   string                `json:"ended_by,omitempty" doc:"how it ended: holder, code_reuse, token_revoked or expired" enum:"holder,code_reuse,token_revoked,expired"`
	Item      catalog.ItemCode      `json:"service_item" doc:"the service item that it is for"`
	Case      string                `json:"case" doc:"the case 办件编号, as it was asked for"`
	Recurring bool                  `json:"recurring" doc:"each login gives new use codes until the grant ends"`
	Expires   time.Time             `json:"expires,omitzero" doc:"when it ends at the latest"`
	Licenses  []grant.SharedLicense `json:"licenses" doc:"what it covers"`
}

func (x *sharing) shared(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	if c.access.Grant == "" {
		return problem.Refuse(http.StatusForbidden, "grant_missing", "The access token carries no grant of licenses. Use that of a login for which licenses were granted.")
	}
	g, licenses, err := x.grants.Shared(c.ctx(), c.actor(), grant.ID(c.access.Grant))
	if err != nil {
		return err
	}
	return c.reply(sharedLicenses{
		Grant: g.ID, State: g.State, EndedBy: g.EndedBy, Item: g.Item, Case: g.Case, Recurring: g.Recurring,
		Expires: g.Until.UTC().Truncate(time.Second), Licenses: licenses,
	})
}

// redeemRequest reads a license by a use code.
type redeemRequest struct {
	UseCode   string          `json:"use_code" doc:"用证码, from the authorization details of the token endpoint's answer"`
	RequestID string          `json:"request_id" doc:"of your own, 1 to 128 visible ASCII characters: the same again is the same reading"`
	Nonce     string          `json:"nonce" doc:"unguessable, 8 to 128 visible ASCII characters; the key binding JWT repeats it"`
	Officer   *access.Officer `json:"officer,omitempty" doc:"who reads; absent: your system itself"`
}

func (x *sharing) redeem(c *call) error {
	var q redeemRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	out, err := x.readings.Redeem(c.ctx(), c.actor(), access.RedeemRequest{
		UseCode: q.UseCode, RequestID: q.RequestID, Nonce: q.Nonce, Officer: q.Officer,
	})
	if err != nil {
		return err
	}
	return c.reply(out)
}
