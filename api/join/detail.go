package join

import (
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
)

// grantedDetail is an authorization detail as it was granted (RFC 9396 section
// 7). It holds use codes: only the token endpoint's answer ever has it.
type grantedDetail struct {
	Type      string            `json:"type"`
	Item      catalog.ItemCode  `json:"service_item"`
	Case      string            `json:"case"`
	Grant     license.GrantID   `json:"grant_id"`
	Expires   time.Time         `json:"expires"`
	Materials []grantedMaterial `json:"materials"`
}

// grantedMaterial says what became of one material.
type grantedMaterial struct {
	license.DeliveredMaterial
	UseCode string `json:"use_code,omitempty"`
}

func detailOf(d license.Delivery) grantedDetail {
	g := grantedDetail{
		Type: license.AskType, Item: d.Grant.Item, Case: d.Grant.Case, Grant: d.Grant.ID,
		Expires: d.Grant.Until.UTC().Truncate(time.Second), Materials: make([]grantedMaterial, 0, len(d.Materials)),
	}
	for _, m := range d.Materials {
		code := m.UseCode.Reveal()
		m.UseCode = license.UseCode{}
		g.Materials = append(g.Materials, grantedMaterial{m, code})
	}
	return g
}
