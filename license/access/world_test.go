package access_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	citizen  = licensetest.Citizen
	itemCode = licensetest.ItemCode
	spouse   = licensetest.Spouse
	nonce    = licensetest.Nonce
)

var (
	issuer      = licensetest.Issuer
	stranger    = licensetest.Stranger
	request     = licensetest.Request
	reason      = licensetest.Reason
	consumer    = licensetest.Consumer
	newSharing  = licensetest.NewSharing
	newDelivery = licensetest.NewDelivery
	ask         = licensetest.Ask
	subject     = licensetest.Subject
	offer       = licensetest.Offer
	redeem      = licensetest.Redeem
	ending      = licensetest.Ending
	suspension  = licensetest.Suspension
	seen        = licensetest.Seen
)

type (
	world  = licensetest.World
	stores = licensetest.Stores
)

func TestMain(m *testing.M) { licensetest.Main(m) }
