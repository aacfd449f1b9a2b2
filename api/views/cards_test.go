package views

import (
	"strings"
	"testing"

	"yizheng.internal/api/web"
	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
)

// maskedCard returns words for pages, and a license that two people hold, who see their own numbers and not each
// other's.
func maskedCard(t *testing.T) (*Words, license.License) {
	t.Helper()
	texts, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	w := (&Views{Config{Texts: texts}}).Words(t.Context(), web.Chinese)
	l := license.License{ID: "l", TypeCode: "t", Authority: "a"}
	l.Version = license.Version{Version: 1, TypeVersion: 1}
	l.Holders = []credential.Holder{
		{Name: "样例甲", CodeType: party.Citizen, Code: "11010519491231002X", Share: "60%"},
		{Name: "样例乙", CodeType: party.Citizen, Code: "440524188001010014", Share: "40%"},
	}
	w.types[typeVersion{"t", 1}], w.participants["uscc:a"] = typeWords{name: "样例证"}, "样例厅"
	return w, l
}

var otherHolder = []string{"holders/1/code", "holders/1/code_type", "holders/1/share"}

// A card shows whoever looks their own number, and of other holders neither the whole number nor the share.
func TestCardsMaskOtherHolders(t *testing.T) {
	t.Parallel()
	check := func(what string, c *web.Card) {
		t.Helper()
		if own := c.Holders[0]; own.Code != "11010519491231002X" || own.Share != "60%" {
			t.Errorf("%s: of themself %+v", what, own)
		}
		if other := c.Holders[1]; other.Code != "4405**********0014" || other.Share != "" || other.Name != "样例乙" {
			t.Errorf("%s: of another holder %+v", what, other)
		}
	}
	w, l := maskedCard(t)
	c, err := w.HeldCard(&offer.HeldLicense{License: l, Masked: otherHolder})
	if err != nil {
		t.Fatal(err)
	}
	check("held", &c)
	for _, withheld := range [][]string{nil, otherHolder} { // by law, and not
		w, l := maskedCard(t)
		shown, err := w.consentLicense(&offer.OfferedMaterial{}, &offer.OfferedLicense{
			License: l, Masked: otherHolder, Withheld: withheld, Fields: []string{catalog.PartHolders},
		})
		if err != nil {
			t.Fatal(err)
		}
		check("offered", &shown.Card)
		if lines := shown.Parts[0].Value; !strings.Contains(lines, "11010519491231002X") || strings.Contains(lines, "440524188001010014") ||
			strings.Contains(lines, "4405**********0014") != (withheld == nil) {
			t.Errorf("the part says %q", lines)
		}
	}
}
