package rest

import (
	"net/http"
	"reflect"
	"time"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing/journal"
)

// sharing serves licenses of others, which their holders let the caller read.
type sharing struct {
	grants   *grant.Service
	readings *access.Service
}

func (x *sharing) sharingEndpoints() []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/shared/licenses", ID: "list-shared", Tag: "Sharing", Summary: "List what a grant covers",
			Text:   "With the access token of a person's login, of which the grant 用证授权 is a part. Says what can be read now, and shows no data.",
			Action: journal.ActionGrantShared, Out: reflect.TypeFor[sharedLicenses]()}, Serve: x.shared},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/use-codes/redeem", ID: "redeem", Tag: "Sharing", Summary: "Read a license by its use code",
			Text: "Opens a reading window of 10 minutes, within the grant. The access record is written before anything is released, and the holder sees it. " +
				"With the same `request_id`, `nonce` and `officer` it is the same reading, however often it is repeated within the window. " +
				"Any access token of the client that owns the grant will do: that of the login, or of client credentials. To any other client the code isn't there.",
			Action: journal.ActionLicenseRedeem, In: reflect.TypeFor[redeemRequest](), Most: call.SmallBody, Out: reflect.TypeFor[released]()}, Serve: x.redeem},
	}
}

// sharedLicenses is a grant, as its client sees it, and what it covers.
type sharedLicenses struct {
	Grant     grant.ID         `json:"grant_id" doc:"opaque id of the grant"`
	State     grant.State      `json:"state" doc:"of the grant" enum:"pending,active,ended"`
	EndedBy   string           `json:"ended_by,omitempty" doc:"how it ended: holder, code_reuse, token_revoked or expired" enum:"holder,code_reuse,token_revoked,expired"`
	Item      catalog.ItemCode `json:"service_item" doc:"the service item that it is for"`
	Case      string           `json:"case" doc:"the case 办件编号, as it was asked for"`
	Recurring bool             `json:"recurring" doc:"each login gives new use codes until the grant ends"`
	Expires   time.Time        `json:"expires,omitzero" doc:"when it ends at the latest"`
	Licenses  []sharedLicense  `json:"licenses" doc:"what it covers"`
}

// sharedLicense is one license that a grant covers, without its data.
type sharedLicense struct {
	Material string              `json:"material" doc:"id of the service item's material that it serves as"`
	License  audit.ID            `json:"license" doc:"opaque id of the license"`
	Version  int                 `json:"version" doc:"of the license, as the holder saw it"`
	TypeCode credential.TypeCode `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	TypeName string              `json:"type_name" doc:"the type's name"`
	State    license.State       `json:"state" doc:"of the version that was agreed to" enum:"draft,submitted,returned,active,suspended,superseded,ended"`
	Reason   refusal.Reason      `json:"reason,omitempty" doc:"why it can't be read now, such as license_suspended, grant_ended or window_over; absent: it can"`
	Fields   []string            `json:"fields" doc:"the parts that may be read: identifier, number, area_code, holders, or fields/NAME"`
	Used     time.Time           `json:"used,omitzero" doc:"first reading by the newest use code; absent: there was none yet"`
	Until    time.Time           `json:"until,omitzero" doc:"when that use code's reading window closes"`
}

func (x *sharing) shared(c *call.Call) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	if c.Access.Grant == "" {
		return problem.Refuse(http.StatusForbidden, "grant_missing", "The access token carries no grant of licenses. Use that of a login for which licenses were granted.")
	}
	g, licenses, err := x.grants.Shared(c.Context(), c.Actor(), grant.ID(c.Access.Grant))
	if err != nil {
		return err
	}
	out := sharedLicenses{
		Grant: g.ID, State: g.State, EndedBy: g.EndedBy, Item: g.Item, Case: g.Case, Recurring: g.Recurring,
		Expires: g.Until.UTC().Truncate(time.Second), Licenses: make([]sharedLicense, len(licenses)),
	}
	for i, l := range licenses {
		out.Licenses[i] = sharedLicense(l)
	}
	return c.Reply(out)
}

// redeemRequest reads a license by a use code.
type redeemRequest struct {
	UseCode   string          `json:"use_code" doc:"用证码, from the authorization details of the token endpoint's answer"`
	RequestID string          `json:"request_id" doc:"of your own, 1 to 128 visible ASCII characters: the same again is the same reading"`
	Nonce     string          `json:"nonce" doc:"unguessable, 8 to 128 visible ASCII characters; the key binding JWT repeats it"`
	Officer   *access.Officer `json:"officer,omitempty" doc:"who reads; absent: your system itself"`
}

// released is what a reading yields.
type released struct {
	License  audit.ID            `json:"license" doc:"opaque id of the license"`
	Version  int                 `json:"version" doc:"of the license, as the holder saw it"`
	TypeCode credential.TypeCode `json:"type_code" doc:"证照类型代码 (GB/T 36904)"`
	Fields   []string            `json:"fields" doc:"the parts that are disclosed: identifier, number, area_code, holders, or fields/NAME"`
	Withheld []string            `json:"withheld,omitempty" doc:"parts below holders that are not disclosed, such as holders/1/code: of a person who didn't agree, only name and role are"`
	// Credential is the license's credential with only the parts that were
	// agreed to, bound to the client and its nonce by a key binding JWT (RFC
	// 9901 section 4.3) of the presentation key that its cnf names.
	Credential string    `json:"credential" doc:"the SD-JWT with only those parts disclosed, and a key binding JWT whose aud is your client id and whose nonce is yours: verify both"`
	Record     string    `json:"record" doc:"id of the access record 用证记录, which the holder sees"`
	Until      time.Time `json:"until" doc:"when the use code's reading window closes; until then the same request may be repeated"`
	Again      bool      `json:"-"` // of a reading that was recorded before
}

func (x *sharing) redeem(c *call.Call) error {
	var q redeemRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	out, err := x.readings.Redeem(c.Context(), c.Actor(), access.RedeemRequest{
		UseCode: q.UseCode, RequestID: q.RequestID, Nonce: q.Nonce, Officer: q.Officer,
	})
	if err != nil {
		return err
	}
	return c.Reply(released(out))
}
