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
	reason      = licensetest.Reason
	consumer    = licensetest.Consumer
	newSharing  = licensetest.NewSharing
	newDelivery = licensetest.NewDelivery
	ask         = licensetest.Ask
	subject     = licensetest.Subject
	redeem      = licensetest.Redeem
	ending      = licensetest.Ending
	suspension  = licensetest.Suspension
)

type (
	world  = licensetest.World
	stores = licensetest.Stores
)

func TestMain(m *testing.M) { licensetest.Main(m) }
