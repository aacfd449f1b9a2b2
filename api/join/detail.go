package join

import (
	"fmt"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
	"yizheng.internal/oidc"
)

// readOf returns what a client asks for in the provider's words.
func readOf(q offer.Ask) oidc.Detail {
	d := oidc.Detail{Type: oidc.DetailLicense, Item: string(q.Item), Case: q.Case, Acting: oidc.ActingAs(q.Acting)}
	for _, l := range q.Licenses {
		d.Licenses = append(d.Licenses, oidc.AskedLicense{Material: l.Material, TypeCode: string(l.TypeCode), Fields: l.Fields})
	}
	return d
}

// askOf returns it in the library's.
func askOf(d oidc.Detail) offer.Ask {
	q := offer.Ask{Item: catalog.ItemCode(d.Item), Case: d.Case, Acting: string(d.Acting)}
	for _, l := range d.Licenses {
		q.Licenses = append(q.Licenses, offer.AskedLicense{Material: l.Material, TypeCode: credential.TypeCode(l.TypeCode), Fields: l.Fields})
	}
	return q
}

// offered is an [offer.Offer] on its way through the provider, which can't name that.
type offered struct{ *offer.Offer }

// Shown implements [oidc.Offer].
func (o offered) Shown() [32]byte { return o.Hash }

// OfferOf returns what a consent page is to show of licenses, nil if none are asked for. An
// offer that is none of a [Resolver]'s is an error: a page without it would hide what is asked.
func OfferOf(o oidc.Offer) (*offer.Offer, error) {
	if o == nil {
		return nil, nil
	}
	ours, ok := o.(offered)
	if !ok {
		return nil, fmt.Errorf("join: a %T is no offer of licenses", o)
	}
	return ours.Offer, nil
}

// grantedDetail is an authorization detail as it was granted (RFC 9396 section
// 7). It holds use codes: only the token endpoint's answer ever has it.
type grantedDetail struct {
	Type      string            `json:"type"`
	Item      catalog.ItemCode  `json:"service_item"`
	Case      string            `json:"case"`
	Grant     grant.ID          `json:"grant_id"`
	Expires   time.Time         `json:"expires"`
	Materials []grantedMaterial `json:"materials"`
}

// grantedMaterial says what became of one material.
type grantedMaterial struct {
	grant.DeliveredMaterial
	UseCode string `json:"use_code,omitempty"`
}

func detailOf(d grant.Delivery) grantedDetail {
	g := grantedDetail{
		Type: offer.AskType, Item: d.Grant.Item, Case: d.Grant.Case, Grant: d.Grant.ID,
		Expires: d.Grant.Until.UTC().Truncate(time.Second), Materials: make([]grantedMaterial, 0, len(d.Materials)),
	}
	for _, m := range d.Materials {
		code := m.UseCode.Reveal()
		m.UseCode = grant.UseCode{}
		g.Materials = append(g.Materials, grantedMaterial{m, code})
	}
	return g
}
